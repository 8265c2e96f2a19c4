package store

import (
	"context"
	"fmt"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// connections is how many one program holds at most, one of them for storing events and nothing else. Each is a process of
// the server that wants a processor: with more, those that settle events keep the one waiting that stores them, and with it
// whoever delivers (docs/performance.md).
const connections = 4

func openPostgres(ctx context.Context, dsn string) (*Store, error) {
	db, err := connectPostgres(dsn, connections-1)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	// Programs that start together take turns, each trying every second for a minute.
	turns, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := migrate(ctx, goose.DialectPostgres, db, goose.WithSessionLocker(turns)); err != nil {
		db.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	arrivals, err := connectPostgres(dsn, 1)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return &Store{write: db, read: db, deciding: make(chan struct{}, 1), arrivals: &queue{db: arrivals}, outcomes: &queue{db: db}}, nil
}

func connectPostgres(dsn string, connections int) (*sqlx.DB, error) {
	db, err := sqlx.Open("pgx", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	// A server that was replaced, or a proxy in between, is noticed sooner by new connections.
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, nil
}
