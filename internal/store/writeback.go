package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// The states of what is written back.
const (
	// WritebackWaiting is due at some time, WritebackSettled when something happens to the release again, and
	// WritebackDead when somebody asks for it: it was tried for too long.
	WritebackWaiting = "waiting"
	WritebackSettled = "settled"
	WritebackDead    = "dead"
	// WritebackTrying is an object of which nobody knows whether it arrived.
	WritebackTrying = "trying"
	WritebackSent   = "sent"
)

// Writeback is what GitHub is owed of one release.
type Writeback struct {
	Release release.ID
	// Account is whose rate limit it is written under; Repository is owner/name, Commit the release's.
	Account, Repository, Commit string
	// Seq is the newest entry of the outbox that is about the release.
	Seq   int64
	State string
	// Notes are the writer's, JSON or empty.
	Notes    string
	Attempts int
	// Failing is since when every attempt failed, zero when the last did not.
	Failing, Due, Updated time.Time
	Reason                string
	// Claim names the claim under which it may be changed.
	Claim int64
	// Earlier and Later say whether the same lane had the same commit before, or has it again.
	Earlier, Later bool
	Objects        []WritebackObject
}

// WritebackObject is one thing at GitHub.
type WritebackObject struct {
	// Name is what it is among those of the release, Remote its ID there, Sent the hash of what it says.
	Name, Remote, Sent, State string
	Attempts                  int
	Reason                    string
	Updated                   time.Time
}

type writebackRow struct {
	Release    string `db:"release"`
	Account    string `db:"account"`
	Repository string `db:"repository"`
	Commit     string `db:"commit_id"`
	Seq        int64  `db:"seq"`
	State      string `db:"state"`
	Notes      string `db:"notes"`
	Attempts   int    `db:"attempts"`
	Failing    int64  `db:"failing_since"`
	Due        int64  `db:"due_at"`
	Claimed    int64  `db:"claimed_until"`
	Reason     string `db:"reason"`
	Updated    int64  `db:"updated_at"`
	Earlier    bool   `db:"earlier"`
	Later      bool   `db:"later"`
}

const writebackColumns = `w.release, w.account, w.repository, w.commit_id, w.seq, w.state, w.notes, w.attempts, w.failing_since,
			w.due_at, w.claimed_until, w.reason, w.updated_at, ` + sameCommit + `< w.number) AS earlier, ` + sameCommit + `> w.number) AS later`

const sameCommit = `EXISTS (SELECT 1 FROM writeback o WHERE o.commit_id = w.commit_id AND o.tenant = w.tenant
				AND o.application = w.application AND o.environment = w.environment AND o.number `

func (r writebackRow) read() (Writeback, error) {
	id, err := release.ParseID(r.Release)
	if err != nil {
		return Writeback{}, err
	}
	out := Writeback{
		Release: id, Account: r.Account, Repository: r.Repository, Commit: r.Commit, Seq: r.Seq, State: r.State, Notes: r.Notes,
		Attempts: r.Attempts, Due: moment(r.Due), Updated: moment(r.Updated), Reason: r.Reason, Claim: r.Claimed,
		Earlier: r.Earlier, Later: r.Later,
	}
	if r.Failing != 0 {
		out.Failing = moment(r.Failing)
	}
	return out, nil
}

// OweWriteback keeps that something happened to releases, and that the follower of this name has dealt with everything up
// to a seq, together. Only Release, Account, Repository, Commit and Seq of each are read. One that is being retried keeps
// the time of its next attempt.
func (s *Store) OweWriteback(ctx context.Context, owed []Writeback, follower string, seq int64, at time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		for _, w := range owed {
			const owe = `
				INSERT INTO writeback (release, tenant, application, environment, number, account, repository, commit_id, seq,
					state, notes, attempts, failing_since, due_at, claimed_until, reason, updated_at)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', '', 0, 0, ?, 0, '', ?)
				ON CONFLICT (release) DO UPDATE SET
					seq = excluded.seq,
					due_at = CASE WHEN writeback.state = 'waiting' AND writeback.attempts > 0 THEN writeback.due_at ELSE excluded.due_at END,
					attempts = CASE WHEN writeback.state = 'waiting' THEN writeback.attempts ELSE 0 END,
					failing_since = CASE WHEN writeback.state = 'waiting' THEN writeback.failing_since ELSE 0 END,
					state = 'waiting'
				WHERE excluded.seq > writeback.seq`
			lane := w.Release.Lane
			if err := lane.Check(); err != nil {
				return err
			}
			if _, err := exec(ctx, tx, owe, w.Release.String(), lane.Tenant, lane.Application, lane.Environment, w.Release.Number,
				clean(w.Account), clean(w.Repository), clean(w.Commit), w.Seq, micros(at), micros(at)); err != nil {
				return err
			}
		}
		return moveCursor(ctx, tx, follower, seq)
	})
	if err != nil {
		return fmt.Errorf("owe %d write-backs: %w", len(owed), err)
	}
	return nil
}

// mostDueWritebacks bounds how many are looked at to find one of each account.
const mostDueWritebacks = 500

const writebackIsDue = `w.state = 'waiting' AND w.due_at <= ? AND w.claimed_until <= ?
				AND NOT EXISTS (SELECT 1 FROM writeback_limits l WHERE l.account = w.account AND l.until_at > ?)
				AND NOT EXISTS (SELECT 1 FROM writeback c WHERE c.account = w.account AND c.claimed_until > ?)`

// ClaimWriteback takes what is due, at most so many and one of each account, until the claim runs out. An account whose
// requests are used up, or of which somebody has a claim, has none.
func (s *Store) ClaimWriteback(ctx context.Context, now, until time.Time, most int) ([]Writeback, error) {
	const due = `
		SELECT ` + writebackColumns + `
		FROM writeback w
		WHERE ` + writebackIsDue + `
		ORDER BY w.due_at, w.release
		LIMIT ?`
	at := micros(now)
	args := []any{at, at, at, at, mostDueWritebacks}
	var out []Writeback
	err := claimDue(ctx, s, due, args, func(tx *sqlx.Tx, rows []writebackRow) error {
		taken := map[string]bool{}
		for _, row := range rows {
			if taken[row.Account] || len(out) == most {
				continue
			}
			taken[row.Account] = true
			row.Claimed = micros(until)
			if _, err := exec(ctx, tx, `UPDATE writeback SET claimed_until = ? WHERE release = ?`, row.Claimed, row.Release); err != nil {
				return err
			}
			claimed, err := row.read()
			if err != nil {
				return err
			}
			if claimed.Objects, err = writebackObjects(ctx, tx, row.Release); err != nil {
				return err
			}
			out = append(out, claimed)
		}
		return nil
	})
	return out, wrap("claim write-backs", err)
}

// claimDue lets claim take from the rows of a query, which nobody else takes from meanwhile. Without rows it is not called.
func claimDue[Row any](ctx context.Context, s *Store, query string, args []any, claim func(tx *sqlx.Tx, rows []Row) error) error {
	var rows []Row
	// Looking first keeps a program that has nothing to do from locking out others every second.
	if err := s.list(ctx, &rows, query, args...); err != nil || len(rows) == 0 {
		return wrap("look for what is due", err)
	}
	return s.change(ctx, func(tx *sqlx.Tx) error {
		// Claims are made one at a time: the row is locked until the end of the transaction.
		if _, err := exec(ctx, tx, `UPDATE counters SET value = value WHERE name = 'outbox'`); err != nil {
			return err
		}
		rows = nil
		if err := tx.SelectContext(ctx, &rows, tx.Rebind(query), args...); err != nil {
			return err
		}
		return claim(tx, rows)
	})
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// querier is a database, or a transaction in it.
type querier interface {
	sqlx.QueryerContext
	Rebind(query string) string
}

func writebackObjects(ctx context.Context, q querier, of string) ([]WritebackObject, error) {
	const query = `
		SELECT name, remote, sent, state, attempts, reason, updated_at FROM writeback_objects
		WHERE release = ?
		ORDER BY name`
	var rows []struct {
		Name     string `db:"name"`
		Remote   string `db:"remote"`
		Sent     string `db:"sent"`
		State    string `db:"state"`
		Attempts int    `db:"attempts"`
		Reason   string `db:"reason"`
		Updated  int64  `db:"updated_at"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, q.Rebind(query), of); err != nil {
		return nil, err
	}
	out := make([]WritebackObject, len(rows))
	for i, r := range rows {
		out[i] = WritebackObject{Name: r.Name, Remote: r.Remote, Sent: r.Sent, State: r.State, Attempts: r.Attempts, Reason: r.Reason, Updated: moment(r.Updated)}
	}
	return out, nil
}

// KeepWritebackObject stores what is known of an object, under a claim. A claim that somebody else has taken over is
// [release.ErrConflict], and then nothing is stored: who gets it must not go on.
func (s *Store) KeepWritebackObject(ctx context.Context, w Writeback, o WritebackObject, at time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		if err := holdsWriteback(ctx, tx, w); err != nil {
			return err
		}
		const keep = `
			INSERT INTO writeback_objects (release, name, remote, sent, state, attempts, reason, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (release, name) DO UPDATE SET
				remote = excluded.remote, sent = excluded.sent, state = excluded.state, attempts = excluded.attempts,
				reason = excluded.reason, updated_at = excluded.updated_at`
		_, err := exec(ctx, tx, keep, w.Release.String(), clean(o.Name), clean(o.Remote), clean(o.Sent), o.State, o.Attempts, clean(o.Reason), micros(at))
		return err
	})
	return wrap(fmt.Sprintf("keep %s of release %s", o.Name, w.Release), err)
}

// holdsWriteback locks the row of a claim until the end of the transaction.
func holdsWriteback(ctx context.Context, tx *sqlx.Tx, w Writeback) error {
	n, err := exec(ctx, tx, `UPDATE writeback SET claimed_until = claimed_until WHERE release = ? AND claimed_until = ?`, w.Release.String(), w.Claim)
	if err == nil && n == 0 {
		err = release.ErrConflict
	}
	return err
}

// SettleWriteback ends a claim with w's State, Notes, Attempts, Failing, Due and Reason. When something happened to the
// release meanwhile, and the attempt did not fail, it is due again at again. A claim that was taken over is
// [release.ErrConflict].
func (s *Store) SettleWriteback(ctx context.Context, w Writeback, again, at time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		if err := holdsWriteback(ctx, tx, w); err != nil {
			return err
		}
		failing := int64(0)
		if !w.Failing.IsZero() {
			failing = micros(w.Failing)
		}
		const settle = `
			UPDATE writeback SET
				state = CASE WHEN seq > ? AND CAST(? AS TEXT) <> 'dead' THEN 'waiting' ELSE CAST(? AS TEXT) END,
				due_at = CASE WHEN seq > ? AND ? = 0 THEN CAST(? AS BIGINT) ELSE CAST(? AS BIGINT) END,
				notes = ?, attempts = ?, failing_since = ?, reason = ?, claimed_until = 0, updated_at = ?
			WHERE release = ?`
		_, err := exec(ctx, tx, settle, w.Seq, w.State, w.State, w.Seq, w.Attempts, micros(again), micros(w.Due), clean(w.Notes), w.Attempts, failing,
			clean(w.Reason), micros(at), w.Release.String())
		return err
	})
	return wrap(fmt.Sprintf("settle the write-back of release %s", w.Release), err)
}

// LimitWriteback leaves an account alone until a time, or for longer when it already is.
func (s *Store) LimitWriteback(ctx context.Context, account string, until time.Time, reason string) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		const limit = `
			INSERT INTO writeback_limits (account, until_at, reason)
			VALUES (?, ?, ?)
			ON CONFLICT (account) DO UPDATE SET until_at = excluded.until_at, reason = excluded.reason
			WHERE excluded.until_at > writeback_limits.until_at`
		_, err := exec(ctx, tx, limit, clean(account), micros(until), clean(reason))
		return err
	})
	return wrap("limit write-back of "+account, err)
}

// WritebackFilter chooses what GitHub is told, for people who look.
type WritebackFilter struct {
	// Release is whose; zero is all.
	Release release.ID
	// Trouble is only what waits after a failure, was given up, or has an object that was.
	Trouble bool
	// After is the cursor that came with the page before this one; Limit is how many to give.
	After string
	Limit int
	// Tenants are whose may be seen; nil is everybody's.
	Tenants []string
}

// Writebacks are those that match, the last changed first, with the cursor of the next page; it is "" when there is none. A
// cursor that was not given is [ErrCursor].
func (s *Store) Writebacks(ctx context.Context, filter WritebackFilter) ([]Writeback, string, error) {
	where, args := ofTenants("w.release", filter.Tenants)
	if filter.Release.Number > 0 {
		where, args = where+` AND w.release = ?`, append(args, filter.Release.String())
	}
	if filter.After != "" {
		at, of, err := parsePlace(filter.After)
		if err != nil {
			return nil, "", fmt.Errorf("read write-backs: %w", err)
		}
		where, args = where+` AND (w.updated_at < ? OR (w.updated_at = ? AND w.release > ?))`, append(args, at, at, of)
	}
	if filter.Trouble {
		where += ` AND (w.state = 'dead' OR w.attempts > 0
			OR EXISTS (SELECT 1 FROM writeback_objects d WHERE d.release = w.release AND d.state = 'dead'))`
	}
	// where holds fixed conditions only; what was asked for is in args.
	query := `
		SELECT ` + writebackColumns + `
		FROM writeback w
		WHERE ` + where + `
		ORDER BY w.updated_at DESC, w.release
		LIMIT ?`
	var rows []writebackRow
	if err := s.list(ctx, &rows, query, append(args, filter.Limit+1)...); err != nil {
		return nil, "", fmt.Errorf("read write-backs: %w", err)
	}
	rows, next := pageOf(rows, filter.Limit, func(row writebackRow) (int64, string) { return row.Updated, row.Release })
	out := make([]Writeback, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = row.read(); err == nil {
			out[i].Objects, err = writebackObjects(ctx, s.read, row.Release)
		}
		if err != nil {
			return nil, "", fmt.Errorf("read the write-back of release %s: %w", row.Release, err)
		}
	}
	return out, next, nil
}

// RetryWriteback lets what was given up of a release be tried again. A release of which nothing was is
// [release.ErrNotFound].
func (s *Store) RetryWriteback(ctx context.Context, of release.ID, at time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		objects, err := exec(ctx, tx, `UPDATE writeback_objects SET state = 'trying', attempts = 0 WHERE release = ? AND state = 'dead'`, of.String())
		if err != nil {
			return err
		}
		const again = `
			UPDATE writeback SET state = 'waiting', attempts = 0, failing_since = 0, due_at = ?
			WHERE release = ? AND (state = 'dead' OR attempts > 0 OR ? > 0)`
		n, err := exec(ctx, tx, again, micros(at), of.String(), objects)
		if err == nil && n == 0 {
			err = release.ErrNotFound
		}
		return err
	})
	return wrap(fmt.Sprintf("retry the write-back of release %s", of), err)
}

// PruneWriteback forgets what has not changed since a time and waits for nothing, and limits that are over.
func (s *Store) PruneWriteback(ctx context.Context, before time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		for _, query := range []string{
			// Locked first: what is owed again between the two that follow would lose its objects, and be written anew.
			`UPDATE writeback SET updated_at = updated_at WHERE state <> 'waiting' AND updated_at < ?`,
			`DELETE FROM writeback_objects WHERE release IN (SELECT release FROM writeback WHERE state <> 'waiting' AND updated_at < ?)`,
			`DELETE FROM writeback WHERE state <> 'waiting' AND updated_at < ?`,
			`DELETE FROM writeback_limits WHERE until_at < ?`,
			`DELETE FROM writeback_protections WHERE state <> 'waiting' AND due_at < ?`,
		} {
			if _, err := exec(ctx, tx, query, micros(before)); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("prune write-backs", err)
}
