package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// Decision is an answer of the rules with the question it was given to.
type Decision struct {
	release.Decision
	// At is the clock of the question.
	At time.Time
	// Took is how long the rules needed, to the microsecond.
	Took time.Duration
	// Question is the input as the rules saw it: a [release.Question] of its time.
	Question json.RawMessage
}

// SaveDecision stores a decision with its question, once, however often it is called.
func (s *Store) SaveDecision(ctx context.Context, question release.Question, decision release.Decision, took time.Duration) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		asked, err := encode(question)
		if err != nil {
			return err
		}
		answer, err := encode(decision)
		if err != nil {
			return err
		}
		allow := 0
		if decision.Allow {
			allow = 1
		}
		const insert = `
			INSERT INTO decisions (id, release, gate, allow, bundle, question, answer, asked_at, took_micros)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`
		_, err = exec(ctx, tx, insert, clean(decision.ID), clean(question.About()), clean(string(decision.Gate)),
			allow, clean(decision.Bundle), asked, answer, micros(question.At), took.Microseconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("save decision %s on %s of %s: %w", decision.ID, decision.Gate, question.About(), err)
	}
	return nil
}

// Decisions are what the rules answered for a release, oldest first.
func (s *Store) Decisions(ctx context.Context, id release.ID) ([]Decision, error) {
	const query = `
		SELECT question, answer, asked_at, took_micros
		FROM decisions
		WHERE release = ?
		ORDER BY asked_at, id`
	var rows []struct {
		Question string `db:"question"`
		Answer   string `db:"answer"`
		AskedAt  int64  `db:"asked_at"`
		Took     int64  `db:"took_micros"`
	}
	if err := s.list(ctx, &rows, query, clean(id.String())); err != nil {
		return nil, fmt.Errorf("read decisions of release %s: %w", id, err)
	}
	out := make([]Decision, len(rows))
	for i, row := range rows {
		out[i] = Decision{
			At: moment(row.AskedAt), Took: time.Duration(row.Took) * time.Microsecond,
			Question: json.RawMessage(row.Question),
		}
		if err := decode(row.Answer, &out[i].Decision); err != nil {
			return nil, fmt.Errorf("read decisions of release %s: %w", id, err)
		}
	}
	return out, nil
}

// DecisionFilter chooses decisions of all releases.
type DecisionFilter struct {
	// Since is from when on.
	Since time.Time
	// After is the cursor that came with the page before this one; Limit is how many to give.
	After string
	Limit int
	// Tenants are whose may be seen, which leaves out what is about no release; nil is everybody's.
	Tenants []string
}

// DecisionsSince are what the rules answered, oldest first, with the cursor of the next page; it is "" when there is
// none. A cursor that was not given is [ErrCursor].
func (s *Store) DecisionsSince(ctx context.Context, filter DecisionFilter) ([]Decision, string, error) {
	at, id, most := micros(filter.Since), "", filter.Limit
	if filter.After != "" {
		n, last, err := parsePlace(filter.After)
		if err != nil {
			return nil, "", fmt.Errorf("read decisions: %w", err)
		}
		at, id = n, last
	}
	of, args := ofTenants("release", filter.Tenants)
	query := `
		SELECT id, question, answer, asked_at, took_micros
		FROM decisions
		WHERE (asked_at > ? OR (asked_at = ? AND id > ?)) AND ` + of + `
		ORDER BY asked_at, id
		LIMIT ?`
	args = append(append([]any{at, at, id}, args...), most+1)
	var rows []struct {
		ID       string `db:"id"`
		Question string `db:"question"`
		Answer   string `db:"answer"`
		AskedAt  int64  `db:"asked_at"`
		Took     int64  `db:"took_micros"`
	}
	if err := s.list(ctx, &rows, query, args...); err != nil {
		return nil, "", fmt.Errorf("read decisions: %w", err)
	}
	next := ""
	if len(rows) > most {
		rows = rows[:most]
		next = fmt.Sprintf("%d.%s", rows[most-1].AskedAt, rows[most-1].ID)
	}
	out := make([]Decision, len(rows))
	for i, row := range rows {
		out[i] = Decision{
			At: moment(row.AskedAt), Took: time.Duration(row.Took) * time.Microsecond, Question: json.RawMessage(row.Question),
		}
		if err := decode(row.Answer, &out[i].Decision); err != nil {
			return nil, "", fmt.Errorf("read decision %s: %w", row.ID, err)
		}
	}
	return out, next, nil
}
