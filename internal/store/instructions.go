package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// Instruction is what a person told a release, and what became of it.
type Instruction struct {
	release.Instruction
	// Kind is what they told it, such as approve or abort.
	Kind string
	// Refused is why it was not followed; empty when it was.
	Refused string
}

// SaveInstruction stores what a person told a release, and what became of it: refused is why it was
// not followed, and empty when it was. The same word at the same moment with the same end is stored
// once.
func (s *Store) SaveInstruction(ctx context.Context, id release.ID, kind string, instruction release.Instruction, refused string) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		told, err := encode(instruction)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%q\n%s\n%q\n", id, kind, told, refused))
		const insert = `
			INSERT INTO instructions (id, release, kind, instruction, refused, at)
			VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`
		_, err = exec(ctx, tx, insert, hex.EncodeToString(sum[:16]), clean(id.String()), clean(kind), told,
			clean(refused), micros(instruction.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("save %s of release %s: %w", kind, id, err)
	}
	return nil
}

// Instructions are what people told a release, oldest first.
func (s *Store) Instructions(ctx context.Context, id release.ID) ([]Instruction, error) {
	const query = `
		SELECT kind, instruction, refused
		FROM instructions
		WHERE release = ?
		ORDER BY at, id`
	var rows []struct {
		Kind        string `db:"kind"`
		Instruction string `db:"instruction"`
		Refused     string `db:"refused"`
	}
	if err := s.list(ctx, &rows, query, clean(id.String())); err != nil {
		return nil, fmt.Errorf("read instructions of release %s: %w", id, err)
	}
	out := make([]Instruction, len(rows))
	for i, row := range rows {
		out[i] = Instruction{Kind: row.Kind, Refused: row.Refused}
		if err := decode(row.Instruction, &out[i].Instruction); err != nil {
			return nil, fmt.Errorf("read instructions of release %s: %w", id, err)
		}
	}
	return out, nil
}
