package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// ScheduleSeen is until when the due times of a schedule have been seen to. One that is new, or defined otherwise than
// before, has been seen to until now.
func (s *Store) ScheduleSeen(ctx context.Context, name, definition string, now time.Time) (time.Time, error) {
	var seen int64
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		// Of two servers that meet a new schedule at once, the first says since when it is there.
		const begin = `
			INSERT INTO schedules (name, definition, seen_at)
			VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, seen_at = excluded.seen_at
			WHERE schedules.definition <> excluded.definition`
		if _, err := exec(ctx, tx, begin, clean(name), clean(definition), micros(now)); err != nil {
			return err
		}
		const find = `SELECT seen_at FROM schedules WHERE name = ?`
		return tx.GetContext(ctx, &seen, tx.Rebind(find), clean(name))
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read until when schedule %s was seen to: %w", name, err)
	}
	return moment(seen), nil
}

// SeeSchedule keeps that the due times of a schedule have been seen to until a time. It never goes back.
func (s *Store) SeeSchedule(ctx context.Context, name string, until time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		const move = `
			UPDATE schedules SET seen_at = ?
			WHERE name = ? AND seen_at < ?`
		_, err := exec(ctx, tx, move, micros(until), clean(name), micros(until))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep until when schedule %s was seen to: %w", name, err)
	}
	return nil
}
