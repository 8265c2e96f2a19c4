package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// The bounds of an event: GitHub's webhooks have at most 25 MB.
const (
	maxBody = 32 << 20
	maxName = 255
)

// maxPending is about how many bytes of bodies [Store.Pending] gives at once.
const maxPending = 64 << 20

// Event is a delivery from outside that was verified.
type Event struct {
	// ID names the event and grows in the order of storing, from 1. It is given by [Store.Accept].
	ID int64
	// Source and Delivery are the event's identity; the same pair is stored once. With Kind, the
	// source's name for it, they are text of 1 to 255 bytes.
	Source   string
	Delivery string
	Kind     string
	// Body is any bytes, at most 32 MiB.
	Body       []byte
	ReceivedAt time.Time
}

// Outcome is what became of an event.
type Outcome struct {
	Kind OutcomeKind
	// Message is for whoever sent the event.
	Message string
	// Releases are those the event asked for; nil when it asked for none.
	Releases []release.ID
}

// OutcomeKind is the kind of an outcome.
type OutcomeKind string

// The outcomes of an event.
const (
	Started     OutcomeKind = "started"
	Queued      OutcomeKind = "queued"
	Superseding OutcomeKind = "superseding"
	Duplicate   OutcomeKind = "duplicate"
	Ignored     OutcomeKind = "ignored"
	Refused     OutcomeKind = "refused"
	Stopped     OutcomeKind = "stopped"
	Superseded  OutcomeKind = "superseded"
	Told        OutcomeKind = "told"
)

func (k OutcomeKind) known() bool {
	return slices.Contains([]OutcomeKind{Started, Queued, Superseding, Duplicate, Ignored, Refused, Stopped, Superseded, Told}, k)
}

func (e Event) check() error {
	for _, part := range []struct{ name, value string }{
		{"source", e.Source}, {"delivery", e.Delivery}, {"kind", e.Kind},
	} {
		if part.value == "" || len(part.value) > maxName || part.value != clean(part.value) {
			return fmt.Errorf("%s %q: want text of 1 to %d bytes", part.name, part.value, maxName)
		}
	}
	if len(e.Body) > maxBody {
		return fmt.Errorf("the body has %d bytes, more than %d", len(e.Body), maxBody)
	}
	return nil
}

// Accept stores an event once, and says whether it was there already; the ID is that of the stored
// one then, whatever the body. An event that exceeds the bounds of its fields is an error.
func (s *Store) Accept(ctx context.Context, event Event) (id int64, duplicate bool, err error) {
	if err := event.check(); err != nil {
		return 0, false, fmt.Errorf("accept event: %w", err)
	}
	// The number comes first: PostgreSQL keeps its row locked until the end, so events are visible
	// in the order of their numbers and a reader never passes one that appears later.
	err = s.change(ctx, func(tx *sqlx.Tx) error {
		const number = `
			UPDATE counters SET value = value + 1
			WHERE name = 'inbox'
			RETURNING value`
		if err := tx.GetContext(ctx, &id, number); err != nil {
			return err
		}
		const insert = `
			INSERT INTO inbox (id, source, delivery, kind, body, received_at, attempts, due_at, postponed)
			VALUES (?, ?, ?, ?, ?, ?, 0, ?, '')
			ON CONFLICT (source, delivery) DO NOTHING`
		received := micros(event.ReceivedAt)
		// A body of nil is the same as an empty one.
		body := append([]byte{}, event.Body...)
		n, err := exec(ctx, tx, insert, id, event.Source, event.Delivery, event.Kind, body, received, received)
		if err == nil && n == 0 {
			return errDuplicate
		}
		return err
	})
	if errors.Is(err, errDuplicate) {
		const find = `SELECT id FROM inbox WHERE source = ? AND delivery = ?`
		duplicate, err = true, s.one(ctx, &id, find, event.Source, event.Delivery)
	}
	if err != nil {
		return 0, false, fmt.Errorf("accept event %s of %s: %w", event.Delivery, event.Source, err)
	}
	return id, duplicate, nil
}

// Knows says whether an event is stored, whatever became of it.
func (s *Store) Knows(ctx context.Context, source, delivery string) (bool, error) {
	var count int
	if err := s.one(ctx, &count, `SELECT COUNT(*) FROM inbox WHERE source = ? AND delivery = ?`, source, delivery); err != nil {
		return false, fmt.Errorf("look for event %s of %s: %w", delivery, source, err)
	}
	return count > 0, nil
}

// errDuplicate undoes a transaction that found its event stored, and the number it took.
var errDuplicate = errors.New("stored already")

// Pending are the events without an outcome that are due at now, oldest first: at most limit, and
// fewer when their bodies together exceed 64 MiB.
func (s *Store) Pending(ctx context.Context, now time.Time, limit int) ([]Event, error) {
	const query = `
		SELECT id, source, delivery, kind, body, received_at
		FROM inbox
		WHERE outcome IS NULL AND due_at <= ?
		ORDER BY id
		LIMIT ?`
	rows, err := s.read.QueryContext(ctx, s.read.Rebind(query), micros(now), limit)
	if err != nil {
		return nil, fmt.Errorf("read pending events: %w", err)
	}
	// What closing could report has been reported by Err.
	defer func() { _ = rows.Close() }()
	var events []Event
	for size := 0; size < maxPending && rows.Next(); {
		var event Event
		var received int64
		if err := rows.Scan(&event.ID, &event.Source, &event.Delivery, &event.Kind, &event.Body, &received); err != nil {
			return nil, fmt.Errorf("read pending events: %w", err)
		}
		event.ReceivedAt = moment(received)
		events = append(events, event)
		size += len(event.Body)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read pending events: %w", err)
	}
	return events, nil
}

// Postpone leaves a pending event for later, says why, and counts the attempt. It changes nothing for
// an event that has its outcome. An event nobody stored is [release.ErrNotFound].
func (s *Store) Postpone(ctx context.Context, id int64, why string, until time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		const update = `
			UPDATE inbox SET attempts = attempts + 1, due_at = ?, postponed = ?
			WHERE id = ? AND outcome IS NULL`
		n, err := exec(ctx, tx, update, micros(until), clean(why), id)
		if err != nil || n > 0 {
			return err
		}
		_, _, err = outcome(ctx, tx, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("postpone event %d: %w", id, err)
	}
	return nil
}

// Settle gives an event its one outcome. The same outcome again changes nothing, and so does its
// message in other words; another kind or other releases are [release.ErrConflict], and the first
// outcome stays. An event nobody stored is [release.ErrNotFound].
func (s *Store) Settle(ctx context.Context, id int64, out Outcome, at time.Time) error {
	if !out.Kind.known() {
		return fmt.Errorf("settle event %d: %q is no outcome", id, out.Kind)
	}
	releases, err := encode(names(out.Releases))
	if err != nil {
		return fmt.Errorf("settle event %d: %w", id, err)
	}
	err = s.change(ctx, func(tx *sqlx.Tx) error {
		const update = `
			UPDATE inbox SET outcome = ?, message = ?, releases = ?, settled_at = ?
			WHERE id = ? AND outcome IS NULL`
		n, err := exec(ctx, tx, update, string(out.Kind), clean(out.Message), releases, micros(at), id)
		if err != nil || n > 0 {
			return err
		}
		was, _, err := outcome(ctx, tx, id)
		if err == nil && (was.Kind != out.Kind || !slices.Equal(was.Releases, out.Releases)) {
			return fmt.Errorf("it is %s already: %w", was.Kind, release.ErrConflict)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("settle event %d as %s: %w", id, out.Kind, err)
	}
	return nil
}

// Outcome is what became of an event; the second result is false while it is pending. An event
// nobody stored is [release.ErrNotFound].
func (s *Store) Outcome(ctx context.Context, id int64) (Outcome, bool, error) {
	out, settled, err := outcome(ctx, s.read, id)
	if err != nil {
		return Outcome{}, false, fmt.Errorf("read outcome of event %d: %w", id, err)
	}
	return out, settled, nil
}

// reader is a database or a transaction.
type reader interface {
	sqlx.QueryerContext
	Rebind(query string) string
}

func outcome(ctx context.Context, db reader, id int64) (Outcome, bool, error) {
	const query = `SELECT outcome, message, releases FROM inbox WHERE id = ?`
	var row struct {
		Outcome  sql.NullString `db:"outcome"`
		Message  sql.NullString `db:"message"`
		Releases sql.NullString `db:"releases"`
	}
	if err := sqlx.GetContext(ctx, db, &row, db.Rebind(query), id); err != nil {
		return Outcome{}, false, found(err)
	}
	if !row.Outcome.Valid {
		return Outcome{}, false, nil
	}
	out := Outcome{Kind: OutcomeKind(row.Outcome.String), Message: row.Message.String}
	var written []string
	if err := decode(row.Releases.String, &written); err != nil {
		return Outcome{}, false, err
	}
	for _, name := range written {
		id, err := release.ParseID(name)
		if err != nil {
			return Outcome{}, false, err
		}
		out.Releases = append(out.Releases, id)
	}
	return out, true, nil
}

func names(ids []release.ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}
