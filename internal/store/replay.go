package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// Replay is what somebody asks for who wants an event to be handed on once more.
type Replay struct {
	// By is who asks.
	By release.Actor
	// Again wants another release where the event has one.
	Again bool
	// Request is the asker's name for this wish, at most 255 bytes: the same one again is the same replay. Empty is a wish
	// of its own each time.
	Request string
}

// mostNames bounds the search for a free name of a replay: a source may have had the delivery replay-1-of-7 itself.
const mostNames = 100

// Replay stores an event anew that has its outcome, and says which one that is, and whether the same request had stored it
// already. The replay is an event of its own, with its own outcome; the first keeps its. A replay of a replay repeats
// the first event.
//
// An event that waits for its outcome, or has a replay that does, is [release.ErrConflict]; one whose body is no longer
// kept is [ErrForgotten]; one that nobody stored is [release.ErrNotFound].
func (s *Store) Replay(ctx context.Context, id int64, order Replay, at time.Time) (replay int64, repeated bool, err error) {
	if len(order.Request) > maxName || order.Request != clean(order.Request) {
		return 0, false, fmt.Errorf("replay event %d: request %.80q: want text of at most %d bytes", id, order.Request, maxName)
	}
	err = s.change(ctx, func(tx *sqlx.Tx) error {
		// The number's row is locked first, as by who accepts events: replays of one event are asked for one at a time.
		b := &batch{Tx: tx}
		number, err := b.number(ctx)
		if err != nil {
			return err
		}
		replay = number
		first, event, err := replayable(ctx, tx, id)
		if err != nil {
			return err
		}
		if order.Request != "" {
			const find = `SELECT id FROM inbox WHERE replay_of = ? AND request = ?`
			var known int64
			if err := tx.GetContext(ctx, &known, tx.Rebind(find), first, order.Request); !errors.Is(err, sql.ErrNoRows) {
				replay, repeated = known, true
				return err
			}
		}
		event.ReceivedAt, event.Again = at, order.Again
		if err := s.insertReplay(ctx, b, replay, first, event, order); err != nil {
			return err
		}
		b.take(1)
		return b.keepNumber(ctx)
	})
	if err != nil {
		return 0, false, fmt.Errorf("replay event %d: %w", id, err)
	}
	return replay, repeated, nil
}

// replayable reads an event, and which one it repeats: itself, when it came from outside.
func replayable(ctx context.Context, tx *sqlx.Tx, id int64) (first int64, event Event, err error) {
	const query = `SELECT source, kind, body, body_pruned_at, replay_of FROM inbox WHERE id = ?`
	var row struct {
		Source   string        `db:"source"`
		Kind     string        `db:"kind"`
		Body     []byte        `db:"body"`
		Pruned   sql.NullInt64 `db:"body_pruned_at"`
		ReplayOf sql.NullInt64 `db:"replay_of"`
	}
	if err := tx.GetContext(ctx, &row, tx.Rebind(query), id); err != nil {
		return 0, Event{}, found(err)
	}
	first = id
	if row.ReplayOf.Valid {
		first = row.ReplayOf.Int64
	}
	event = Event{Source: row.Source, Kind: row.Kind, Body: row.Body}
	if row.Pruned.Valid {
		event.Body = nil
		return first, event, ErrForgotten
	}
	return first, event, nil
}

func (s *Store) insertReplay(ctx context.Context, b *batch, number, first int64, event Event, order Replay) error {
	var family struct {
		Pending sql.NullInt64 `db:"pending"`
		Replays int           `db:"replays"`
	}
	const query = `
		SELECT MIN(CASE WHEN outcome IS NULL THEN id END) AS pending, COUNT(replay_of) AS replays
		FROM inbox
		WHERE id = ? OR replay_of = ?`
	if err := b.GetContext(ctx, &family, b.Rebind(query), first, first); err != nil {
		return err
	}
	if family.Pending.Valid {
		return fmt.Errorf("event %d waits for its outcome: %w", family.Pending.Int64, release.ErrConflict)
	}
	if order.Again {
		// Without a release there is none to have again: it is asked for under its first name, as it would have been.
		had, err := released(ctx, b.Tx, first)
		if err != nil {
			return err
		}
		event.Again = len(had) > 0
	}
	by, err := encode(order.By)
	if err != nil {
		return err
	}
	for n := family.Replays + 1; n <= family.Replays+mostNames; n++ {
		event.Delivery = fmt.Sprintf("replay-%d-of-%d", n, first)
		added, err := b.insert(ctx, number, event)
		if err != nil {
			return err
		}
		if added == 0 {
			continue
		}
		const mark = `UPDATE inbox SET replay_of = ?, again = ?, asked_by = ?, request = ? WHERE id = ?`
		request := sql.NullString{String: order.Request, Valid: order.Request != ""}
		again := 0
		if event.Again {
			again = 1
		}
		_, err = b.exec(ctx, mark, first, again, by, request, number)
		return err
	}
	return fmt.Errorf("there is no name left for a replay of event %d", first)
}
