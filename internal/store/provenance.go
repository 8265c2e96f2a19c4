package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// Statement is a signed statement of where an artifact comes from. The store does not look into it.
type Statement struct {
	Artifact release.Digest
	// Release and Component are what it was built for.
	Release   release.ID
	Component string
	// Envelope is kept to the byte.
	Envelope json.RawMessage
	// Made is when the build ended.
	Made time.Time
}

// SaveStatement stores a statement once, however often it is called. The same artifact may have several.
func (s *Store) SaveStatement(ctx context.Context, statement Statement) error {
	envelope := string(statement.Envelope)
	sum := sha256.Sum256(statement.Envelope)
	err := statement.Artifact.Check()
	if err == nil && (!utf8.ValidString(envelope) || !json.Valid(statement.Envelope)) {
		err = errors.New("its envelope is no JSON")
	}
	if err == nil {
		err = s.change(ctx, func(tx *sqlx.Tx) error {
			const insert = `
				INSERT INTO statements (artifact, hash, release, component, envelope, made_at)
				VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (artifact, hash) DO NOTHING`
			_, err := exec(ctx, tx, insert, string(statement.Artifact), hex.EncodeToString(sum[:]), clean(statement.Release.String()),
				clean(statement.Component), envelope, micros(statement.Made))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("store the statement about %s of release %s: %w", statement.Artifact, statement.Release, err)
	}
	return nil
}

// Statements are those about an artifact that were made for releases of some tenants, nil for all: the newest first, at
// most so many. One of which nothing is stated has none.
func (s *Store) Statements(ctx context.Context, artifact release.Digest, tenants []string, most int) ([]Statement, error) {
	of, args := ofTenants("release", tenants)
	query := `
		SELECT artifact, release, component, envelope, made_at
		FROM statements
		WHERE artifact = ? AND ` + of + `
		ORDER BY made_at DESC, hash
		LIMIT ?`
	args = append(append([]any{string(artifact)}, args...), most)
	out, err := s.statements(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the statements about %s: %w", artifact, err)
	}
	return out, nil
}

// StatementsOf are those that were made for a release, the newest first, at most so many. A build that was tried again may
// have several, of several artifacts.
func (s *Store) StatementsOf(ctx context.Context, id release.ID, most int) ([]Statement, error) {
	const query = `
		SELECT artifact, release, component, envelope, made_at
		FROM statements
		WHERE release = ?
		ORDER BY made_at DESC, component, hash
		LIMIT ?`
	out, err := s.statements(ctx, query, id.String(), most)
	if err != nil {
		return nil, fmt.Errorf("read the statements of release %s: %w", id, err)
	}
	return out, nil
}

func (s *Store) statements(ctx context.Context, query string, args ...any) ([]Statement, error) {
	var rows []struct {
		Artifact  string `db:"artifact"`
		Release   string `db:"release"`
		Component string `db:"component"`
		Envelope  string `db:"envelope"`
		MadeAt    int64  `db:"made_at"`
	}
	if err := s.list(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	out := make([]Statement, len(rows))
	for i, row := range rows {
		id, err := release.ParseID(row.Release)
		if err != nil {
			return nil, err
		}
		out[i] = Statement{
			Artifact: release.Digest(row.Artifact), Release: id, Component: row.Component,
			Envelope: json.RawMessage(row.Envelope), Made: moment(row.MadeAt),
		}
	}
	return out, nil
}
