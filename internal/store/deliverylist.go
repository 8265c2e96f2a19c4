package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// DeliveryFilter chooses messages for people who look.
type DeliveryFilter struct {
	// Dead is only those that were given up.
	Dead bool
	// After is the cursor that came with the page before this one; Limit is how many to give.
	After string
	Limit int
	// Tenants are whose may be seen, which leaves out what is about no tenant; nil is everybody's.
	Tenants []string
}

// Deliveries are the messages that match, the newest first, with the cursor of the next page; it is "" when there is
// none. A cursor that was not given is [ErrCursor].
func (s *Store) Deliveries(ctx context.Context, filter DeliveryFilter) ([]Delivery, string, error) {
	where, args := ofTenants("d.release", filter.Tenants)
	if filter.Dead {
		where += ` AND d.state = 'dead'`
	}
	if filter.After != "" {
		seq, id, err := parsePlace(filter.After)
		if err != nil {
			return nil, "", fmt.Errorf("read deliveries: %w", err)
		}
		where, args = where+` AND (d.seq < ? OR (d.seq = ? AND d.id > ?))`, append(args, seq, seq, id)
	}
	query := `
		SELECT d.seq, ` + deliveryColumns + `
		FROM deliveries d
		WHERE ` + where + `
		ORDER BY d.seq DESC, d.id
		LIMIT ?`
	type listed struct {
		deliveryRow

		Seq int64 `db:"seq"`
	}
	var rows []listed
	if err := s.list(ctx, &rows, query, append(args, filter.Limit+1)...); err != nil {
		return nil, "", fmt.Errorf("read deliveries: %w", err)
	}
	rows, next := pageOf(rows, filter.Limit, func(row listed) (int64, string) { return row.Seq, row.ID })
	out := make([]Delivery, len(rows))
	for i, row := range rows {
		out[i] = row.delivery()
	}
	return out, next, nil
}

// RetryDelivery lets a dead message of some tenants, nil for all, be sent again. Any other is [release.ErrNotFound].
func (s *Store) RetryDelivery(ctx context.Context, id string, tenants []string, at time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		of, args := ofTenants("release", tenants)
		again := `
			UPDATE deliveries SET state = 'waiting', attempts = 0, created_at = ?, due_at = ?, ended_at = NULL
			WHERE id = ? AND state = 'dead' AND ` + of
		n, err := exec(ctx, tx, again, append([]any{micros(at), micros(at), clean(id)}, args...)...)
		if err == nil && n == 0 {
			err = release.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("retry delivery %s: %w", id, err)
	}
	return nil
}
