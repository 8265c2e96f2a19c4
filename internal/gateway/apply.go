package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

func byKey(a, b *route) int { return cmp.Compare(a.doc.Key, b.doc.Key) }

// Apply makes the gateway serve these routes, all of them or none, in one swap. Each replaces the route
// of its key whole; routes of other keys stay. A route that is already in force at its version is no
// change, and does not renew its lease.
//
// It fails as [release.ErrConflict] for an older version, for other content at the same version, and
// for a path that belongs to another route; as [release.ErrLapsed] for a repetition of a version whose
// lease has run out, and for more weight of its release, unless the route is Fresh; as [ErrInvalid] for
// a route that cannot be served; and as [ErrNotSaved] when the state cannot be written. A change that does nothing but take weight from a
// canary never fails for the disk: it is in force first and written afterwards.
func (g *Gateway) Apply(routes []release.Route) (release.Receipt, error) {
	docs, err := g.newDocuments(routes)
	if err != nil {
		return release.Receipt{}, err
	}
	swapped, planned, err := g.change(docs, false)
	if err != nil {
		return release.Receipt{}, err
	}
	if !swapped {
		// Traffic is to move to something new, so this must outlive a restart before it is in force.
		if err := g.save(docs); err != nil {
			return release.Receipt{}, fmt.Errorf("apply %d routes: %w", len(docs), err)
		}
		before := planned
		if _, planned, err = g.change(docs, true); err != nil {
			g.markUnsaved() // the disk is ahead of what is in force
			return release.Receipt{}, err
		}
		if before != planned || g.slowErrors(docs) {
			g.saveOrLater()
		}
	} else if planned != nil {
		g.saveOrLater()
	}
	return g.receipt(docs), nil
}

// slowErrors says whether a release that just began judges errors at an age, which its record on disk
// does not know yet.
func (g *Gateway) slowErrors(docs []*document) bool {
	t := g.table.Load()
	return slices.ContainsFunc(docs, func(d *document) bool {
		r := t.routes[d.Key]
		return r != nil && r.evidence != nil && r.evidence.errorAge > 0
	})
}

// Check says whether [Gateway.Apply] would take these routes, the disk aside. It changes nothing.
func (g *Gateway) Check(routes []release.Route) error {
	docs, err := g.newDocuments(routes)
	if err != nil {
		return err
	}
	_, err = g.table.Load().plan(docs, g.uptime())
	return err
}

func (g *Gateway) newDocuments(routes []release.Route) ([]*document, error) {
	if len(routes) > maxRoutes {
		return nil, fmt.Errorf("%w: %d routes at once, at most %d", ErrInvalid, len(routes), maxRoutes)
	}
	docs := make([]*document, 0, len(routes))
	seen := make(map[string]bool, len(routes))
	var problems []error
	for _, r := range routes {
		d, err := newDocument(r)
		switch {
		case err != nil:
			problems = append(problems, err)
		case seen[r.Key]:
			problems = append(problems, fmt.Errorf("%w: route %s is there twice", ErrInvalid, r.Key))
		default:
			seen[r.Key] = true
			docs = append(docs, d)
		}
	}
	return docs, errors.Join(append(problems, g.checkAuthentication(docs))...)
}

// change swaps the documents in, unless they need the disk first and it has not been written. It
// returns whether nothing is left to do, and the table it planned on; nil when nothing changed.
func (g *Gateway) change(docs []*document, written bool) (done bool, on *table, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.table.Load()
	changed, err := t.plan(docs, g.uptime())
	if err != nil {
		return false, t, err
	}
	if len(changed) == 0 {
		return true, nil, nil
	}
	if !written && g.disk != nil && !g.onlyLowers(t, changed) {
		return false, t, nil
	}
	routes, bells := maps.Clone(t.routes), maps.Clone(t.bells)
	for _, d := range changed {
		old := t.routes[d.Key]
		routes[d.Key] = g.build(d, old, g.newLease(d), bells)
		g.opts.Log.Info("route applied", "route", d.Key, "version", d.Version, "release", d.Release,
			"stable", revisionOf(d.Stable), "canary", revisionOf(d.Canary), "weight", d.Weight.String())
	}
	g.swap(newTable(routes, t))
	return true, t, nil
}

// onlyLowers says whether the changes do nothing but take weight from canaries.
func (g *Gateway) onlyLowers(t *table, changed []*document) bool {
	uptime := g.uptime()
	for _, d := range changed {
		old, found := t.routes[d.Key]
		if !found {
			return false
		}
		w, _ := old.weight(uptime)
		if d.Weight > w || revisionOf(d.Stable) != revisionOf(old.doc.Stable) {
			return false
		}
		if d.Canary != nil && revisionOf(d.Canary) != revisionOf(old.doc.Canary) {
			return false
		}
	}
	return true
}

func revisionOf(target *release.Target) string {
	if target == nil {
		return ""
	}
	return target.Revision
}

func needsLease(w release.Weight) bool { return w > release.NoWeight && w < release.FullWeight }

func (g *Gateway) newLease(d *document) *lease {
	if !needsLease(d.Weight) {
		return nil
	}
	now := g.opts.Now()
	return newLease(now, now.Sub(g.started), d.Lease.Std())
}

// build makes a route of a document. What belongs to the key goes on from the old route. The bells are
// those of the releases so far; a new release adds its own. The caller holds mu.
func (g *Gateway) build(d *document, old *route, l *lease, bells map[string]*bell) *route {
	r := &route{doc: d, lease: l}
	if old != nil {
		r.live = old.live
	} else {
		r.live = newLive(d.Key)
	}
	r.stable, r.canary = g.newUpstream(d, d.Stable, r.live), g.newUpstream(d, d.Canary, r.live)
	if f := d.Ingress.Fallback; f != nil && f.Unit != "" && g.units[f.Unit] == nil {
		g.opts.Log.Warn("a route falls back to a unit whose entry this gateway does not know", "route", d.Key, "unit", f.Unit)
	}
	var err error
	if r.auth, err = g.authenticator(d); err != nil {
		g.opts.Log.Error("nobody can be let in on a route", "route", d.Key, "error", err)
	} else if r.auth != nil {
		for _, missing := range r.auth.Missing() {
			g.opts.Log.Warn("a route has no keys yet to know callers by", "route", d.Key, "missing", missing)
		}
	}
	r.timeout, r.maxBody, r.limiters = cmp.Or(d.Ingress.Timeout.Std(), g.opts.AnswerTimeout), cmp.Or(d.Ingress.MaxBody, g.opts.MaxBody), g.limitersOf(d, r.live)
	if d.Weight > release.NoWeight {
		r.draw = newDraw(d.Salt)
	}
	switch {
	case d.Release == "":
	case old != nil && old.evidence != nil && old.evidence.release == d.Release:
		r.evidence = old.evidence
	default:
		r.evidence = g.newLedger(d, r.live, bells)
	}
	if r.evidence != nil {
		r.tally = r.evidence.weigh(int(d.Version), d.Weight, g.opts.Now())
	}
	r.live.forget(r.targets)
	return r
}

// newLedger begins the evidence of a release on a route. All routes of the release ring one bell, whoever
// waits hears of each. The caller holds mu.
func (g *Gateway) newLedger(d *document, live *live, bells map[string]*bell) *ledger {
	now, latency := g.opts.Now(), g.latencyOf(d)
	errorAge := live.latency.slowErrorAge(latency, now)
	// Microseconds since 1970 rise from one life of the process to the next, and fit where numbers are
	// read as 64-bit floats.
	g.lastRun = max(g.lastRun+1, uint64(now.UnixMicro()))
	l := &ledger{
		release: d.Release, gateway: SenderName(g.opts.Name, d.Key), run: g.lastRun,
		bell: bells[d.Release], errorAge: errorAge, warmUp: d.WarmUp.Std(), latency: latency,
	}
	if l.bell == nil {
		l.bell = newBell()
		bells[d.Release] = l.bell
	}
	l.limits.Store(live.latency.thresholds(latency, errorAge, now))
	l.guard = newGuard(d, l, g, now)
	return l
}

// latencyOf says how slow is slow for a release: the gateway's own word, or the route's.
func (g *Gateway) latencyOf(d *document) canary.LatencyConfig {
	c := g.opts.Latency
	if d.Latency == nil {
		return c
	}
	c.TailQuantile = d.Latency.Quantile / 100
	c.BodyQuantile = min(c.BodyQuantile, c.TailQuantile)
	c.Margin = 1 + d.Latency.Margin
	c.TailFactor = max(c.TailFactor, c.Margin)
	return c
}

// swap puts a table in force and forgets revisions that nothing is left of. The caller holds mu.
func (g *Gateway) swap(t *table) {
	g.table.Store(t)
	used := make(map[revisionKey]bool, len(t.routes))
	limits := map[tenantLimit]bool{}
	for _, r := range t.routes {
		for _, l := range r.doc.Ingress.Limits {
			limits[tenantLimitOf(r.doc.Key, l)] = true
		}
		for _, u := range []*upstream{r.stable, r.canary} {
			if u != nil {
				used[u.revision.revisionKey] = true
			}
		}
	}
	maps.DeleteFunc(g.tenantLimits, func(l tenantLimit, _ *limiter) bool { return !limits[l] })
	maps.DeleteFunc(g.revisions, func(key revisionKey, v *revision) bool {
		if used[key] || v.inFlight.Load() > 0 {
			return false
		}
		for _, e := range v.endpoints {
			e.close()
		}
		return true
	})
}

func (g *Gateway) receipt(docs []*document) release.Receipt {
	t := g.table.Load()
	receipt := release.Receipt{Gateway: g.opts.Name, Versions: make(map[string]int64, len(docs)), Digest: t.digest}
	for _, d := range docs {
		if r := t.routes[d.Key]; r != nil {
			receipt.Versions[d.Key] = r.doc.Version
		}
	}
	return receipt
}

// Remove takes a route out. It fails as [release.ErrNotFound] when there is none, and as
// [release.ErrConflict] when it is at another version.
func (g *Gateway) Remove(key string, version int64) error {
	if err := g.remove(key, version); err != nil {
		return fmt.Errorf("remove route %s: %w", key, err)
	}
	g.saveOrLater()
	return nil
}

func (g *Gateway) remove(key string, version int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.table.Load()
	r := t.routes[key]
	if r == nil {
		return release.ErrNotFound
	}
	if r.doc.Version != version {
		return fmt.Errorf("%w: it is at version %d, not %d", release.ErrConflict, r.doc.Version, version)
	}
	routes := maps.Clone(t.routes)
	delete(routes, key)
	g.swap(newTable(routes, t))
	g.opts.Log.Info("route removed", "route", key, "version", version)
	return nil
}

// Renew lets the weights of these routes hold for ttl from now. It is all or nothing, so that a group
// returns to stable together: [release.ErrNotFound] for an unknown key, [release.ErrConflict] for a
// route at another version and for a lease that has run out, which only a new version replaces. A
// route whose weight needs no lease is left as it is.
func (g *Gateway) Renew(keys []string, version int64, ttl time.Duration) error {
	if ttl <= 0 || ttl > MaxLease {
		return fmt.Errorf("%w: lease of %s: want more than 0 and at most %s", ErrInvalid, ttl, MaxLease)
	}
	stale, err := g.renew(keys, version, ttl)
	if err != nil {
		return err
	}
	if stale {
		g.saveOrLater()
	}
	return nil
}

func (g *Gateway) renew(keys []string, version int64, ttl time.Duration) (stale bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, t := g.opts.Now(), g.table.Load()
	uptime := now.Sub(g.started)
	var leases []*lease
	for _, key := range keys {
		r := t.routes[key]
		switch {
		case r == nil:
			return false, fmt.Errorf("renew route %s: %w", key, release.ErrNotFound)
		case r.doc.Version != version:
			return false, fmt.Errorf("renew route %s: %w: it is at version %d, not %d",
				key, release.ErrConflict, r.doc.Version, version)
		case r.lease == nil:
			continue
		}
		if _, expired := r.weight(uptime); expired {
			g.lapse(r, uptime)
			return false, fmt.Errorf("renew route %s: %w: its lease has run out, and only a new version brings the canary back",
				key, release.ErrConflict)
		}
		leases = append(leases, r.lease)
	}
	for _, l := range leases {
		if !l.renew(now, uptime, ttl) {
			return false, fmt.Errorf("renew: %w: a lease ran out at this moment", release.ErrConflict)
		}
		stale = stale || (g.disk != nil && l.stale(now, ttl))
	}
	return stale, nil
}
