package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/release"
)

// retryAfter is the pause before a gateway that failed is asked for evidence again.
const retryAfter = 200 * time.Millisecond

// Unit is an independent deployment and all its gateways.
type Unit struct {
	Name     string
	Gateways []*Client
}

// Fleet is every gateway of an installation. Its gateways are called side by side, so that a slow one
// delays nobody but who waits for it.
type Fleet struct{ units []Unit }

// NewFleet returns a fleet; the order of the units is kept. It fails when a unit is named twice or has
// no gateway, or two gateways of a unit share a name.
func NewFleet(units ...Unit) (*Fleet, error) {
	seen := map[string]bool{}
	for _, u := range units {
		if seen[u.Name] || len(u.Gateways) == 0 {
			return nil, fmt.Errorf("unit %q: want each unit once, with at least one gateway", u.Name)
		}
		seen[u.Name] = true
		names := map[string]bool{}
		for _, c := range u.Gateways {
			if names[c.name] {
				return nil, fmt.Errorf("unit %q: two gateways are named %q", u.Name, c.name)
			}
			names[c.name] = true
		}
	}
	return &Fleet{units: slices.Clone(units)}, nil
}

// Units returns the units' names in their order.
func (f *Fleet) Units() []string {
	names := make([]string, len(f.units))
	for i, u := range f.units {
		names[i] = u.Name
	}
	return names
}

// Gateways returns the clients of a unit, or [release.ErrNotFound].
func (f *Fleet) Gateways(unit string) ([]*Client, error) {
	for _, u := range f.units {
		if u.Name == unit {
			return slices.Clone(u.Gateways), nil
		}
	}
	return nil, fmt.Errorf("unit %q: %w; there are %q", unit, release.ErrNotFound, f.Units())
}

// Size is how many gateways a unit has; 0 for a unit that is none.
func (f *Fleet) Size(unit string) int {
	clients, err := f.Gateways(unit)
	if err != nil {
		return 0
	}
	return len(clients)
}

// Check returns nil when every gateway of the unit would take the routes.
func (f *Fleet) Check(ctx context.Context, unit string, routes []release.Route) error {
	_, err := each(ctx, f, unit, func(ctx context.Context, c *Client) (struct{}, error) {
		return struct{}{}, c.Check(ctx, routes)
	})
	return err
}

// Apply returns when every gateway of the unit serves the routes. The error joins those of the gateways
// that do not; the receipts are of those that do, in their order.
func (f *Fleet) Apply(ctx context.Context, unit string, routes []release.Route) ([]release.Receipt, error) {
	return each(ctx, f, unit, func(ctx context.Context, c *Client) (release.Receipt, error) {
		return c.Apply(ctx, routes)
	})
}

// Remove takes a route out of every gateway of the unit. One that has no such route is no error.
func (f *Fleet) Remove(ctx context.Context, unit, key string, version int64) error {
	_, err := each(ctx, f, unit, func(ctx context.Context, c *Client) (struct{}, error) {
		err := c.Remove(ctx, key, version)
		if errors.Is(err, release.ErrNotFound) {
			err = nil
		}
		return struct{}{}, err
	})
	return err
}

// Renew renews the routes' leases on every gateway of the unit.
func (f *Fleet) Renew(ctx context.Context, unit string, keys []string, version int64, ttl time.Duration) error {
	_, err := each(ctx, f, unit, func(ctx context.Context, c *Client) (struct{}, error) {
		return struct{}{}, c.Renew(ctx, keys, version, ttl)
	})
	return err
}

// Drain returns when no gateway of the unit has a request with the lane's revision, or ctx ends. It
// fails as [release.ErrConflict] while a route leads there.
func (f *Fleet) Drain(ctx context.Context, unit string, lane release.Lane, revision string) error {
	_, err := each(ctx, f, unit, func(ctx context.Context, c *Client) (struct{}, error) {
		return struct{}{}, c.Drain(ctx, lane, revision)
	})
	return err
}

// State returns the routes in force on every gateway of the unit that answers.
func (f *Fleet) State(ctx context.Context, unit string) ([]gateway.State, error) {
	return each(ctx, f, unit, func(ctx context.Context, c *Client) (gateway.State, error) { return c.State(ctx) })
}

// Stats returns the counters of every gateway of the unit that answers.
func (f *Fleet) Stats(ctx context.Context, unit string) ([]gateway.Stats, error) {
	return each(ctx, f, unit, func(ctx context.Context, c *Client) (gateway.Stats, error) { return c.Stats(ctx) })
}

// each calls every gateway of a unit at the same time and waits for all.
func each[T any](ctx context.Context, f *Fleet, unit string, call func(context.Context, *Client) (T, error)) ([]T, error) {
	clients, err := f.Gateways(unit)
	if err != nil {
		return nil, err
	}
	values, errs := make([]T, len(clients)), make([]error, len(clients))
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() { values[i], errs[i] = call(ctx, c) })
	}
	wg.Wait()
	var good []T
	for i, err := range errs {
		if err == nil {
			good = append(good, values[i])
		}
	}
	return good, errors.Join(errs...)
}

// Cursors are how far a reader has come, by gateway and route key.
type Cursors map[string]map[string]gateway.Cursor

// GatewayEvidence is one gateway's answer, or why there was none.
type GatewayEvidence struct {
	Unit string
	// Gateway is the client's name, the key into [Cursors].
	Gateway  string
	Evidence gateway.Evidence
	Err      error
}

// Evidence asks every gateway of the unit once, and delivers each answer as it comes. The channel holds
// all of them, so the caller may stop reading; it is closed after the last.
func (f *Fleet) Evidence(ctx context.Context, unit, release string, after Cursors, wait time.Duration) (<-chan GatewayEvidence, error) {
	clients, err := f.Gateways(unit)
	if err != nil {
		return nil, err
	}
	answers := make(chan GatewayEvidence, len(clients))
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			e, err := c.Evidence(ctx, release, after[c.name], wait)
			answers <- GatewayEvidence{unit, c.name, e, err}
		})
	}
	go func() {
		wg.Wait()
		close(answers)
	}()
	return answers, nil
}

// Follow reads evidence of a release from every gateway of the unit until ctx ends, each at its own
// pace, and hands every answer to take, one at a time. What take was given counts as read: the next
// question to that gateway starts after it. A gateway that fails is reported and asked again.
func (f *Fleet) Follow(ctx context.Context, unit, release string, after Cursors, wait time.Duration, take func(GatewayEvidence)) error {
	clients, err := f.Gateways(unit)
	if err != nil {
		return err
	}
	var one sync.Mutex
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			cursors := map[string]gateway.Cursor{}
			for key, cursor := range after[c.name] {
				cursors[key] = cursor
			}
			for ctx.Err() == nil {
				e, err := c.Evidence(ctx, release, cursors, wait)
				if ctx.Err() != nil {
					return
				}
				for _, r := range e.Routes {
					cursors[r.Key] = r.Next
				}
				one.Lock()
				take(GatewayEvidence{unit, c.name, e, err})
				one.Unlock()
				if err != nil || len(e.Routes) == 0 {
					pause(ctx, retryAfter)
				}
			}
		})
	}
	wg.Wait()
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
