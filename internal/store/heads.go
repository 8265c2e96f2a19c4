package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// Head is what was seen last of a ref.
type Head struct {
	// Ref is its full name, such as refs/heads/main.
	Ref string
	// Commit is zeros for a ref that was deleted.
	Commit string
	// Event told it; 0 for what was there when the application was first looked at.
	Event int64
	// Released says whether that asked for a release.
	Released bool
	At       time.Time
}

type headRow struct {
	Ref      string `db:"ref"`
	Commit   string `db:"commit_id"`
	Event    int64  `db:"event"`
	Released int    `db:"released"`
	At       int64  `db:"at"`
}

func (r headRow) head() Head {
	return Head{Ref: r.Ref, Commit: r.Commit, Event: r.Event, Released: r.Released != 0, At: moment(r.At)}
}

// Head is what was seen last of a ref of an application. One that nobody has seen is [release.ErrNotFound].
func (s *Store) Head(ctx context.Context, tenant, application, ref string) (Head, error) {
	const query = `
		SELECT ref, commit_id, event, released, at
		FROM heads
		WHERE tenant = ? AND application = ? AND ref = ?`
	var row headRow
	if err := s.one(ctx, &row, query, clean(tenant), clean(application), clean(ref)); err != nil {
		return Head{}, fmt.Errorf("read what was seen of %s of %s/%s: %w", ref, tenant, application, found(err))
	}
	return row.head(), nil
}

// Heads are what was seen of all refs of an application, by ref.
func (s *Store) Heads(ctx context.Context, tenant, application string) (map[string]Head, error) {
	const query = `
		SELECT ref, commit_id, event, released, at
		FROM heads
		WHERE tenant = ? AND application = ?`
	var rows []headRow
	if err := s.list(ctx, &rows, query, clean(tenant), clean(application)); err != nil {
		return nil, fmt.Errorf("read what was seen of %s/%s: %w", tenant, application, err)
	}
	out := make(map[string]Head, len(rows))
	for _, row := range rows {
		out[row.Ref] = row.head()
	}
	return out, nil
}

// SaveHead keeps what was seen of a ref. What an earlier event told never replaces what a later one did.
func (s *Store) SaveHead(ctx context.Context, tenant, application string, head Head) error {
	const save = `
		INSERT INTO heads (tenant, application, ref, commit_id, event, released, at)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant, application, ref) DO UPDATE SET
			commit_id = excluded.commit_id,
			event = excluded.event,
			released = excluded.released,
			at = excluded.at
		WHERE excluded.event >= heads.event`
	released := 0
	if head.Released {
		released = 1
	}
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		_, err := exec(ctx, tx, save, clean(tenant), clean(application), clean(head.Ref), clean(head.Commit), head.Event, released, micros(head.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep what was seen of %s of %s/%s: %w", head.Ref, tenant, application, err)
	}
	return nil
}

// Serving is what serves a lane, and the release that completed there last; 0 before the first.
func (s *Store) Serving(ctx context.Context, lane release.Lane) (number int, stable map[string]release.Revision, err error) {
	const query = `
		SELECT release, stable
		FROM lanes
		WHERE tenant = ? AND application = ? AND environment = ?`
	var rows []struct {
		Release int    `db:"release"`
		Stable  string `db:"stable"`
	}
	err = s.list(ctx, &rows, query, clean(lane.Tenant), clean(lane.Application), clean(lane.Environment))
	if err == nil && len(rows) > 0 {
		number, err = rows[0].Release, decode(rows[0].Stable, &stable)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read what serves lane %s: %w", lane, err)
	}
	return number, stable, nil
}
