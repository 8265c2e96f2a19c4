package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// The bounds of [ReleaseFilter].Limit.
const (
	usualLimit = 50
	mostLimit  = 500
)

// ErrCursor is returned for a cursor that names no release of this store.
var ErrCursor = errors.New("no such cursor")

// ReleaseFilter chooses releases. Empty fields match everything.
type ReleaseFilter struct {
	Tenant      string
	Application string
	Environment string
	Phase       release.Phase
	// Limit is how many to give: 50 when it is 0 or less, and 500 at most.
	Limit int
	// Before is the cursor that came with the page before this one.
	Before string
	// Tenants are whose releases may be seen at all; nil is everybody's.
	Tenants []string
}

type releaseRow struct {
	Tenant      string `db:"tenant"`
	Application string `db:"application"`
	Environment string `db:"environment"`
	Number      int    `db:"number"`
	Phase       string `db:"phase"`
	Ref         string `db:"ref"`
	Commit      string `db:"commit_id"`
	Message     string `db:"message"`
	Requester   string `db:"requester"`
	RequestedAt int64  `db:"requested_at"`
	UpdatedAt   int64  `db:"updated_at"`
	Cause       string `db:"cause"`
}

func (r releaseRow) summary() (release.Summary, error) {
	lane := release.Lane{Tenant: r.Tenant, Application: r.Application, Environment: r.Environment}
	out := release.Summary{
		ID: release.ID{Lane: lane, Number: r.Number}, Phase: release.Phase(r.Phase), Ref: r.Ref, Commit: r.Commit,
		Message: r.Message, Requested: moment(r.RequestedAt), Updated: moment(r.UpdatedAt),
	}
	if err := decode(r.Requester, &out.Requester); err != nil {
		return release.Summary{}, fmt.Errorf("requester of release %s: %w", out.ID, err)
	}
	if err := decode(r.Cause, &out.Cause); err != nil {
		return release.Summary{}, fmt.Errorf("cause of release %s: %w", out.ID, err)
	}
	return out, nil
}

// SaveProgress stores where a release is and what happened to it, together. Entries are known by
// their number, and one that is stored already stays as it is. The summary is that of the last of
// the entries: one that was overtaken by a later entry, or without entries by a later Updated, is not
// stored, which is no error.
func (s *Store) SaveProgress(ctx context.Context, summary release.Summary, entries []release.Entry) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		if err := summary.ID.Lane.Check(); err != nil {
			return err
		}
		if err := saveSummary(ctx, tx, summary, last(entries)); err != nil {
			return err
		}
		for _, entry := range entries {
			if err := saveEntry(ctx, tx, summary.ID, entry); err != nil {
				return fmt.Errorf("entry %d: %w", entry.Number, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save progress of release %s: %w", summary.ID, err)
	}
	return nil
}

func last(entries []release.Entry) int {
	number := 0
	for _, entry := range entries {
		number = max(number, entry.Number)
	}
	return number
}

func saveSummary(ctx context.Context, tx *sqlx.Tx, summary release.Summary, entry int) error {
	requester, err := encode(summary.Requester)
	if err != nil {
		return err
	}
	cause, err := encode(summary.Cause)
	if err != nil {
		return err
	}
	// An entry of 0 says that the summary came without any, and then its time decides.
	const save = `
		INSERT INTO releases (tenant, application, environment, number, phase, ref, commit_id, message,
			requester, requested_at, updated_at, cause, last_entry)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant, application, environment, number) DO UPDATE SET
			phase = excluded.phase,
			ref = excluded.ref,
			commit_id = excluded.commit_id,
			message = excluded.message,
			requester = excluded.requester,
			requested_at = excluded.requested_at,
			updated_at = excluded.updated_at,
			cause = excluded.cause,
			last_entry = CASE WHEN excluded.last_entry = 0 THEN releases.last_entry ELSE excluded.last_entry END
		WHERE excluded.last_entry > releases.last_entry
			OR (excluded.last_entry IN (0, releases.last_entry) AND excluded.updated_at >= releases.updated_at)`
	id := summary.ID
	_, err = exec(ctx, tx, save, id.Lane.Tenant, id.Lane.Application, id.Lane.Environment, id.Number,
		string(summary.Phase), clean(summary.Ref), clean(summary.Commit), clean(summary.Message), requester,
		micros(summary.Requested), micros(summary.Updated), cause, entry)
	return err
}

func saveEntry(ctx context.Context, tx *sqlx.Tx, id release.ID, entry release.Entry) error {
	details, err := encode(entry.Details)
	if err != nil {
		return err
	}
	const insert = `
		INSERT INTO entries (tenant, application, environment, release, number, at, phase, message, details)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant, application, environment, release, number) DO NOTHING`
	added, err := exec(ctx, tx, insert, id.Lane.Tenant, id.Lane.Application, id.Lane.Environment, id.Number,
		entry.Number, micros(entry.At), string(entry.Phase), clean(entry.Message), details)
	if err != nil || added == 0 || entry.Kind == "" {
		return err
	}
	return saveOutbox(ctx, tx, fmt.Sprintf("%s#%d", id, entry.Number), id, entry)
}

const releaseColumns = `tenant, application, environment, number, phase, ref, commit_id, message,
			requester, requested_at, updated_at, cause`

// Release is where a release is. One that was never recorded is [release.ErrNotFound].
func (s *Store) Release(ctx context.Context, id release.ID) (release.Summary, error) {
	const query = `
		SELECT ` + releaseColumns + `
		FROM releases
		WHERE tenant = ? AND application = ? AND environment = ? AND number = ?`
	var row releaseRow
	err := s.one(ctx, &row, query, clean(id.Lane.Tenant), clean(id.Lane.Application), clean(id.Lane.Environment), id.Number)
	if err != nil {
		return release.Summary{}, fmt.Errorf("read release %s: %w", id, found(err))
	}
	return row.summary()
}

// Entries are what happened to a release, oldest first; none for one that was never recorded.
func (s *Store) Entries(ctx context.Context, id release.ID) ([]release.Entry, error) {
	const query = `
		SELECT number, at, phase, message, details
		FROM entries
		WHERE tenant = ? AND application = ? AND environment = ? AND release = ?
		ORDER BY number`
	var rows []struct {
		Number  int    `db:"number"`
		At      int64  `db:"at"`
		Phase   string `db:"phase"`
		Message string `db:"message"`
		Details string `db:"details"`
	}
	err := s.list(ctx, &rows, query, clean(id.Lane.Tenant), clean(id.Lane.Application), clean(id.Lane.Environment), id.Number)
	if err != nil {
		return nil, fmt.Errorf("read entries of release %s: %w", id, err)
	}
	out := make([]release.Entry, len(rows))
	for i, row := range rows {
		out[i] = release.Entry{Number: row.Number, At: moment(row.At), Phase: release.Phase(row.Phase), Message: row.Message}
		if err := decode(row.Details, &out[i].Details); err != nil {
			return nil, fmt.Errorf("read entry %d of release %s: %w", row.Number, id, err)
		}
	}
	return out, nil
}

// Releases are those that match, in the order in which they were requested, the newest first, and
// the cursor of the next page; it is "" when there is none. A cursor that names no release of this
// store is an error.
func (s *Store) Releases(ctx context.Context, filter ReleaseFilter) ([]release.Summary, string, error) {
	limit := usualLimit
	if filter.Limit > 0 {
		limit = min(filter.Limit, mostLimit)
	}
	where, args, err := s.conditions(ctx, filter)
	if err != nil {
		return nil, "", fmt.Errorf("list releases: %w", err)
	}
	// where holds fixed conditions only; what was asked for is in args.
	query := `
		SELECT ` + releaseColumns + `
		FROM releases
		WHERE ` + where + `
		ORDER BY requested_at DESC, number DESC, tenant DESC, application DESC, environment DESC
		LIMIT ?`
	var rows []releaseRow
	// One more than asked for tells whether there is a next page.
	if err := s.list(ctx, &rows, query, append(args, limit+1)...); err != nil {
		return nil, "", fmt.Errorf("list releases: %w", err)
	}
	next := ""
	out := make([]release.Summary, min(len(rows), limit))
	for i := range out {
		if out[i], err = rows[i].summary(); err != nil {
			return nil, "", fmt.Errorf("list releases: %w", err)
		}
	}
	if len(rows) > limit {
		next = out[limit-1].ID.String()
	}
	return out, next, nil
}

func (s *Store) conditions(ctx context.Context, filter ReleaseFilter) (string, []any, error) {
	where, args := []string{"1 = 1"}, []any{}
	for _, condition := range []struct{ text, value string }{
		{"tenant = ?", filter.Tenant},
		{"application = ?", filter.Application},
		{"environment = ?", filter.Environment},
		{"phase = ?", string(filter.Phase)},
	} {
		if condition.value != "" {
			where, args = append(where, condition.text), append(args, clean(condition.value))
		}
	}
	if filter.Tenants != nil {
		in, values := oneOf("tenant", filter.Tenants)
		where, args = append(where, in), append(args, values...)
	}
	if filter.Before != "" {
		// The cursor is the last release of the page before.
		id, err := release.ParseID(filter.Before)
		if err != nil {
			return "", nil, fmt.Errorf("%w: %w", ErrCursor, err)
		}
		if filter.Tenants != nil && !slices.Contains(filter.Tenants, id.Lane.Tenant) {
			// As for one that is not there: a cursor is not for finding out what is.
			return "", nil, fmt.Errorf("%w: %s", ErrCursor, filter.Before)
		}
		if _, err := s.Release(ctx, id); err != nil {
			return "", nil, fmt.Errorf("%w: %w", ErrCursor, err)
		}
		where = append(where, `
			(requested_at, number, tenant, application, environment) < (
				SELECT requested_at, number, tenant, application, environment
				FROM releases
				WHERE tenant = ? AND application = ? AND environment = ? AND number = ?)`)
		args = append(args, id.Lane.Tenant, id.Lane.Application, id.Lane.Environment, id.Number)
	}
	return strings.Join(where, " AND "), args, nil
}
