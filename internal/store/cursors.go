package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// Happened are the entries of the outbox after a seq, in the order of storing, at most so many, whoever has routed them:
// what those read who follow releases by a cursor of their own. An entry that cannot be read says so in its message.
func (s *Store) Happened(ctx context.Context, after int64, most int) ([]OutboxEntry, error) {
	const query = `
		SELECT seq, id, release, entry, at FROM outbox
		WHERE seq > ?
		ORDER BY seq
		LIMIT ?`
	out, err := s.outbox(ctx, query, after, most)
	if err != nil {
		return nil, fmt.Errorf("read what happened after %d: %w", after, err)
	}
	return out, nil
}

// LastHappened is the seq of the newest entry of the outbox; 0 when there has been none.
func (s *Store) LastHappened(ctx context.Context) (int64, error) {
	var seq int64
	if err := s.one(ctx, &seq, `SELECT value FROM counters WHERE name = 'outbox'`); err != nil {
		return 0, fmt.Errorf("read the last number of the outbox: %w", err)
	}
	return seq, nil
}

// Cursor is how far a follower of the outbox has come; false for one that has never moved.
func (s *Store) Cursor(ctx context.Context, name string) (seq int64, moved bool, err error) {
	err = s.one(ctx, &seq, `SELECT seq FROM cursors WHERE name = ?`, clean(name))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read the cursor %s: %w", name, err)
	}
	return seq, true, nil
}

// MoveCursor keeps that a follower has dealt with everything up to a seq. A cursor never goes back.
func (s *Store) MoveCursor(ctx context.Context, name string, seq int64) error {
	if err := s.change(ctx, func(tx *sqlx.Tx) error { return moveCursor(ctx, tx, name, seq) }); err != nil {
		return fmt.Errorf("move the cursor %s to %d: %w", name, seq, err)
	}
	return nil
}

// moveCursor moves a cursor in the transaction that stores what it has led to.
func moveCursor(ctx context.Context, tx *sqlx.Tx, name string, seq int64) error {
	const move = `
		INSERT INTO cursors (name, seq)
		VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET seq = excluded.seq
		WHERE excluded.seq > cursors.seq`
	_, err := exec(ctx, tx, move, clean(name), seq)
	return err
}
