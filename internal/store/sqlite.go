package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// readers is how many queries a SQLite file answers at once. They wait for nobody, so few will do.
const readers = 4

func openSQLite(ctx context.Context, path string) (*Store, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") || strings.HasPrefix(path, "file:") {
		return nil, fmt.Errorf("open store: %q is not the path of a file", path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	write, err := connectSQLite(path, 1, "_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := prepare(ctx, path, write); err != nil {
		write.Close()
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	read, err := connectSQLite(path, readers, "_pragma=query_only(1)")
	if err != nil {
		write.Close()
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	changes := &queue{db: write, prepares: true}
	return &Store{write: write, read: read, deciding: make(chan struct{}, 1), arrivals: changes, outcomes: changes}, nil
}

// prepare brings a file up to date while no other program does. The lock comes before the first
// connection: SQLite does not wait when two programs turn a new file's journal over at the same time.
func prepare(ctx context.Context, path string, write *sqlx.DB) error {
	lock, err := lockFile(ctx, path+".lock")
	if err != nil {
		return err
	}
	return errors.Join(migrate(ctx, goose.DialectSQLite3, write), lock.Close())
}

// create makes the file readable by its owner only: it holds bodies of events and salts of routes.
// SQLite gives the files it adds the same mode. A file that is there is not touched, because closing
// it would drop the locks of whoever has it open in this process.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func connectSQLite(path string, connections int, options string) (*sqlx.DB, error) {
	// As a URL, so that no character of the path is taken for the beginning of the options.
	source := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join([]string{
		// Another program may look at the file too, such as a backup.
		"_pragma=busy_timeout(5000)",
		"_pragma=foreign_keys(1)",
		// Readers and the writer do not wait for each other.
		"_pragma=journal_mode(WAL)",
		// What was accepted is still there after the power was cut.
		"_pragma=synchronous(FULL)",
		options,
	}, "&")
	db, err := sqlx.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}
