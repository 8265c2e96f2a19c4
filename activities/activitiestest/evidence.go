package activitiestest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// Observers are a unit's gateways, as a watcher sees them.
func (g *Gateways) Observers(unit string) []activities.Observer {
	var out []activities.Observer
	for _, one := range g.units[unit] {
		out = append(out, observer{g, one})
	}
	return out
}

func (g *Gateways) countAll() {
	g.every(func(_ *gateway, s *served) { g.count(s, time.Now()) })
}

// count adds the evidence since the last count. Requests at no weight are none.
func (g *Gateways) count(s *served, now time.Time) {
	until := now
	if s.leased() && !s.lapsed && !now.Before(s.ends) {
		until = s.ends
	}
	if w := s.weight(s.counted); w > release.NoWeight && until.After(s.counted) {
		n := g.rate * until.Sub(s.counted).Seconds()
		b := canary.Batch{Gateway: "fake", Run: s.run, WeightVersion: int(s.route.Version)}
		b.CanaryRequests = take(&s.owedCanary, n*w.Fraction())
		b.StableRequests = take(&s.owedStable, n*(1-w.Fraction()))
		c := &b.Streams[canary.StreamError]
		c.CanaryBad = min(b.CanaryRequests, take(&s.owedCanaryBad, float64(b.CanaryRequests)*g.bad[revisionOf(s.route.Canary)]))
		c.StableBad = min(b.StableRequests, take(&s.owedStableBad, float64(b.StableRequests)*g.bad[revisionOf(s.route.Stable)]))
		c.CanaryGood, c.StableGood = b.CanaryRequests-c.CanaryBad, b.StableRequests-c.StableBad
		if !b.Empty() {
			s.keep(b, now)
		}
	}
	s.counted = now
	if s.leased() && !now.Before(s.ends) {
		s.lapsed = true
	}
	if now.Sub(s.alive) >= aliveEvery {
		s.keep(canary.Batch{Gateway: "fake", Run: s.run, WeightVersion: int(s.route.Version)}, now)
	}
}

func (s *served) keep(b canary.Batch, now time.Time) {
	b.Seq = uint64(len(s.kept)) + 1
	s.kept, s.alive = append(s.kept, b), now
}

// take takes the whole part and owes the rest.
func take(owed *float64, more float64) int64 {
	*owed += more
	n := int64(*owed)
	*owed -= float64(n)
	return n
}

// observer is a gateway as a watcher sees it.
type observer struct {
	all *Gateways
	one *gateway
}

// Name is the unit and the gateway.
func (o observer) Name() string { return o.one.name }

// Observe answers every [answerEvery].
func (o observer) Observe(ctx context.Context, id string, after map[string]activities.Cursor, wait time.Duration) ([]activities.Observation, error) {
	timer := time.NewTimer(min(wait, answerEvery))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	o.all.mu.Lock()
	defer o.all.mu.Unlock()
	if o.all.away[o.one.name] || o.all.mute[o.one.name] {
		return nil, errAway
	}
	var out []activities.Observation
	now := time.Now()
	for _, key := range slices.Sorted(maps.Keys(o.one.routes)) {
		s := o.one.routes[key]
		if s.route.Release != id {
			continue
		}
		o.all.count(s, now)
		from := after[key].Seq
		if after[key].Run != s.run {
			from = 0
		}
		from = min(from, uint64(len(s.kept)))
		lost := from < s.lost
		from = max(from, s.lost)
		out = append(out, activities.Observation{
			Key: key, Version: s.route.Version, Weight: s.weight(now), Lapsed: s.lapsed, Tripped: s.tripped, Lost: lost,
			Batches: slices.Clone(s.kept[from:]), Next: activities.Cursor{Run: s.run, Seq: uint64(len(s.kept))},
		})
	}
	return out, nil
}

// Renew renews leases that have not run out.
func (o observer) Renew(_ context.Context, keys []string, version int64, ttl time.Duration) error {
	o.all.mu.Lock()
	defer o.all.mu.Unlock()
	if o.all.away[o.one.name] {
		return errAway
	}
	for _, key := range keys {
		s := o.one.routes[key]
		if s == nil || s.route.Version != version || s.weight(time.Now()) == release.NoWeight {
			return fmt.Errorf("renew route %s: %w", key, release.ErrConflict)
		}
	}
	for _, key := range keys {
		o.one.routes[key].ends = time.Now().Add(ttl)
	}
	o.all.world.happened("renew %s", o.one.name)
	return nil
}
