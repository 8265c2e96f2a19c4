package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

type revisionRow struct {
	ID        string `db:"id"`
	Component string `db:"component"`
	Artifact  string `db:"artifact"`
	Run       string `db:"run"`
	Commit    string `db:"commit_id"`
}

const selectRevision = `
		SELECT id, component, artifact, run, commit_id
		FROM revisions
		WHERE id = ?`

// SaveRevision stores a revision once; the commit is the first one's. Another artifact or
// configuration under the same ID is [release.ErrConflict].
func (s *Store) SaveRevision(ctx context.Context, revision release.Revision) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		run, err := encode(revision.Run)
		if err != nil {
			return err
		}
		row := revisionRow{
			ID: clean(revision.ID), Component: clean(revision.Component), Artifact: clean(string(revision.Artifact)),
			Run: run, Commit: clean(revision.Commit),
		}
		const insert = `
			INSERT INTO revisions (id, component, artifact, run, commit_id)
			VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`
		n, err := exec(ctx, tx, insert, row.ID, row.Component, row.Artifact, row.Run, row.Commit)
		if err != nil || n > 0 {
			return err
		}
		var was revisionRow
		if err := tx.GetContext(ctx, &was, tx.Rebind(selectRevision), row.ID); err != nil {
			return err
		}
		return same(was, row)
	})
	if err != nil {
		return fmt.Errorf("save revision %s: %w", revision.ID, err)
	}
	return nil
}

// same compares what identifies a revision. The configuration is compared as read, because a later
// program may write the same one differently.
func same(was, is revisionRow) error {
	before, err := was.revision()
	if err != nil {
		return err
	}
	after, err := is.revision()
	if err != nil {
		return err
	}
	before.Commit, after.Commit = "", ""
	equal, err := alike(before, after)
	if err == nil && !equal {
		return fmt.Errorf("it is stored with other content: %w", release.ErrConflict)
	}
	return err
}

func (r revisionRow) revision() (release.Revision, error) {
	out := release.Revision{ID: r.ID, Component: r.Component, Artifact: release.Digest(r.Artifact), Commit: r.Commit}
	if err := decode(r.Run, &out.Run); err != nil {
		return release.Revision{}, fmt.Errorf("configuration of revision %s: %w", r.ID, err)
	}
	return out, nil
}

// Revision is a revision by its ID. One that nobody saved is [release.ErrNotFound].
func (s *Store) Revision(ctx context.Context, id string) (release.Revision, error) {
	var row revisionRow
	if err := s.one(ctx, &row, selectRevision, clean(id)); err != nil {
		return release.Revision{}, fmt.Errorf("read revision %s: %w", id, found(err))
	}
	return row.revision()
}
