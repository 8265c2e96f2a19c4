package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/events"
)

// subscriptionCursor names how far a subscription has been given its deliveries. Each has its own, so that one that is new
// or that another server does not know loses nothing by what others do.
func subscriptionCursor(name string) string { return "events/" + name }

// Subscribe keeps that there is a subscriber. One that is new begins with what happens from now on. One that was disabled
// stays so until config, a sum of how it is configured, is another; then it begins anew.
func (s *Store) Subscribe(ctx context.Context, name, config string) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		var last int64
		// The row is locked until the end of the transaction: nothing happens in between, and two servers take turns.
		const now = `UPDATE counters SET value = value WHERE name = 'outbox' RETURNING value`
		if err := tx.GetContext(ctx, &last, now); err != nil {
			return err
		}
		var was struct {
			Config   string        `db:"config"`
			Disabled sql.NullInt64 `db:"disabled_at"`
		}
		err := tx.GetContext(ctx, &was, tx.Rebind(`SELECT config, disabled_at FROM subscriptions WHERE name = ?`), clean(name))
		if err == nil && was.Config == config {
			return nil
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err != nil || was.Disabled.Valid {
			if err := moveCursor(ctx, tx, subscriptionCursor(clean(name)), last); err != nil {
				return err
			}
		}
		const save = `
			INSERT INTO subscriptions (name, config, reason, not_before)
			VALUES (?, ?, '', 0)
			ON CONFLICT (name) DO UPDATE SET config = excluded.config, disabled_at = NULL, reason = '', not_before = 0`
		_, err = exec(ctx, tx, save, clean(name), config)
		return err
	})
	if err != nil {
		return fmt.Errorf("subscribe %s: %w", name, err)
	}
	return nil
}

// Subscribed is how far a subscription has been given its deliveries.
func (s *Store) Subscribed(ctx context.Context, name string) (int64, error) {
	seq, _, err := s.Cursor(ctx, subscriptionCursor(clean(name)))
	return seq, err
}

// Announce gives a subscription deliveries of what happened up to a seq, and keeps that it has them, together. One that is
// disabled is given none, and one that has them already is not given them again.
func (s *Store) Announce(ctx context.Context, name string, upTo int64, deliveries []events.Delivery) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		// The row is locked: nobody disables it meanwhile, which would leave deliveries that nobody sends.
		const enabled = `UPDATE subscriptions SET name = name WHERE name = ? AND disabled_at IS NULL`
		n, err := exec(ctx, tx, enabled, clean(name))
		if err != nil || n == 0 {
			return err
		}
		for _, d := range deliveries {
			const insert = `
				INSERT INTO event_deliveries (id, subscription, seq, event, type, subject, body, state, attempts,
					created_at, due_at, expires_at, claimed_until, reason)
				VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', 0, ?, ?, ?, 0, '')
				ON CONFLICT (id) DO NOTHING`
			_, err := exec(ctx, tx, insert, clean(d.ID), clean(name), d.Sequence, clean(d.Event), clean(d.Type), clean(d.Subject), clean(string(d.Body)),
				micros(d.Created), micros(d.Due), micros(d.Expires))
			if err != nil {
				return err
			}
		}
		return moveCursor(ctx, tx, subscriptionCursor(clean(name)), upTo)
	})
	if err != nil {
		return fmt.Errorf("announce events to %s: %w", name, err)
	}
	return nil
}

type eventDeliveryRow struct {
	ID           string `db:"id"`
	Subscription string `db:"subscription"`
	Seq          int64  `db:"seq"`
	Event        string `db:"event"`
	Type         string `db:"type"`
	Subject      string `db:"subject"`
	Body         string `db:"body"`
	State        string `db:"state"`
	Attempts     int    `db:"attempts"`
	Created      int64  `db:"created_at"`
	Due          int64  `db:"due_at"`
	Expires      int64  `db:"expires_at"`
	Reason       string `db:"reason"`
}

func (r eventDeliveryRow) delivery() events.Delivery {
	return events.Delivery{
		ID: r.ID, Subscription: r.Subscription, Sequence: r.Seq, Event: r.Event, Type: r.Type, Subject: r.Subject, Body: []byte(r.Body),
		State: events.State(r.State), Attempts: r.Attempts, Created: moment(r.Created), Due: moment(r.Due), Expires: moment(r.Expires), Reason: r.Reason,
	}
}

const (
	eventDeliveryColumns = `d.id, d.subscription, d.seq, d.event, d.type, d.subject, d.body, d.state, d.attempts,
			d.created_at, d.due_at, d.expires_at, d.reason`
	// eventIsNext is a delivery before which none of its subject waits.
	eventIsNext = `d.subscription = ? AND d.state = 'waiting' AND NOT EXISTS (
				SELECT 1 FROM event_deliveries o
				WHERE o.subscription = d.subscription AND o.subject = d.subject AND o.state = 'waiting' AND o.seq < d.seq)`
	// amongWaiting is always true, and has SQLite read the index of those that wait: by itself it reads the one of all that
	// are kept, which are a month of those that were sent.
	amongWaiting = ` AND d.subject >= ''`
	// dueEvents begins at the first that waits: before it lie those that were sent.
	dueEvents = `
			SELECT ` + eventDeliveryColumns + `
			FROM event_deliveries d
			WHERE ` + eventIsNext + `
				AND d.seq >= (SELECT MIN(d.seq) FROM event_deliveries d WHERE d.subscription = ? AND d.state = 'waiting'` + amongWaiting + `)
				AND d.due_at <= ? AND d.claimed_until <= ?
			ORDER BY d.seq
			LIMIT ?`
	nextEvent = `
		SELECT MIN(CASE WHEN d.claimed_until > d.due_at THEN d.claimed_until ELSE d.due_at END) AS due, MAX(s.not_before) AS not_before
		FROM event_deliveries d
		JOIN subscriptions s ON s.name = d.subscription AND s.disabled_at IS NULL
		WHERE ` + eventIsNext + amongWaiting
)

// ClaimEvents takes what is to be sent to a subscriber now, until the claim runs out, at most so many: of each subject the
// oldest that waits, if it is due. What follows on it waits until it is sent or dead. An attempt counts from here on, so
// that one that kills the program counts too.
func (s *Store) ClaimEvents(ctx context.Context, name string, now, until time.Time, most int) ([]events.Delivery, error) {
	var out []events.Delivery
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		// Claims are made one at a time, and not while somebody disables it: the row is locked until the end of the transaction.
		const lock = `UPDATE subscriptions SET name = name WHERE name = ? AND disabled_at IS NULL AND not_before <= ?`
		at := micros(now)
		if n, err := exec(ctx, tx, lock, clean(name), at); err != nil || n == 0 {
			return err
		}
		var rows []eventDeliveryRow
		if err := tx.SelectContext(ctx, &rows, tx.Rebind(dueEvents), clean(name), clean(name), at, at, most); err != nil {
			return err
		}
		for _, row := range rows {
			const claim = `UPDATE event_deliveries SET claimed_until = ?, attempts = attempts + 1 WHERE id = ?`
			if _, err := exec(ctx, tx, claim, micros(until), row.ID); err != nil {
				return err
			}
			row.Attempts++
			out = append(out, row.delivery())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim events for %s: %w", name, err)
	}
	return out, nil
}

// NextEvent is when something may have to be sent to a subscriber; zero when nothing waits.
func (s *Store) NextEvent(ctx context.Context, name string) (time.Time, error) {
	var row struct {
		Due       sql.NullInt64 `db:"due"`
		NotBefore sql.NullInt64 `db:"not_before"`
	}
	if err := s.one(ctx, &row, nextEvent, clean(name)); err != nil {
		return time.Time{}, fmt.Errorf("read the next event for %s: %w", name, err)
	}
	if !row.Due.Valid {
		return time.Time{}, nil
	}
	return moment(max(row.Due.Int64, row.NotBefore.Int64)), nil
}

// EventSent stores that a subscriber took an event.
func (s *Store) EventSent(ctx context.Context, d events.Delivery, at time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		// The subscription comes first, as wherever both are locked: else two programs could wait for each other.
		if _, err := exec(ctx, tx, `UPDATE subscriptions SET succeeded_at = ? WHERE name = ?`, micros(at), clean(d.Subscription)); err != nil {
			return err
		}
		// What was sent is never sent again, so its body is not kept for the month in which it is listed.
		const sent = `UPDATE event_deliveries SET state = 'sent', ended_at = ?, claimed_until = 0, reason = '', body = '' WHERE id = ?`
		_, err := exec(ctx, tx, sent, micros(at), clean(d.ID))
		return err
	})
	if err != nil {
		return fmt.Errorf("store that event %s was sent to %s: %w", d.Event, d.Subscription, err)
	}
	return nil
}

// EventFailed stores why an attempt failed at a time: it is tried again when d is due, or never when its state is dead. The
// subscriber is left alone until notBefore, when that is set. An event that somebody else has sent meanwhile, because a
// claim ran out, stays sent.
func (s *Store) EventFailed(ctx context.Context, d events.Delivery, notBefore, at time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		later := int64(0)
		if !notBefore.IsZero() {
			later = micros(notBefore)
		}
		const failed = `
			UPDATE subscriptions SET failed_at = ?, not_before = CASE WHEN not_before < ? THEN ? ELSE not_before END
			WHERE name = ?`
		if _, err := exec(ctx, tx, failed, micros(at), later, later, clean(d.Subscription)); err != nil {
			return err
		}
		const wait = `UPDATE event_deliveries SET due_at = ?, claimed_until = 0, reason = ? WHERE id = ? AND state = 'waiting'`
		const giveUp = `UPDATE event_deliveries SET state = 'dead', ended_at = ?, claimed_until = 0, reason = ? WHERE id = ? AND state = 'waiting'`
		query, when := wait, d.Due
		if d.State == events.Dead {
			query, when = giveUp, at
		}
		_, err := exec(ctx, tx, query, micros(when), clean(d.Reason), clean(d.ID))
		return err
	})
	if err != nil {
		return fmt.Errorf("store that event %s was not sent to %s: %w", d.Event, d.Subscription, err)
	}
	return nil
}

// Unsubscribe keeps that a subscriber wants no more: what waits for it is dead, and nothing follows until it is subscribed
// with another configuration.
func (s *Store) Unsubscribe(ctx context.Context, name, reason string, at time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		const disable = `UPDATE subscriptions SET disabled_at = ?, failed_at = ?, reason = ? WHERE name = ? AND disabled_at IS NULL`
		if _, err := exec(ctx, tx, disable, micros(at), micros(at), clean(reason), clean(name)); err != nil {
			return err
		}
		const giveUp = `
			UPDATE event_deliveries SET state = 'dead', ended_at = ?, claimed_until = 0, reason = ?
			WHERE subscription = ? AND state = 'waiting'`
		_, err := exec(ctx, tx, giveUp, micros(at), clean(reason), clean(name))
		return err
	})
	if err != nil {
		return fmt.Errorf("disable the subscription %s: %w", name, err)
	}
	return nil
}
