package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// OutboxEntry is something that people may want to be told.
type OutboxEntry struct {
	// Seq is the order of storing, ID the entry's name for ever.
	Seq int64
	ID  string
	// Release is zero for what is about no release. Without a number it is the lane that an alarm or a freeze is about,
	// of which parts may be empty.
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
	const insert = `
		INSERT INTO outbox (seq, id, release, entry, at)
		VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (id) DO NOTHING`
	added, err := exec(ctx, tx, insert, seq, clean(id), clean(subject(of)), text, micros(entry.At))
	if err != nil || added > 0 {
		return err
	}
	// It is there already. Its number is given back, so that the numbers have no holes: whoever follows by number takes
	// one that is missing for an entry that was pruned.
	_, err = exec(ctx, tx, `UPDATE counters SET value = value - 1 WHERE name = 'outbox'`)
	return err
}

// subject is what an entry is about, as parseSubject reads it.
func subject(of release.ID) string {
	switch {
	case of.Number > 0:
		return of.String()
	case of.Lane == (release.Lane{}):
		return ""
	default:
		return of.Lane.Tenant + "/" + of.Lane.Application + "/" + of.Lane.Environment
	}
}

func parseSubject(text string) (release.ID, error) {
	if text == "" {
		return release.ID{}, nil
	}
	if parts := strings.Split(text, "/"); len(parts) == 3 {
		return release.ID{Lane: release.Lane{Tenant: parts[0], Application: parts[1], Environment: parts[2]}}, nil
	}
	return release.ParseID(text)
}

// AddOutbox keeps something that people may want to be told and that no release's story has, such as an alarm of its
// own. The same ID twice is kept once. It is about a release, a lane or a part of one, or nothing in particular.
func (s *Store) AddOutbox(ctx context.Context, id string, of release.ID, entry release.Entry) error {
	if err := s.change(ctx, func(tx *sqlx.Tx) error { return saveOutbox(ctx, tx, id, of, entry) }); err != nil {
		return fmt.Errorf("keep notice %s: %w", id, err)
	}
	return nil
}

// ToRoute are the oldest entries that nobody has routed, at most so many. One that cannot be read says so in its message:
// it must not hold what comes after it.
func (s *Store) ToRoute(ctx context.Context, most int) ([]OutboxEntry, error) {
	const query = `
		SELECT seq, id, release, entry, at FROM outbox
		WHERE routed_at IS NULL
		ORDER BY seq
		LIMIT ?`
	out, err := s.outbox(ctx, query, most)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	return out, nil
}

// outbox are the entries that a query finds, each with who asked for its release.
func (s *Store) outbox(ctx context.Context, query string, args ...any) ([]OutboxEntry, error) {
	var rows []outboxRow
	if err := s.list(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	requesters := map[release.ID]release.Actor{}
	out := make([]OutboxEntry, len(rows))
	for i, row := range rows {
		out[i] = row.read()
		of := out[i].Release
		if of.Number == 0 {
			continue
		}
		by, known := requesters[of]
		if !known {
			var err error
			if by, err = s.requester(ctx, of); err != nil {
				return nil, fmt.Errorf("entry %s: %w", row.ID, err)
			}
			requesters[of] = by
		}
		out[i].Requester = by
	}
	return out, nil
}

type outboxRow struct {
	Seq     int64  `db:"seq"`
	ID      string `db:"id"`
	Release string `db:"release"`
	Entry   string `db:"entry"`
	At      int64  `db:"at"`
}

func (r outboxRow) read() OutboxEntry {
	out := OutboxEntry{Seq: r.Seq, ID: r.ID}
	of, err := parseSubject(r.Release)
	if err == nil {
		out.Release = of
		err = decode(r.Entry, &out.Entry)
	}
	if err != nil {
		out.Entry = release.Entry{At: moment(r.At), Kind: release.EntryPhase, Message: fmt.Sprintf("what happened cannot be read: %v", err)}
	}
	return out
}

// requester is who asked for a release; nobody when it is not stored, or not readably.
func (s *Store) requester(ctx context.Context, of release.ID) (by release.Actor, err error) {
	const query = `
		SELECT requester FROM releases
		WHERE tenant = ? AND application = ? AND environment = ? AND number = ?`
	var text string
	err = s.one(ctx, &text, query, of.Lane.Tenant, of.Lane.Application, of.Lane.Environment, of.Number)
	if errors.Is(err, sql.ErrNoRows) {
		return by, nil
	}
	if err == nil && decode(text, &by) != nil {
		by = release.Actor{}
	}
	return by, err
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
