package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
)

// Subscriptions are all that there have been, by name, and how they are going.
func (s *Store) Subscriptions(ctx context.Context) ([]events.Subscription, error) {
	const query = `
		SELECT s.name, s.disabled_at, s.reason, s.succeeded_at, s.failed_at,
			(SELECT COUNT(*) FROM event_deliveries d WHERE d.subscription = s.name AND d.state = 'waiting'` + amongWaiting + `) AS waiting,
			(SELECT COUNT(*) FROM event_deliveries d WHERE d.subscription = s.name AND d.state = 'dead') AS dead
		FROM subscriptions s
		ORDER BY s.name`
	var rows []struct {
		Name      string        `db:"name"`
		Disabled  sql.NullInt64 `db:"disabled_at"`
		Reason    string        `db:"reason"`
		Succeeded sql.NullInt64 `db:"succeeded_at"`
		Failed    sql.NullInt64 `db:"failed_at"`
		Waiting   int           `db:"waiting"`
		Dead      int           `db:"dead"`
	}
	if err := s.list(ctx, &rows, query); err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	at := func(when sql.NullInt64) time.Time {
		if !when.Valid {
			return time.Time{}
		}
		return moment(when.Int64)
	}
	out := make([]events.Subscription, len(rows))
	for i, row := range rows {
		out[i] = events.Subscription{
			Name: row.Name, Disabled: at(row.Disabled), Reason: row.Reason, Succeeded: at(row.Succeeded), Failed: at(row.Failed),
			Waiting: row.Waiting, Dead: row.Dead,
		}
	}
	return out, nil
}

// EventDeliveryFilter chooses deliveries to a subscriber, for people who look.
type EventDeliveryFilter struct {
	// State is only those in it; empty is all.
	State events.State
	// After is the cursor that came with the page before this one; Limit is how many to give.
	After string
	Limit int
}

// EventDeliveries are those of a subscription that match, the newest first, with the cursor of the next page; it is "" when
// there is none. A name that was never subscribed is [release.ErrNotFound], and a cursor that was not given [ErrCursor].
func (s *Store) EventDeliveries(ctx context.Context, name string, filter EventDeliveryFilter) ([]events.Delivery, string, error) {
	var there int
	err := s.one(ctx, &there, `SELECT 1 FROM subscriptions WHERE name = ?`, clean(name))
	if err != nil {
		return nil, "", fmt.Errorf("read the deliveries to %s: %w", name, found(err))
	}
	query, args := `
		SELECT `+eventDeliveryColumns+`
		FROM event_deliveries d
		WHERE d.subscription = ?`, []any{clean(name)}
	if filter.State != "" {
		query, args = query+` AND d.state = ?`, append(args, string(filter.State))
	}
	if filter.After != "" {
		seq, id, err := parsePlace(filter.After)
		if err != nil {
			return nil, "", fmt.Errorf("read the deliveries to %s: %w", name, err)
		}
		query, args = query+` AND (d.seq < ? OR (d.seq = ? AND d.id > ?))`, append(args, seq, seq, id)
	}
	var rows []eventDeliveryRow
	if err := s.list(ctx, &rows, query+` ORDER BY d.seq DESC, d.id LIMIT ?`, append(args, filter.Limit+1)...); err != nil {
		return nil, "", fmt.Errorf("read the deliveries to %s: %w", name, err)
	}
	rows, next := pageOf(rows, filter.Limit, func(row eventDeliveryRow) (int64, string) { return row.Seq, row.ID })
	out := make([]events.Delivery, len(rows))
	for i, row := range rows {
		out[i] = row.delivery()
	}
	return out, next, nil
}

// RetryEvent lets a dead event be sent again from a time on, and given up once it expires. One that is not dead, or not of
// this subscription, is [release.ErrNotFound]; one of a subscription that is disabled is [release.ErrConflict].
func (s *Store) RetryEvent(ctx context.Context, name, id string, at, expires time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		var disabled sql.NullInt64
		// The row is locked: nobody disables it meanwhile.
		const lock = `UPDATE subscriptions SET name = name WHERE name = ? RETURNING disabled_at`
		err := tx.GetContext(ctx, &disabled, tx.Rebind(lock), clean(name))
		if err != nil {
			return found(err)
		}
		const dead = `SELECT 1 FROM event_deliveries WHERE id = ? AND subscription = ? AND state = 'dead'`
		var there int
		err = tx.GetContext(ctx, &there, tx.Rebind(dead), clean(id), clean(name))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return release.ErrNotFound
		case err != nil:
			return err
		case disabled.Valid:
			return fmt.Errorf("%w: the subscriber said that it wants no more events", release.ErrConflict)
		}
		const again = `
			UPDATE event_deliveries SET state = 'waiting', attempts = 0, due_at = ?, expires_at = ?, claimed_until = 0, ended_at = NULL
			WHERE id = ? AND state = 'dead'`
		_, err = exec(ctx, tx, again, micros(at), micros(expires), clean(id))
		return err
	})
	if err != nil {
		return fmt.Errorf("retry delivery %s to %s: %w", id, name, err)
	}
	return nil
}

// PruneEventDeliveries forgets deliveries that ended before a time. What still waits and expired before lost is dead: no program
// sends to its subscriber any more.
func (s *Store) PruneEventDeliveries(ctx context.Context, before, lost, now time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		const giveUp = `
			UPDATE event_deliveries SET state = 'dead', ended_at = ?, claimed_until = 0,
				reason = CASE WHEN reason = '' THEN 'nobody sent it; look whether its subscriber is still configured' ELSE reason END
			WHERE state = 'waiting' AND expires_at < ? AND claimed_until <= ?`
		if _, err := exec(ctx, tx, giveUp, micros(now), micros(lost), micros(now)); err != nil {
			return err
		}
		_, err := exec(ctx, tx, `DELETE FROM event_deliveries WHERE state <> 'waiting' AND ended_at < ?`, micros(before))
		return err
	})
	if err != nil {
		return fmt.Errorf("prune deliveries of events: %w", err)
	}
	return nil
}
