package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// mostFreezes is how many freezes there may be at a time: each of them is put before the rules at every question.
const mostFreezes = 100

// ErrTooManyFreezes is returned for a freeze when there are 100 already.
var ErrTooManyFreezes = errors.New("there are too many freezes: lift some that are no longer needed")

// AddFreeze stores a freeze once, by its ID.
func (s *Store) AddFreeze(ctx context.Context, freeze release.Freeze) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		text, err := encode(freeze)
		if err != nil {
			return err
		}
		var ends *int64
		if freeze.Ends != nil {
			at := micros(*freeze.Ends)
			ends = &at
		}
		const count = `
			SELECT COUNT(*) FROM freezes
			WHERE lifted_at IS NULL AND (ends_at IS NULL OR ends_at > ?) AND id <> ?`
		var open int
		if err := tx.GetContext(ctx, &open, tx.Rebind(count), micros(freeze.Starts), clean(freeze.ID)); err != nil {
			return err
		}
		if open >= mostFreezes {
			return ErrTooManyFreezes
		}
		const insert = `
			INSERT INTO freezes (id, declared, starts_at, ends_at)
			VALUES (?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`
		added, err := exec(ctx, tx, insert, clean(freeze.ID), text, micros(freeze.Starts), ends)
		if err != nil || added == 0 {
			return err
		}
		until := "until somebody lifts it"
		if freeze.Ends != nil {
			until = "until " + freeze.Ends.UTC().Format(time.RFC3339)
		}
		return saveFreezeNotice(ctx, tx, freeze, "", freeze.Starts, fmt.Sprintf("%s is frozen %s by %s: %s", freeze.About(), until, freeze.By.Name, freeze.Reason))
	})
	if err != nil {
		return fmt.Errorf("store freeze %s: %w", freeze.ID, err)
	}
	return nil
}

// saveFreezeNotice keeps what people are told of a freeze, in the transaction that changes it.
func saveFreezeNotice(ctx context.Context, tx *sqlx.Tx, freeze release.Freeze, what string, at time.Time, message string) error {
	only := func(names []string) string {
		if len(names) == 1 {
			return names[0]
		}
		return "" // all of them, or several: it is told to whoever hears of any
	}
	about := release.ID{Lane: release.Lane{Tenant: only(freeze.Tenants), Application: only(freeze.Applications), Environment: only(freeze.Environments)}}
	return saveOutbox(ctx, tx, "freeze/"+freeze.ID+what, about, release.Entry{At: at, Kind: release.EntryFreeze, Message: message})
}

// Freezes are those that have not ended at a time and nobody has lifted, oldest first.
func (s *Store) Freezes(ctx context.Context, at time.Time) ([]release.Freeze, error) {
	const query = `
		SELECT declared FROM freezes
		WHERE lifted_at IS NULL AND (ends_at IS NULL OR ends_at > ?)
		ORDER BY starts_at, id`
	var rows []string
	if err := s.list(ctx, &rows, query, micros(at)); err != nil {
		return nil, fmt.Errorf("read freezes: %w", err)
	}
	out := make([]release.Freeze, len(rows))
	for i, row := range rows {
		if err := decode(row, &out[i]); err != nil {
			return nil, fmt.Errorf("read freezes: %w", err)
		}
	}
	return out, nil
}

// LiftFreeze ends a freeze. One that nobody knows, that is lifted already or has ended is [release.ErrNotFound].
func (s *Store) LiftFreeze(ctx context.Context, id string, by release.Actor, at time.Time) (release.Freeze, error) {
	var freeze release.Freeze
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		who, err := encode(by)
		if err != nil {
			return err
		}
		const lift = `
			UPDATE freezes SET lifted_at = ?, lifted_by = ?
			WHERE id = ? AND lifted_at IS NULL AND (ends_at IS NULL OR ends_at > ?)`
		n, err := exec(ctx, tx, lift, micros(at), who, clean(id), micros(at))
		if err != nil {
			return err
		}
		if n == 0 {
			return release.ErrNotFound
		}
		var text string
		if err := tx.GetContext(ctx, &text, tx.Rebind(`SELECT declared FROM freezes WHERE id = ?`), clean(id)); err != nil {
			return err
		}
		if err := decode(text, &freeze); err != nil {
			return err
		}
		return saveFreezeNotice(ctx, tx, freeze, "/lifted", at, fmt.Sprintf("%s is no longer frozen: lifted by %s", freeze.About(), by.Name))
	})
	if err != nil {
		return release.Freeze{}, fmt.Errorf("lift freeze %s: %w", id, err)
	}
	return freeze, nil
}

// Ramping are the releases, other than one, that were allowed to split traffic and neither have all of it nor have
// ended, in no order.
func (s *Store) Ramping(ctx context.Context, other release.ID) ([]release.RampingRelease, error) {
	const query = `
		SELECT r.tenant, r.application, r.environment, r.number,
			(SELECT d.question FROM decisions d WHERE d.release = r.tenant || '/' || r.application || '/' || r.environment || '/' || CAST(r.number AS TEXT)
				AND d.gate = ? AND d.allow = 1 LIMIT 1) AS question
		FROM releases r
		WHERE r.phase <> ? AND r.phase NOT IN (` + endedPhases + `)`
	var rows []struct {
		Tenant      string         `db:"tenant"`
		Application string         `db:"application"`
		Environment string         `db:"environment"`
		Number      int            `db:"number"`
		Question    sql.NullString `db:"question"`
	}
	// The journal may be phases behind what was decided, which is written beside the way: what counts is the yes.
	if err := s.list(ctx, &rows, query, string(release.GateStep), string(release.Watching)); err != nil {
		return nil, fmt.Errorf("read which releases ramp: %w", err)
	}
	var out []release.RampingRelease
	for _, row := range rows {
		id := release.ID{Lane: release.Lane{Tenant: row.Tenant, Application: row.Application, Environment: row.Environment}, Number: row.Number}
		if id == other || !row.Question.Valid {
			continue
		}
		var question release.Question
		if err := decode(row.Question.String, &question); err != nil {
			return nil, fmt.Errorf("read what release %s was allowed: %w", id, err)
		}
		ramping := release.RampingRelease{Release: id}
		if question.Plan != nil {
			ramping.Units = question.Plan.Units
		}
		out = append(out, ramping)
	}
	return out, nil
}
