// Package store keeps what outlives a workflow and what is searched: events, applications, releases
// and what happened to them, decisions, instructions, revisions and routes.
//
// Its one idea is that every write may come again and late. Activities are tried until they succeed,
// deliveries are repeated, and two programs may run for a moment, so each write is named by what it
// is about: the same one stored twice is stored once, and an older one never hides a newer one.
//
// The statements are the same on SQLite and PostgreSQL. Moments are kept to the microsecond and given
// back in UTC. Text for people is kept readable: bytes that are no UTF-8, and NUL, become U+FFFD.
package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
)

// Store is an open database. Its methods are safe for concurrent use. Each returns an error that
// wraps the database's when that fails, and ctx's when it ends first; a change that returns an error
// has not happened, or, when the connection was lost at its end, may be tried again.
type Store struct {
	// write and read are the same for PostgreSQL. SQLite has one writer at a time, so there all
	// changes queue for one connection instead of failing on each other.
	write, read *sqlx.DB
	// deciding has room for the one who decides.
	deciding chan struct{}
	// arrivals are the events that wait to be stored, outcomes what becomes of those that are: each waits for a transaction
	// that it shares. They are one for SQLite. On PostgreSQL they have nothing in common, neither a transaction nor a
	// connection nor a row that both lock, so that nobody who sends an event waits for what becomes of others. Only one that
	// comes again while its own outcome is on its way to the disk waits for that.
	arrivals, outcomes *queue
}

// Open opens a database, creates it when it is a file that is not there, and brings its schema up to
// date. The dsn is a path, sqlite:PATH, or a postgres:// URL. The caller closes the store.
func Open(ctx context.Context, dsn string) (*Store, error) {
	scheme, rest, _ := strings.Cut(dsn, ":")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		return openPostgres(ctx, dsn)
	case scheme == "sqlite":
		return openSQLite(ctx, strings.TrimPrefix(rest, "//"))
	case strings.Contains(dsn, "://"):
		// Only the scheme is repeated: what follows may hold a password.
		return nil, fmt.Errorf("open store: %q is no scheme for a store; write a path, sqlite:PATH or postgres://", scheme)
	default:
		return openSQLite(ctx, dsn)
	}
}

// Close closes all connections, once what they are doing has ended.
func (s *Store) Close() error {
	var errs []error
	for _, db := range s.pools() {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

// pools are all connections of the store, each pool of them once.
func (s *Store) pools() []*sqlx.DB {
	var out []*sqlx.DB
	for _, db := range []*sqlx.DB{s.read, s.write, s.arrivals.db} {
		if !slices.Contains(out, db) {
			out = append(out, db)
		}
	}
	return out
}

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	for _, db := range s.pools() {
		if err := db.PingContext(ctx); err != nil {
			return fmt.Errorf("reach store: %w", err)
		}
	}
	return nil
}

// change runs do in one transaction: all of it is stored, or nothing.
func (s *Store) change(ctx context.Context, do func(*sqlx.Tx) error) error {
	tx, err := s.write.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	// After a commit this does nothing.
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// exec runs a statement written with question marks, and gives the number of rows it changed.
func exec(ctx context.Context, tx *sqlx.Tx, query string, args ...any) (int64, error) {
	result, err := tx.ExecContext(ctx, tx.Rebind(query), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// list reads all rows of a query written with question marks.
func (s *Store) list(ctx context.Context, rows any, query string, args ...any) error {
	return s.read.SelectContext(ctx, rows, s.read.Rebind(query), args...)
}

// one reads the single row of a query written with question marks.
func (s *Store) one(ctx context.Context, row any, query string, args ...any) error {
	return s.read.GetContext(ctx, row, s.read.Rebind(query), args...)
}
