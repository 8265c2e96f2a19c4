package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// OutboxEntry is something that people may want to be told.
type OutboxEntry struct {
	// Seq is the order of storing, ID the entry's name for ever.
	Seq int64
	ID  string
	// Release is zero for what is about no release.
	Release release.ID
	Entry   release.Entry
	// Requester asked for the release.
	Requester release.Actor
}

// saveOutbox keeps an entry for who wants to be told, in the transaction that stores it.
func saveOutbox(ctx context.Context, tx *sqlx.Tx, id string, of release.ID, entry release.Entry) error {
	text, err := encode(entry)
	if err != nil {
		return err
	}
	var seq int64
	// The counter's row is locked until the end of the transaction, so that the order is that of the commits.
	const count = `UPDATE counters SET value = value + 1 WHERE name = 'outbox' RETURNING value`
	if err := tx.GetContext(ctx, &seq, count); err != nil {
		return err
	}
	named := ""
	if of.Number > 0 {
		named = of.String()
	}
	const insert = `
		INSERT INTO outbox (seq, id, release, entry, at)
		VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (id) DO NOTHING`
	_, err = exec(ctx, tx, insert, seq, clean(id), clean(named), text, micros(entry.At))
	return err
}

// AddOutbox keeps something that people may want to be told and that no release's story has, such as an alarm of its
// own. The same ID twice is kept once.
func (s *Store) AddOutbox(ctx context.Context, id string, of release.ID, entry release.Entry) error {
	if err := s.change(ctx, func(tx *sqlx.Tx) error { return saveOutbox(ctx, tx, id, of, entry) }); err != nil {
		return fmt.Errorf("keep notice %s: %w", id, err)
	}
	return nil
}

// ToRoute are the oldest entries that nobody has routed, at most so many.
func (s *Store) ToRoute(ctx context.Context, most int) ([]OutboxEntry, error) {
	const query = `
		SELECT o.seq, o.id, o.release, o.entry, COALESCE(r.requester, '') AS requester
		FROM outbox o
		LEFT JOIN releases r
			ON o.release = r.tenant || '/' || r.application || '/' || r.environment || '/' || CAST(r.number AS TEXT)
		WHERE o.routed_at IS NULL
		ORDER BY o.seq
		LIMIT ?`
	var rows []struct {
		Seq       int64  `db:"seq"`
		ID        string `db:"id"`
		Release   string `db:"release"`
		Entry     string `db:"entry"`
		Requester string `db:"requester"`
	}
	if err := s.list(ctx, &rows, query, most); err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	out := make([]OutboxEntry, len(rows))
	for i, row := range rows {
		out[i] = OutboxEntry{Seq: row.Seq, ID: row.ID}
		if row.Release != "" {
			id, err := release.ParseID(row.Release)
			if err != nil {
				return nil, fmt.Errorf("read the outbox: entry %s: %w", row.ID, err)
			}
			out[i].Release = id
		}
		if err := decode(row.Entry, &out[i].Entry); err != nil {
			return nil, fmt.Errorf("read the outbox: entry %s: %w", row.ID, err)
		}
		if row.Requester != "" {
			if err := decode(row.Requester, &out[i].Requester); err != nil {
				return nil, fmt.Errorf("read the outbox: entry %s: %w", row.ID, err)
			}
		}
	}
	return out, nil
}

// Routed stores the deliveries of an entry and that it is routed, together. An entry that is routed already stays as it
// is: another program may have been first.
func (s *Store) Routed(ctx context.Context, entry OutboxEntry, deliveries []Delivery, at time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		n, err := exec(ctx, tx, `UPDATE outbox SET routed_at = ? WHERE id = ? AND routed_at IS NULL`, micros(at), clean(entry.ID))
		if err != nil || n == 0 {
			return err
		}
		for _, d := range deliveries {
			const insert = `
				INSERT INTO deliveries (id, seq, outbox_id, channel, target, release, ask, notice, state,
					attempts, created_at, due_at, claimed_until, reason)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', 0, ?, ?, 0, '')
				ON CONFLICT (id) DO NOTHING`
			_, err := exec(ctx, tx, insert, clean(d.ID), entry.Seq, clean(entry.ID), clean(d.Channel), clean(d.Target),
				clean(d.Release), d.Ask, string(d.Notice), micros(at), micros(at))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("route %s: %w", entry.ID, err)
	}
	return nil
}

// AskTargets are the channels and targets that were put a question of a release.
func (s *Store) AskTargets(ctx context.Context, of release.ID, ask int) ([][2]string, error) {
	const query = `
		SELECT DISTINCT channel, target FROM deliveries
		WHERE release = ? AND ask = ?
		ORDER BY channel, target`
	var rows []struct {
		Channel string `db:"channel"`
		Target  string `db:"target"`
	}
	if err := s.list(ctx, &rows, query, clean(of.String()), ask); err != nil {
		return nil, fmt.Errorf("read who was asked about release %s: %w", of, err)
	}
	out := make([][2]string, len(rows))
	for i, row := range rows {
		out[i] = [2]string{row.Channel, row.Target}
	}
	return out, nil
}
