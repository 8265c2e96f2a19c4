package activitiestest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Registry knows what is beside a release. It is an [activities.Registry].
type Registry struct {
	turn chan struct{}

	mu      sync.Mutex
	ramping []release.RampingRelease
	freezes []release.Freeze
}

// Set replaces what is beside the releases.
func (r *Registry) Set(ramping []release.RampingRelease, freezes []release.Freeze) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ramping, r.freezes = ramping, freezes
}

// Ramping are the releases that were set, without one.
func (r *Registry) Ramping(_ context.Context, other release.ID) ([]release.RampingRelease, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := func(one release.RampingRelease) bool { return one.Release == other }
	return slices.DeleteFunc(slices.Clone(r.ramping), own), nil
}

// Freezes are those that were set and have not ended.
func (r *Registry) Freezes(_ context.Context, at time.Time) ([]release.Freeze, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ended := func(f release.Freeze) bool { return f.Ends != nil && !at.Before(*f.Ends) }
	return slices.DeleteFunc(slices.Clone(r.freezes), ended), nil
}

// Exclusively takes turns.
func (r *Registry) Exclusively(ctx context.Context, do func(context.Context) error) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
		return do(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}
