package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	persistencesql "go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/resolver"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrDataFileInUse means that another process has the data file open.
var ErrDataFileInUse = errors.New("the data file is in use by another process")

// ErrDataFileForeign means that the data file holds something else, or a Temporal schema this
// program cannot read.
var ErrDataFileForeign = errors.New("the data file does not fit this program")

// schemaVersion names the schema this program writes. The server has no migrations for SQLite, so
// a file is opened only by a program with the same schema.
const schemaVersion = "temporal " + sqliteschema.Version + ", visibility " + sqliteschema.VisibilityVersion

// sqlConfig is how Temporal opens path. Its SQLite plugin turns every connect attribute that is not
// part of SQLite's URI syntax into a pragma, and keeps one connection, which makes transactions
// serial without ever meeting a locked database.
func sqlConfig(path string) *config.SQL {
	return &config.SQL{
		PluginName:   sqliteplugin.PluginName,
		DatabaseName: (&url.URL{Path: path}).EscapedPath(),
		ConnectAttributes: map[string]string{
			"mode": "rw",
			// A committed transaction survives the death of the process in any mode. NORMAL syncs at
			// checkpoints only: a power cut may lose the last commits, and never corrupts.
			"journal_mode": "wal",
			"synchronous":  "normal",
			// Holds the file until the process ends or Stop gives it back: two servers on one file
			// would take the history shard from each other for ever.
			"locking_mode": "exclusive",
			"busy_timeout": "2000",
			"temp_store":   "memory",
			"cache_size":   "-65536", // 64 MiB
		},
	}
}

// prepareFile makes sure that path holds Temporal's schema: it is set up when the file is new or
// empty, in one transaction, so that a kill in the middle leaves an empty file.
func prepareFile(ctx context.Context, path string) (err error) {
	if info, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("the folder of the data file: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("the folder of the data file: %s is not a folder", filepath.Dir(path))
	}
	if err := keepPrivate(path); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+
		"?mode=rwc&_txlock=immediate&_pragma=busy_timeout=2000&_pragma=journal_mode=wal")
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, explain(err))
	}
	defer tx.Rollback() // after a commit there is nothing to roll back
	have, err := readSchemaVersion(ctx, tx)
	switch {
	case err != nil:
		return fmt.Errorf("read the schema version of %s: %w", path, err)
	case have == schemaVersion:
		return nil
	case have != "":
		return fmt.Errorf("%w: %s has %s, this program needs %s: start the program that made the file, or name another file",
			ErrDataFileForeign, path, have, schemaVersion)
	}
	if err := writeSchema(ctx, tx); err != nil {
		return fmt.Errorf("set up the schema in %s: %w", path, err)
	}
	return tx.Commit()
}

// keepPrivate makes the file for its owner only, before SQLite makes it for everybody: histories hold
// what people wrote and where repositories are. SQLite gives its log and its index the mode of the
// file. One that is there keeps its mode, which may have been chosen, and is not even opened: closing
// it would give up the locks that this process may hold on it.
func keepPrivate(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// readSchemaVersion returns what writeSchema left, or nothing when the file has no tables.
func readSchemaVersion(ctx context.Context, tx *sql.Tx) (string, error) {
	const countTables = `
		SELECT count(*), count(*) FILTER (WHERE name = 'embedded_schema')
		FROM sqlite_master
		WHERE type = 'table'`
	var tables, ours int
	if err := tx.QueryRowContext(ctx, countTables).Scan(&tables, &ours); err != nil {
		return "", explain(err)
	}
	switch {
	case tables == 0:
		return "", nil
	case ours == 0:
		return "", fmt.Errorf("%w: it has tables that this program did not make: name another file", ErrDataFileForeign)
	}
	var version string
	err := tx.QueryRowContext(ctx, `SELECT version FROM embedded_schema`).Scan(&version)
	return version, err
}

func writeSchema(ctx context.Context, tx *sql.Tx) error {
	if err := sqliteschema.SetupSchemaOnDB(&schemaWriter{ctx: ctx, tx: tx}); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `CREATE TABLE embedded_schema (version TEXT NOT NULL)`); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO embedded_schema (version) VALUES (?)`, schemaVersion)
	return err
}

// schemaWriter lets Temporal's schema statements run in a transaction of ours. The interface asks
// for an administrator of databases; setting up a schema uses Exec alone.
type schemaWriter struct {
	sqlplugin.AdminDB
	ctx context.Context
	tx  *sql.Tx
}

func (w *schemaWriter) Exec(stmt string, args ...any) error {
	_, err := w.tx.ExecContext(w.ctx, stmt, args...)
	return err
}

// takeFile and giveBackFile move the one connection that Temporal keeps, for the life of the
// process, into and out of the lock that keeps other processes away. Giving back also empties the
// write-ahead log, so that a stopped server leaves a single file.
func takeFile(cfg *config.SQL) error {
	return administer(cfg, "PRAGMA locking_mode=exclusive", "UPDATE embedded_schema SET version = version")
}

func giveBackFile(cfg *config.SQL) error {
	return administer(cfg, "PRAGMA wal_checkpoint(truncate)", "PRAGMA locking_mode=normal", "SELECT count(*) FROM embedded_schema")
}

func administer(cfg *config.SQL, statements ...string) (err error) {
	db, err := persistencesql.NewSQLAdminDB(sqlplugin.DbKindMain, cfg, resolver.NewNoopResolver(),
		log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return explain(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, statement := range statements {
		if err := db.Exec(statement); err != nil {
			return fmt.Errorf("%s: %w", statement, explain(err))
		}
	}
	return nil
}

// explain puts a sentinel beside what SQLite says by number.
func explain(err error) error {
	var said *sqlite.Error
	switch {
	case !errors.As(err, &said):
		return err
	case said.Code()&0xff == sqlite3.SQLITE_BUSY, said.Code()&0xff == sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w: %w", ErrDataFileInUse, err)
	case said.Code()&0xff == sqlite3.SQLITE_NOTADB, strings.Contains(said.Error(), "not a database"):
		return fmt.Errorf("%w: %w", ErrDataFileForeign, err)
	}
	return err
}
