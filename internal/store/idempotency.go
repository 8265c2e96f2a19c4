package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// KeyClaim names an idempotency key, with the token that it is of, and the request that came with it; both are hashes.
type KeyClaim struct{ ID, Request string }

// KeptKey is what became of the request that took a key first.
type KeptKey struct {
	Request string
	// Answer is nil while it is under way.
	Answer *KeptAnswer
}

// KeptAnswer is an answer as it was sent.
type KeptAnswer struct {
	Status int
	Media  string
	Body   []byte
}

// BeginKey takes a key for a request until claimed, unless somebody has it: then it returns what became of that one, and
// true. The same request takes a key over whose claim has run out at now without an answer: whoever had it is gone. Keys
// that have expired at now are forgotten; this one expires at expires.
func (s *Store) BeginKey(ctx context.Context, key KeyClaim, now, claimed, expires time.Time) (kept KeptKey, taken bool, err error) {
	err = s.change(ctx, func(tx *sqlx.Tx) error {
		if _, err := exec(ctx, tx, `DELETE FROM idempotency_keys WHERE expires_at <= ?`, micros(now)); err != nil {
			return err
		}
		const take = `
			INSERT INTO idempotency_keys (id, request, claimed_until, expires_at, media, body)
			VALUES (?, ?, ?, ?, '', ?)
			ON CONFLICT (id) DO UPDATE SET claimed_until = excluded.claimed_until
			WHERE idempotency_keys.status IS NULL AND idempotency_keys.request = excluded.request AND idempotency_keys.claimed_until <= ?`
		n, err := exec(ctx, tx, take, key.ID, key.Request, micros(claimed), micros(expires), []byte{}, micros(now))
		if err != nil || n > 0 {
			return err
		}
		taken = true
		const find = `SELECT request, status, media, body FROM idempotency_keys WHERE id = ?`
		var row struct {
			Request string        `db:"request"`
			Status  sql.NullInt64 `db:"status"`
			Media   string        `db:"media"`
			Body    []byte        `db:"body"`
		}
		if err := tx.GetContext(ctx, &row, tx.Rebind(find), key.ID); err != nil {
			return err
		}
		kept = KeptKey{Request: row.Request}
		if row.Status.Valid {
			kept.Answer = &KeptAnswer{Status: int(row.Status.Int64), Media: row.Media, Body: row.Body}
		}
		return nil
	})
	if err != nil {
		return KeptKey{}, false, fmt.Errorf("take an idempotency key: %w", err)
	}
	return kept, taken, nil
}

// FinishKey keeps the answer to the request that took a key. The first answer stays.
func (s *Store) FinishKey(ctx context.Context, key KeyClaim, answer KeptAnswer) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		const finish = `
			UPDATE idempotency_keys SET status = ?, media = ?, body = ?
			WHERE id = ? AND request = ? AND status IS NULL`
		_, err := exec(ctx, tx, finish, answer.Status, clean(answer.Media), append([]byte{}, answer.Body...), key.ID, key.Request)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep the answer to an idempotency key: %w", err)
	}
	return nil
}

// DropKey gives a key back whose request has come to nothing. One that has its answer stays.
func (s *Store) DropKey(ctx context.Context, key KeyClaim) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		_, err := exec(ctx, tx, `DELETE FROM idempotency_keys WHERE id = ? AND request = ? AND status IS NULL`, key.ID, key.Request)
		return err
	})
	if err != nil {
		return fmt.Errorf("give an idempotency key back: %w", err)
	}
	return nil
}
