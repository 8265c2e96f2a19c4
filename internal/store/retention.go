package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// PruneBodies forgets bodies of events that have had their outcome since before a time: the oldest, at most so many, and
// says how many they were. What is known of the events stays, and so does their name.
func (s *Store) PruneBodies(ctx context.Context, before, now time.Time, most int) (int, error) {
	const prune = `
		UPDATE inbox SET body = ?, body_pruned_at = ?
		WHERE id IN (
			SELECT id FROM inbox
			WHERE outcome IS NOT NULL AND body_pruned_at IS NULL AND settled_at < ?
			ORDER BY settled_at
			LIMIT ?)`
	n, err := s.prune(ctx, prune, []byte{}, micros(now), micros(before), most)
	if err != nil {
		return 0, fmt.Errorf("prune bodies of events: %w", err)
	}
	return n, nil
}

// PruneEvents forgets events that have had their outcome since before a time: the oldest, at most so many, and says how
// many they were. One that has a replay stays until that is forgotten. After this the same delivery would be a new event,
// so the time has to lie before everything that a source may deliver again.
func (s *Store) PruneEvents(ctx context.Context, before time.Time, most int) (int, error) {
	const prune = `
		DELETE FROM inbox
		WHERE id IN (
			SELECT e.id FROM inbox e
			WHERE e.outcome IS NOT NULL AND e.settled_at < ?
				AND NOT EXISTS (SELECT 1 FROM inbox r WHERE r.replay_of = e.id)
			ORDER BY e.settled_at
			LIMIT ?)`
	n, err := s.prune(ctx, prune, micros(before), most)
	if err != nil {
		return 0, fmt.Errorf("prune events: %w", err)
	}
	return n, nil
}

func (s *Store) prune(ctx context.Context, query string, args ...any) (n int, err error) {
	err = s.change(ctx, func(tx *sqlx.Tx) error {
		changed, err := exec(ctx, tx, query, args...)
		n = int(changed)
		return err
	})
	return n, err
}
