package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// EventFilter chooses events. Empty fields match everything.
type EventFilter struct {
	Source string
	Kind   string
	// Delivery is a source's whole name of one.
	Delivery string
	Outcome  OutcomeKind
	// Pending chooses those that have no outcome.
	Pending bool
	// Since is when they were received, or later.
	Since time.Time
	// Limit is how many to give: 50 when it is 0 or less, and 500 at most.
	Limit int
	// Before is the cursor that came with the page before this one.
	Before string
}

// EventRecord is all that is known of an event but its body.
type EventRecord struct {
	Event

	// BodySize is how many bytes its body has or had; BodyPruned is when it was forgotten, zero while it is kept.
	BodySize   int64
	BodyPruned time.Time
	// Attempts is how often it was tried and postponed, Postponed why the last time, and Due when it is tried next.
	Attempts  int
	Postponed string
	Due       time.Time
	// Outcome is what became of it, and Settled when; both are zero while it has none.
	Outcome Outcome
	Settled time.Time
	// By is who asked for a replay.
	By release.Actor
	// Replays are the events that repeat it; only where one event is asked for.
	Replays []int64
}

const eventColumns = `e.id, e.source, e.delivery, e.kind, e.received_at, e.body_size, e.body_pruned_at, e.attempts, e.postponed,
			e.due_at, e.outcome, e.message, e.releases, e.settled_at, e.replay_of, e.again, e.asked_by`

type eventRow struct {
	ID         int64          `db:"id"`
	Source     string         `db:"source"`
	Delivery   string         `db:"delivery"`
	Kind       string         `db:"kind"`
	ReceivedAt int64          `db:"received_at"`
	BodySize   int64          `db:"body_size"`
	BodyPruned sql.NullInt64  `db:"body_pruned_at"`
	Attempts   int            `db:"attempts"`
	Postponed  string         `db:"postponed"`
	DueAt      int64          `db:"due_at"`
	Outcome    sql.NullString `db:"outcome"`
	Message    sql.NullString `db:"message"`
	Releases   sql.NullString `db:"releases"`
	SettledAt  sql.NullInt64  `db:"settled_at"`
	ReplayOf   sql.NullInt64  `db:"replay_of"`
	Again      bool           `db:"again"`
	AskedBy    sql.NullString `db:"asked_by"`
}

func (r eventRow) record() (EventRecord, error) {
	out := EventRecord{
		Event: Event{
			ID: r.ID, Source: r.Source, Delivery: r.Delivery, Kind: r.Kind, ReceivedAt: moment(r.ReceivedAt),
			ReplayOf: r.ReplayOf.Int64, Again: r.Again,
		},
		BodySize: r.BodySize, Attempts: r.Attempts, Postponed: r.Postponed, Due: moment(r.DueAt),
	}
	if r.BodyPruned.Valid {
		out.BodyPruned = moment(r.BodyPruned.Int64)
	}
	if r.AskedBy.Valid {
		if err := decode(r.AskedBy.String, &out.By); err != nil {
			return EventRecord{}, fmt.Errorf("who asked for event %d: %w", r.ID, err)
		}
	}
	if !r.Outcome.Valid {
		return out, nil
	}
	out.Settled, out.Outcome = moment(r.SettledAt.Int64), Outcome{Kind: OutcomeKind(r.Outcome.String), Message: r.Message.String}
	var err error
	if out.Outcome.Releases, err = parseNames(r.Releases.String); err != nil {
		return EventRecord{}, fmt.Errorf("releases of event %d: %w", r.ID, err)
	}
	return out, nil
}

// Events are those that match, in the order of storing, the newest first, and the cursor of the next page; it is "" when
// there is none. A cursor that is none is [ErrCursor].
func (s *Store) Events(ctx context.Context, filter EventFilter) ([]EventRecord, string, error) {
	limit := usualLimit
	if filter.Limit > 0 {
		limit = min(filter.Limit, mostLimit)
	}
	where, args, err := filter.conditions()
	if err != nil {
		return nil, "", fmt.Errorf("list events: %w", err)
	}
	// where holds fixed conditions only; what was asked for is in args.
	query := `
		SELECT ` + eventColumns + `
		FROM inbox e
		WHERE ` + where + `
		ORDER BY e.id DESC
		LIMIT ?`
	var rows []eventRow
	// One more than asked for tells whether there is a next page.
	if err := s.list(ctx, &rows, query, append(args, limit+1)...); err != nil {
		return nil, "", fmt.Errorf("list events: %w", err)
	}
	next := ""
	out := make([]EventRecord, min(len(rows), limit))
	for i := range out {
		if out[i], err = rows[i].record(); err != nil {
			return nil, "", fmt.Errorf("list events: %w", err)
		}
	}
	if len(rows) > limit {
		next = strconv.FormatInt(out[limit-1].ID, 10)
	}
	return out, next, nil
}

func (f EventFilter) conditions() (string, []any, error) {
	where, args := []string{"1 = 1"}, []any{}
	for _, condition := range []struct{ text, value string }{
		{"e.source = ?", f.Source},
		{"e.kind = ?", f.Kind},
		{"e.delivery = ?", f.Delivery},
		// That there is an outcome is said as the index says it.
		{"e.outcome IS NOT NULL AND e.outcome = ?", string(f.Outcome)},
	} {
		if condition.value != "" {
			where, args = append(where, condition.text), append(args, clean(condition.value))
		}
	}
	if f.Pending {
		where = append(where, "e.outcome IS NULL")
	}
	if !f.Since.IsZero() {
		where, args = append(where, "e.received_at >= ?"), append(args, micros(f.Since))
	}
	if f.Before != "" {
		// The cursor is the number of the last event of the page before.
		id, err := strconv.ParseInt(f.Before, 10, 64)
		if err != nil || id < 1 {
			return "", nil, fmt.Errorf("%w: %q", ErrCursor, f.Before)
		}
		where, args = append(where, "e.id < ?"), append(args, id)
	}
	return strings.Join(where, " AND "), args, nil
}

// Event is all that is known of an event but its body, with the events that repeat it. One that nobody stored, or that is
// no longer kept, is [release.ErrNotFound].
func (s *Store) Event(ctx context.Context, id int64) (EventRecord, error) {
	var row eventRow
	if err := s.one(ctx, &row, `SELECT `+eventColumns+` FROM inbox e WHERE e.id = ?`, id); err != nil {
		return EventRecord{}, fmt.Errorf("read event %d: %w", id, found(err))
	}
	out, err := row.record()
	if err != nil {
		return EventRecord{}, fmt.Errorf("read event %d: %w", id, err)
	}
	if out.Replays, err = s.replays(ctx, id); err != nil {
		return EventRecord{}, err
	}
	return out, nil
}

// replays are the events that repeat one, in the order in which they were asked for.
func (s *Store) replays(ctx context.Context, of int64) (ids []int64, err error) {
	if err := s.list(ctx, &ids, `SELECT id FROM inbox WHERE replay_of = ? ORDER BY id`, of); err != nil {
		return nil, fmt.Errorf("read the replays of event %d: %w", of, err)
	}
	return ids, nil
}

// ErrForgotten is for the body of an event that is no longer kept.
var ErrForgotten = errors.New("the body is no longer kept")

// EventBody is the body of an event, as it came. One that is no longer kept is [ErrForgotten]; an event that nobody stored
// is [release.ErrNotFound].
func (s *Store) EventBody(ctx context.Context, id int64) ([]byte, error) {
	var row struct {
		Body   []byte        `db:"body"`
		Pruned sql.NullInt64 `db:"body_pruned_at"`
	}
	err := found(s.one(ctx, &row, `SELECT body, body_pruned_at FROM inbox WHERE id = ?`, id))
	if err == nil && row.Pruned.Valid {
		err = ErrForgotten
	}
	if err != nil {
		return nil, fmt.Errorf("read the body of event %d: %w", id, err)
	}
	return row.Body, nil
}

// released is what an event and its replays have asked for, each release once, in the order of the events.
func released(ctx context.Context, db reader, event int64) ([]release.ID, error) {
	const query = `
		SELECT releases FROM inbox
		WHERE (id = ? OR replay_of = ?) AND outcome IS NOT NULL
		ORDER BY id`
	var texts []string
	if err := sqlx.SelectContext(ctx, db, &texts, db.Rebind(query), event, event); err != nil {
		return nil, err
	}
	var out []release.ID
	seen := map[release.ID]bool{}
	for _, text := range texts {
		ids, err := parseNames(text)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if !seen[id] {
				out, seen[id] = append(out, id), true
			}
		}
	}
	return out, nil
}
