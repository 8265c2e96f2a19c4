package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/skyisland/skyisland/internal/store"
)

const (
	// pruneEvery is how often old events are looked for.
	pruneEvery = time.Hour
	// pruneMost is how many of them one transaction forgets: other changes wait for it.
	pruneMost = 200
)

// retention forgets what came from outside once it is old enough.
type retention struct {
	store *store.Store
	log   *slog.Logger
	// events and bodies are how long they are kept after their outcome.
	events, bodies time.Duration
	now            func() time.Time
	// ticks is when it is time to look.
	ticks func() (ticks <-chan time.Time, stop func())
}

func (a *App) retention() retention {
	r := retention{store: a.store, log: a.log, now: time.Now, ticks: func() (<-chan time.Time, func()) {
		tick := time.NewTicker(pruneEvery)
		return tick.C, tick.Stop
	}}
	r.events, r.bodies = a.config.Retention.Kept()
	return r
}

// run forgets what is old, at once and then each time, until ctx ends.
func (r retention) run(ctx context.Context) {
	ticks, stop := r.ticks()
	defer stop()
	for {
		events, bodies, err := r.prune(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.ErrorContext(ctx, "old events stay", "retry_in", pruneEvery, "error", err)
		}
		if events+bodies > 0 {
			r.log.InfoContext(ctx, "old events forgotten", "events", events, "bodies", bodies)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
	}
}

// prune forgets all that is old now, a part in each transaction, and says how much that was.
func (r retention) prune(ctx context.Context) (events, bodies int, err error) {
	now := r.now().UTC()
	// Rows first: what goes as a whole need not lose its body before.
	events, err = all(func() (int, error) { return r.store.PruneEvents(ctx, now.Add(-r.events), pruneMost) })
	if err != nil {
		return events, 0, err
	}
	bodies, err = all(func() (int, error) { return r.store.PruneBodies(ctx, now.Add(-r.bodies), now, pruneMost) })
	return events, bodies, err
}

// all repeats a part of the work until there is none left.
func all(part func() (int, error)) (sum int, err error) {
	for {
		n, err := part()
		sum += n
		if err != nil || n == 0 {
			return sum, err
		}
	}
}
