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
	// ReplayOf is the event that this one repeats because somebody asked for it, see [Store.Replay]; 0 for one that came
	// from outside. Replays are all events that repeat it, First is its delivery, and Released is what it and its replays
	// have asked for. Again asks for another release where there is one.
	ReplayOf int64
	Replays  []int64
	First    string
	Released []release.ID
	Again    bool
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
	if e.ReplayOf != 0 {
		return errors.New("a replay is asked for, it does not come from outside")
	}
	if len(e.Body) > maxBody {
		return fmt.Errorf("the body has %d bytes, more than %d", len(e.Body), maxBody)
	}
	return nil
}

// Knows says whether an event is stored, whatever became of it.
func (s *Store) Knows(ctx context.Context, source, delivery string) (bool, error) {
	var count int
	if err := s.one(ctx, &count, `SELECT COUNT(*) FROM inbox WHERE source = ? AND delivery = ?`, clean(source), clean(delivery)); err != nil {
		return false, fmt.Errorf("look for event %s of %s: %w", delivery, source, err)
	}
	return count > 0, nil
}

// Pending are the events without an outcome that are due at now, oldest first: at most limit, and
// fewer when their bodies together exceed 64 MiB.
func (s *Store) Pending(ctx context.Context, now time.Time, limit int) ([]Event, error) {
	const query = `
		SELECT e.id, e.source, e.delivery, e.kind, e.body, e.received_at, e.replay_of, e.again,
			(SELECT f.delivery FROM inbox f WHERE f.id = e.replay_of)
		FROM inbox e
		WHERE e.outcome IS NULL AND e.due_at <= ?
		ORDER BY e.id
		LIMIT ?`
	rows, err := s.read.QueryContext(ctx, s.read.Rebind(query), micros(now), limit)
	if err != nil {
		return nil, fmt.Errorf("read pending events: %w", err)
	}
	// A second time it does nothing.
	defer func() { _ = rows.Close() }()
	var events []Event
	for size := 0; size < maxPending && rows.Next(); {
		event, err := scanPending(rows)
		if err != nil {
			return nil, fmt.Errorf("read pending events: %w", err)
		}
		events = append(events, event)
		size += len(event.Body)
	}
	// Closed before the next query: who holds a connection must not wait for another.
	if err := errors.Join(rows.Close(), rows.Err()); err != nil {
		return nil, fmt.Errorf("read pending events: %w", err)
	}
	for i, event := range events {
		if event.ReplayOf == 0 {
			continue
		}
		if events[i].Released, err = released(ctx, s.read, event.ReplayOf); err != nil {
			return nil, fmt.Errorf("read what event %d has asked for: %w", event.ReplayOf, err)
		}
		if events[i].Replays, err = s.replays(ctx, event.ReplayOf); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func scanPending(rows *sql.Rows) (Event, error) {
	var event Event
	var received int64
	var replayOf sql.NullInt64
	var first sql.NullString
	err := rows.Scan(&event.ID, &event.Source, &event.Delivery, &event.Kind, &event.Body, &received, &replayOf, &event.Again, &first)
	event.ReceivedAt, event.ReplayOf, event.First = moment(received), replayOf.Int64, first.String
	return event, err
}

// Postpone leaves a pending event for later, says why, and counts the attempt. It changes nothing for
// an event that has its outcome. An event nobody stored is [release.ErrNotFound].
func (s *Store) Postpone(ctx context.Context, id int64, why string, until time.Time) error {
	err := s.outcomes.together(ctx, &joint{event: id, do: func(ctx context.Context, b *batch) (said, err error) {
		const update = `
			UPDATE inbox SET attempts = attempts + 1, due_at = ?, postponed = ?
			WHERE id = ? AND outcome IS NULL`
		n, err := b.exec(ctx, update, micros(until), clean(why), id)
		if err != nil || n > 0 {
			return nil, err
		}
		_, _, err = outcome(ctx, b.Tx, id)
		return apart(err)
	}})
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
	err = s.outcomes.together(ctx, &joint{event: id, do: func(ctx context.Context, b *batch) (said, err error) {
		const update = `
			UPDATE inbox SET outcome = ?, message = ?, releases = ?, settled_at = ?
			WHERE id = ? AND outcome IS NULL`
		n, err := b.exec(ctx, update, string(out.Kind), clean(out.Message), releases, micros(at), id)
		if err != nil || n > 0 {
			return nil, err
		}
		was, _, err := outcome(ctx, b.Tx, id)
		if err == nil && (was.Kind != out.Kind || !slices.Equal(was.Releases, out.Releases)) {
			return fmt.Errorf("it is %s already: %w", was.Kind, release.ErrConflict), nil
		}
		return apart(err)
	}})
	if err != nil {
		return fmt.Errorf("settle event %d as %s: %w", id, out.Kind, err)
	}
	return nil
}

// apart tells what is not there from what is wrong with the database, which fails a whole transaction.
func apart(err error) (said, failed error) {
	if errors.Is(err, release.ErrNotFound) {
		return err, nil
	}
	return nil, err
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
	var err error
	if out.Releases, err = parseNames(row.Releases.String); err != nil {
		return Outcome{}, false, err
	}
	return out, true, nil
}

// parseNames reads what [names] were encoded as.
func parseNames(text string) ([]release.ID, error) {
	var written []string
	if err := decode(text, &written); err != nil {
		return nil, err
	}
	var ids []release.ID
	for _, name := range written {
		id, err := release.ParseID(name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func names(ids []release.ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}
