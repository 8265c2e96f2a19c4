package store

import (
	"context"
	"fmt"
)

// decidingLock is the number of PostgreSQL's advisory lock that [Store.Exclusively] takes: any that nothing else in
// the database uses.
const decidingLock = 0x736b7969736c6e64

// Exclusively runs do while nobody else who shares the database runs one. What is decided from a count, and changes
// it, is decided one at a time.
func (s *Store) Exclusively(ctx context.Context, do func(context.Context) error) error {
	// Within this process turns are taken here: SQLite has one program, and PostgreSQL's connections are few.
	select {
	case s.deciding <- struct{}{}:
		defer func() { <-s.deciding }()
	case <-ctx.Done():
		return fmt.Errorf("wait for the turn to decide: %w", ctx.Err())
	}
	if s.write != s.read {
		return do(ctx)
	}
	conn, err := s.write.Connx(ctx)
	if err != nil {
		return fmt.Errorf("wait for the turn to decide: %w", err)
	}
	// A connection that cannot say that the lock is free again is closed with it, by the rollback of its transaction.
	defer func() { _ = conn.Close() }()
	tx, err := conn.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("wait for the turn to decide: %w", err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(decidingLock)); err != nil {
		return fmt.Errorf("wait for the turn to decide: %w", err)
	}
	return do(ctx)
}
