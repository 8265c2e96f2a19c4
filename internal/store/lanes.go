package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// SaveStable stores what serves a lane since a release completed. An older release changes nothing.
func (s *Store) SaveStable(ctx context.Context, id release.ID, stable map[string]release.Revision) error {
	text, err := encode(stable)
	if err != nil {
		return fmt.Errorf("save what release %s made stable: %w", id, err)
	}
	const save = `
		INSERT INTO lanes (tenant, application, environment, release, stable)
		VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (tenant, application, environment) DO UPDATE
		SET release = excluded.release, stable = excluded.stable
		WHERE excluded.release >= lanes.release`
	err = s.change(ctx, func(tx *sqlx.Tx) error {
		_, err := exec(ctx, tx, save, id.Lane.Tenant, id.Lane.Application, id.Lane.Environment, id.Number, text)
		return err
	})
	if err != nil {
		return fmt.Errorf("save what release %s made stable: %w", id, err)
	}
	return nil
}

// Lane is what is recorded of a lane: its newest release, nil when it has none, and what serves it.
func (s *Store) Lane(ctx context.Context, lane release.Lane) (newest *release.Summary, stable map[string]release.Revision, err error) {
	const last = `
		SELECT COALESCE(MAX(number), 0)
		FROM releases
		WHERE tenant = ? AND application = ? AND environment = ?`
	var number int
	if err := s.read.GetContext(ctx, &number, s.read.Rebind(last), clean(lane.Tenant), clean(lane.Application), clean(lane.Environment)); err != nil {
		return nil, nil, fmt.Errorf("read the last release of lane %s: %w", lane, err)
	}
	if number > 0 {
		summary, err := s.Release(ctx, release.ID{Lane: lane, Number: number})
		if err != nil {
			return nil, nil, err
		}
		newest = &summary
	}
	const serving = `
		SELECT stable
		FROM lanes
		WHERE tenant = ? AND application = ? AND environment = ?`
	var text string
	err = s.read.GetContext(ctx, &text, s.read.Rebind(serving), clean(lane.Tenant), clean(lane.Application), clean(lane.Environment))
	if errors.Is(err, sql.ErrNoRows) {
		return newest, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read what serves lane %s: %w", lane, err)
	}
	if err := json.Unmarshal([]byte(text), &stable); err != nil {
		return nil, nil, fmt.Errorf("read what serves lane %s: %w", lane, err)
	}
	return newest, stable, nil
}

// endedPhases are those of a release that has ended, as a list of SQL; they are constants, and nobody's input.
const endedPhases = `'` + string(release.Completed) + `', '` + string(release.Refused) + `', '` + string(release.Failed) + `', '` +
	string(release.Aborted) + `', '` + string(release.Superseded) + `', '` + string(release.RolledBack) + `'`

// UnderWay are the releases of a lane that have not ended, the newest first.
func (s *Store) UnderWay(ctx context.Context, lane release.Lane) ([]release.ID, error) {
	const query = `
		SELECT number FROM releases
		WHERE tenant = ? AND application = ? AND environment = ? AND phase NOT IN (` + endedPhases + `)
		ORDER BY number DESC`
	var numbers []int
	if err := s.list(ctx, &numbers, query, clean(lane.Tenant), clean(lane.Application), clean(lane.Environment)); err != nil {
		return nil, fmt.Errorf("read the releases under way of lane %s: %w", lane, err)
	}
	out := make([]release.ID, len(numbers))
	for i, n := range numbers {
		out[i] = release.ID{Lane: lane, Number: n}
	}
	return out, nil
}
