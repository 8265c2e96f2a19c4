package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// DeliveryState is what became of a message.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryWaiting DeliveryState = "waiting"
	DeliverySent    DeliveryState = "sent"
	// DeliveryDead is given up: refused for good, or tried for too long.
	DeliveryDead DeliveryState = "dead"
)

// Delivery is one message to one target of one channel.
type Delivery struct {
	ID      string
	Channel string
	Target  string
	// Release and Ask find the thread it belongs to; empty and 0 without one.
	Release string
	Ask     int
	// Notice is the message, for who sends it.
	Notice   json.RawMessage
	State    DeliveryState
	Attempts int
	Created  time.Time
	Due      time.Time
	// Reason is why the last attempt failed.
	Reason string
	// First and Asked are the receipts of the release's first message and of the question's.
	First, Asked string
}

type deliveryRow struct {
	ID       string         `db:"id"`
	Channel  string         `db:"channel"`
	Target   string         `db:"target"`
	Release  string         `db:"release"`
	Ask      int            `db:"ask"`
	Notice   string         `db:"notice"`
	State    string         `db:"state"`
	Attempts int            `db:"attempts"`
	Created  int64          `db:"created_at"`
	Due      int64          `db:"due_at"`
	Reason   string         `db:"reason"`
	Claimed  int64          `db:"claimed_until"`
	First    sql.NullString `db:"first_receipt"`
	Asked    sql.NullString `db:"ask_receipt"`
}

func (r deliveryRow) delivery() Delivery {
	return Delivery{
		ID: r.ID, Channel: r.Channel, Target: r.Target, Release: r.Release, Ask: r.Ask, Notice: json.RawMessage(r.Notice),
		State: DeliveryState(r.State), Attempts: r.Attempts, Created: moment(r.Created), Due: moment(r.Due), Reason: r.Reason,
		First: r.First.String, Asked: r.Asked.String,
	}
}

const deliveryColumns = `d.id, d.channel, d.target, d.release, d.ask, d.notice, d.state, d.attempts, d.created_at, d.due_at, d.reason, d.claimed_until,
			(SELECT receipt FROM threads t WHERE t.channel = d.channel AND t.target = d.target AND t.release = d.release AND t.ask = 0) AS first_receipt,
			(SELECT receipt FROM threads t WHERE t.channel = d.channel AND t.target = d.target AND t.release = d.release AND t.ask = d.ask AND d.ask > 0) AS ask_receipt`

// ClaimDeliveries takes what a channel has to send now, until the claim runs out: the oldest messages of each target that
// are due, at most batch of a target and of so many targets. Messages of one release keep their order: behind one that
// waits, the others wait, and those of other releases do not. A target of which somebody has a claim has none, so that it
// is sent to by one at a time. A question goes alone: its message is found again by its own receipt.
func (s *Store) ClaimDeliveries(ctx context.Context, channel string, now, until time.Time, targets, batch int) ([][]Delivery, error) {
	var out [][]Delivery
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		// Claims are made one at a time: the row is locked until the end of the transaction.
		if _, err := exec(ctx, tx, `UPDATE counters SET value = value WHERE name = 'outbox'`); err != nil {
			return err
		}
		const ready = `
			SELECT d.target FROM deliveries d
			WHERE d.channel = ? AND ` + deliveryIsDue + `
				AND d.target NOT IN (SELECT c.target FROM deliveries c WHERE c.state = 'waiting' AND c.channel = ? AND c.claimed_until > ?)
			GROUP BY d.target
			ORDER BY MIN(d.seq)
			LIMIT ?`
		var names []string
		at := micros(now)
		if err := tx.SelectContext(ctx, &names, tx.Rebind(ready), clean(channel), at, at, clean(channel), at, targets); err != nil {
			return err
		}
		for _, target := range names {
			claimed, err := claimTarget(ctx, tx, clean(channel), target, at, micros(until), batch)
			if err != nil {
				return err
			}
			out = append(out, claimed)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim deliveries of %s: %w", channel, err)
	}
	return out, nil
}

// deliveryIsDue wants the time twice.
const deliveryIsDue = `d.state = 'waiting' AND d.due_at <= ? AND NOT EXISTS (
				SELECT 1 FROM deliveries o
				WHERE o.state = 'waiting' AND o.channel = d.channel AND o.target = d.target AND o.release = d.release
					AND o.seq < d.seq AND o.due_at > ?)`

func claimTarget(ctx context.Context, tx *sqlx.Tx, channel, target string, now, until int64, batch int) ([]Delivery, error) {
	const oldest = `
		SELECT ` + deliveryColumns + `
		FROM deliveries d
		WHERE d.channel = ? AND d.target = ? AND ` + deliveryIsDue + `
		ORDER BY d.seq
		LIMIT ?`
	var rows []deliveryRow
	if err := tx.SelectContext(ctx, &rows, tx.Rebind(oldest), channel, target, now, now, batch); err != nil {
		return nil, err
	}
	var out []Delivery
	for _, row := range rows {
		if len(out) > 0 && (row.Ask > 0 || out[0].Ask > 0) {
			break
		}
		if _, err := exec(ctx, tx, `UPDATE deliveries SET claimed_until = ?, attempts = attempts + 1 WHERE id = ?`, until, row.ID); err != nil {
			return nil, err
		}
		row.Attempts++
		out = append(out, row.delivery())
	}
	return out, nil
}

// Delivered stores that messages were sent, together, and the receipt by which the channel finds the message again.
func (s *Store) Delivered(ctx context.Context, sent []Delivery, receipt string, at time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		for _, d := range sent {
			if _, err := exec(ctx, tx, `UPDATE deliveries SET state = 'sent', ended_at = ?, claimed_until = 0, reason = '' WHERE id = ?`, micros(at), d.ID); err != nil {
				return err
			}
			if receipt == "" || d.Release == "" {
				continue
			}
			// The first receipt stays: later messages follow it.
			const keep = `
				INSERT INTO threads (channel, target, release, ask, receipt)
				VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (channel, target, release, ask) DO NOTHING`
			asks := []int{0}
			if d.Ask > 0 {
				asks = append(asks, d.Ask)
			}
			for _, ask := range asks {
				if _, err := exec(ctx, tx, keep, d.Channel, d.Target, d.Release, ask, clean(receipt)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store %d deliveries: %w", len(sent), err)
	}
	return nil
}

// NotDelivered stores why messages were not sent: they are tried again at due, or never when they are dead. One that
// somebody else has sent meanwhile, because a claim ran out, stays sent.
func (s *Store) NotDelivered(ctx context.Context, failed []Delivery, dead bool, due time.Time, reason string) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		for _, d := range failed {
			const wait = `UPDATE deliveries SET due_at = ?, claimed_until = 0, reason = ? WHERE id = ? AND state = 'waiting'`
			const giveUp = `UPDATE deliveries SET state = 'dead', ended_at = ?, claimed_until = 0, reason = ? WHERE id = ? AND state = 'waiting'`
			query := wait
			if dead {
				query = giveUp
			}
			if _, err := exec(ctx, tx, query, micros(due), clean(reason), d.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store %d failed deliveries: %w", len(failed), err)
	}
	return nil
}

// PostponeTarget leaves a target alone until a time: nothing that waits for it is due before.
func (s *Store) PostponeTarget(ctx context.Context, channel, target string, until time.Time) error {
	const query = `
		UPDATE deliveries SET due_at = ?
		WHERE state = 'waiting' AND channel = ? AND target = ? AND due_at < ?`
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		_, err := exec(ctx, tx, query, micros(until), clean(channel), clean(target), micros(until))
		return err
	})
	if err != nil {
		return fmt.Errorf("postpone deliveries to %s of %s: %w", target, channel, err)
	}
	return nil
}

// NextDelivery is when the next message of a channel is due that waits; zero without one.
func (s *Store) NextDelivery(ctx context.Context, channel string) (time.Time, error) {
	const query = `
		SELECT MIN(CASE WHEN claimed_until > due_at THEN claimed_until ELSE due_at END)
		FROM deliveries WHERE state = 'waiting' AND channel = ?`
	var due sql.NullInt64
	if err := s.one(ctx, &due, query, clean(channel)); err != nil {
		return time.Time{}, fmt.Errorf("read the next delivery of %s: %w", channel, err)
	}
	if !due.Valid {
		return time.Time{}, nil
	}
	return moment(due.Int64), nil
}

// followersAway is how long the outbox keeps what a follower has not read yet. One that has not been back for so long, such as a
// subscription that is no longer configured, does not come to read it.
const followersAway = 60 * 24 * time.Hour

// PruneDeliveries forgets what ended before a time, what was routed before it and every follower of the outbox has passed,
// and the threads of which nothing is left. A subscription that was disabled is no follower: enabled again, it begins anew.
// What still waits from before lost is dead: no program sends to its channel any more.
func (s *Store) PruneDeliveries(ctx context.Context, before, lost, now time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		const giveUp = `
			UPDATE deliveries SET state = 'dead', ended_at = ?, claimed_until = 0,
				reason = CASE WHEN reason = '' THEN 'nobody sent it; look whether its channel is still configured' ELSE reason END
			WHERE state = 'waiting' AND created_at < ? AND claimed_until <= ?`
		if _, err := exec(ctx, tx, giveUp, micros(now), micros(lost), micros(now)); err != nil {
			return err
		}
		if _, err := exec(ctx, tx, `DELETE FROM deliveries WHERE state <> 'waiting' AND ended_at < ?`, micros(before)); err != nil {
			return err
		}
		const followed = `
			DELETE FROM outbox
			WHERE routed_at < ? AND (routed_at < ? OR NOT EXISTS (
				SELECT 1 FROM cursors c
				WHERE c.seq < outbox.seq AND NOT EXISTS (
					SELECT 1 FROM subscriptions s WHERE s.disabled_at IS NOT NULL AND c.name = CAST(? AS TEXT) || s.name)))`
		if _, err := exec(ctx, tx, followed, micros(before), micros(now.Add(-followersAway)), subscriptionCursor("")); err != nil {
			return err
		}
		const unused = `
			DELETE FROM threads WHERE NOT EXISTS (
				SELECT 1 FROM deliveries d
				WHERE d.release = threads.release AND d.channel = threads.channel AND d.target = threads.target)`
		_, err := exec(ctx, tx, unused)
		return err
	})
	if err != nil {
		return fmt.Errorf("prune deliveries: %w", err)
	}
	return nil
}
