package activitiestest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// answerEvery is how often a gateway tells what it saw, and aliveEvery how often it says that it is
// there when it saw nothing.
const (
	answerEvery = 100 * time.Millisecond
	aliveEvery  = time.Second
)

// Gateways are all the gateways, with traffic. They are an [activities.Router] and an [activities.Drainer].
type Gateways struct {
	world *World

	mu    sync.Mutex
	units map[string][]*gateway
	// rate is the requests per second on each route of each gateway, bad the share of a revision's
	// requests that fail.
	rate float64
	bad  map[string]float64
	away map[string]bool
	mute map[string]bool
}

// gateway is one of them. The mutex of all guards it.
type gateway struct {
	name   string
	unit   string
	routes map[string]*served
}

// served is a route in force, and its evidence.
type served struct {
	route   release.Route
	ends    time.Time
	lapsed  bool
	tripped *release.Evidence
	counted time.Time
	alive   time.Time
	// owed are the parts of a request and of a failure that are left over.
	owedCanary, owedStable, owedCanaryBad, owedStableBad float64
	run                                                  uint64
	kept                                                 []canary.Batch
	lost                                                 uint64 // the last of kept that is gone
}

func newGateways(w *World, each int, units []string) *Gateways {
	g := &Gateways{world: w, units: map[string][]*gateway{}, rate: 2000, bad: map[string]float64{}, away: map[string]bool{}, mute: map[string]bool{}}
	for _, unit := range units {
		for i := range each {
			g.units[unit] = append(g.units[unit], &gateway{name: fmt.Sprintf("%s/gateway-%d", unit, i+1), unit: unit, routes: map[string]*served{}})
		}
	}
	return g
}

// Traffic sets the requests per second on each route of each gateway.
func (g *Gateways) Traffic(rate float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.countAll()
	g.rate = rate
}

// Fail lets a share of the requests to a revision fail.
func (g *Gateways) Fail(revision string, share float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.countAll()
	g.bad[revision] = share
}

// Trip lets the guards of a gateway, by its name, find the canaries of all routes bad.
func (g *Gateways) Trip(name, sentence string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.countAll()
	g.every(func(one *gateway, s *served) {
		if one.name == name && s.leased() {
			s.lapsed, s.tripped = true, &release.Evidence{Verdict: release.VerdictFail, Sentence: sentence, CanaryBad: 3}
		}
	})
}

// every does something with each route of each gateway. The caller holds mu.
func (g *Gateways) every(do func(*gateway, *served)) {
	for _, all := range g.units {
		for _, one := range all {
			for _, s := range one.routes {
				do(one, s)
			}
		}
	}
}

// Away lets a gateway, by its name, answer nothing at all.
func (g *Gateways) Away(name string, away bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.away[name] = away
}

// Mute lets a gateway, by its name, give no evidence, while it takes all it is told.
func (g *Gateways) Mute(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mute[name] = true
}

// Forget lets every gateway of a unit lose its routes, as one that is made anew does.
func (g *Gateways) Forget(unit string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.units[unit] {
		one.routes = map[string]*served{}
	}
}

// Seize gives a path of a unit to another route.
func (g *Gateways) Seize(unit, key, path string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.units[unit] {
		one.routes[key] = &served{route: release.Route{Key: key, Version: 1, Ingress: release.Ingress{Path: path}}}
	}
}

// Weights are the weights in force, by unit and route. Gateways of a unit that differ are a violation.
func (g *Gateways) Weights() map[string]map[string]release.Weight {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[string]map[string]release.Weight{}
	for unit, all := range g.units {
		out[unit] = map[string]release.Weight{}
		for _, one := range all {
			for key, s := range one.routes {
				w := s.weight(time.Now())
				if before, known := out[unit][key]; known && before != w {
					g.world.violate("the gateways of unit %s serve route %s with %s and with %s", unit, key, before, w)
				}
				out[unit][key] = w
			}
		}
	}
	return out
}

// Stable is the stable revision of each route of a unit, "" for a route to nothing.
func (g *Gateways) Stable(unit string) map[string]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[string]string{}
	for key, s := range g.units[unit][0].routes {
		out[key] = revisionOf(s.route.Stable)
	}
	return out
}

// Route is a route as a unit's first gateway has it.
func (g *Gateways) Route(unit, key string) release.Route {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.units[unit][0].routes[key]; s != nil {
		return s.route
	}
	return release.Route{}
}

// Garble makes the gateways send evidence that no test can take.
func (g *Gateways) Garble() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.every(func(_ *gateway, s *served) {
		s.keep(canary.Batch{Gateway: "fake", Run: s.run, WeightVersion: -1, CanaryRequests: 1}, time.Now())
	})
}

// Lose makes the gateways lose a batch that nobody has read.
func (g *Gateways) Lose() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.countAll()
	g.every(func(_ *gateway, s *served) {
		s.keep(canary.Batch{Gateway: "fake", Run: s.run, WeightVersion: int(s.route.Version)}, time.Now())
		s.lost = uint64(len(s.kept))
	})
}

// Expire lets the leases of all gateways of a unit run out now.
func (g *Gateways) Expire(unit string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.units[unit] {
		for _, s := range one.routes {
			if s.leased() {
				s.ends = time.Now()
			}
		}
	}
	g.countAll()
}

func revisionOf(t *release.Target) string {
	if t == nil {
		return ""
	}
	return t.Revision
}

func (s *served) leased() bool {
	return s.route.Weight > release.NoWeight && s.route.Weight < release.FullWeight
}

func (s *served) weight(now time.Time) release.Weight {
	if s.leased() && (s.lapsed || !now.Before(s.ends)) {
		return release.NoWeight
	}
	return s.route.Weight
}

// leadsTo is the route that leads to a revision in a unit; empty when none does.
func (g *Gateways) leadsTo(unit, revision string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.units[unit] {
		for key, s := range one.routes {
			if revisionOf(s.route.Stable) == revision || (revisionOf(s.route.Canary) == revision && s.weight(time.Now()) > release.NoWeight) {
				return key
			}
		}
	}
	return ""
}

// Size is how many gateways a unit has.
func (g *Gateways) Size(unit string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.units[unit])
}

// Check finds a path that another lane has.
func (g *Gateways) Check(_ context.Context, unit string, routes []release.Route) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range routes {
		for key, s := range g.units[unit][0].routes {
			if key != r.Key && s.route.Ingress.Path == r.Ingress.Path && s.route.Ingress.Host == r.Ingress.Host {
				return fmt.Errorf("path %s belongs to route %s: %w", r.Ingress.Path, key, release.ErrConflict)
			}
		}
	}
	return nil
}

// Apply serves the routes in all gateways of a unit.
func (g *Gateways) Apply(ctx context.Context, unit string, routes []release.Route) ([]release.Receipt, error) {
	g.mu.Lock()
	var lines []string
	var receipts []release.Receipt
	for i, one := range g.units[unit] {
		if g.away[one.name] {
			g.mu.Unlock()
			return nil, fmt.Errorf("gateway %s: %w", one.name, errAway)
		}
		changed, err := g.apply(one, routes)
		if err != nil {
			g.mu.Unlock()
			return nil, err
		}
		if i == 0 {
			lines = changed
		}
		receipts = append(receipts, release.Receipt{Gateway: one.name})
	}
	g.mu.Unlock()
	for _, line := range lines {
		g.world.happened("%s", line)
	}
	return receipts, ctx.Err()
}

func (g *Gateways) apply(one *gateway, routes []release.Route) ([]string, error) {
	for _, r := range routes {
		if err := r.Check(); err != nil {
			g.world.violate("a route that cannot be served: %s", err)
			return nil, fmt.Errorf("%w: %w", err, release.ErrConflict)
		}
		if old := one.routes[r.Key]; old != nil && (r.Version < old.route.Version || r.Version == old.route.Version && !same(r, old.route)) {
			return nil, fmt.Errorf("route %s is at version %d, not %d: %w", r.Key, old.route.Version, r.Version, release.ErrConflict)
		}
	}
	var lines []string
	now := time.Now()
	for _, r := range routes {
		old := one.routes[r.Key]
		if old != nil && old.route.Version == r.Version {
			continue
		}
		g.judge(one, old, r)
		s := &served{route: r, counted: now, alive: now, ends: now.Add(r.Lease.Std()), run: uint64(now.UnixMicro())}
		if old != nil {
			g.count(old, now)
			if old.route.Release == r.Release {
				s.run, s.kept, s.alive = old.run, old.kept, old.alive
			}
		}
		one.routes[r.Key] = s
		lines = append(lines, fmt.Sprintf("weight %s in %s: %s", component(r.Key), one.unit, r.Weight))
	}
	return lines, nil
}

func component(key string) string {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] == '/' {
			return key[i+1:]
		}
	}
	return key
}

func same(a, b release.Route) bool {
	one, _ := json.Marshal(a)
	other, _ := json.Marshal(b)
	return bytes.Equal(one, other)
}

// judge notes what a change must not do.
func (g *Gateways) judge(one *gateway, old *served, r release.Route) {
	before := release.NoWeight
	if old != nil {
		before = old.weight(time.Now())
	}
	for _, t := range []*release.Target{r.Stable, r.Canary} {
		if t != nil && !g.world.Runtime.runs(one.unit, t.Revision) {
			g.world.violate("route %s leads to %s, which does not run in unit %s", r.Key, t.Revision, one.unit)
		}
	}
	// A component without a predecessor is whole at any weight of the others.
	if r.Weight > before && r.Stable != nil && !g.world.Ledger.allows(r.Release, one.unit, r.Weight) {
		g.world.violate("the weight of %s in unit %s rises to %s without a recorded yes", r.Key, one.unit, r.Weight)
	}
}

// Drain refuses while a route leads to the revision.
func (g *Gateways) Drain(_ context.Context, unit string, _ release.Lane, revision string) error {
	if key := g.leadsTo(unit, revision); key != "" {
		return fmt.Errorf("route %s leads to it: %w", key, release.ErrConflict)
	}
	return nil
}
