package gateway

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/skyisland/skyisland/internal/gateway/http1"
	"github.com/skyisland/skyisland/internal/release"
)

// endpointRest is how long an endpoint that refused a connection is left alone while others serve.
const endpointRest = time.Second

// revisionKey names a revision in one lane. Two lanes may run the same revision, each its own
// instances of it.
type revisionKey struct{ lane, name string }

// revision is what the gateway knows of a revision over all routes of a lane: its endpoints and how
// many requests are with it.
type revision struct {
	revisionKey
	inFlight atomic.Int64
	// idle holds a token when inFlight may have reached 0, for whoever drains.
	idle chan struct{}
	// endpoints by address; changed under the gateway's mutex only.
	endpoints map[string]*endpoint
}

// endpoint is one instance's address.
type endpoint struct {
	address string
	// pool is nil when requests go over a transport of somebody else's.
	pool     *http1.Pool
	inFlight atomic.Int64
	// rests is the uptime until which the endpoint is left alone.
	rests atomic.Int64
}

func newRevision(key revisionKey) *revision {
	return &revision{revisionKey: key, idle: make(chan struct{}, 1), endpoints: map[string]*endpoint{}}
}

func (v *revision) enter() { v.inFlight.Add(1) }

func (v *revision) leave() {
	if v.inFlight.Add(-1) == 0 {
		select {
		case v.idle <- struct{}{}:
		default:
		}
	}
}

// upstream is a target of one route.
type upstream struct {
	revision  *revision
	endpoints []*endpoint
	counters  *counters
	breaker   *breaker // nil where the route has none
	h2c       bool
	turn      atomic.Uint32
}

func (g *Gateway) newUpstream(d *document, target *release.Target, live *live) *upstream {
	if target == nil {
		return nil
	}
	key := revisionKey{laneOf(live.key), target.Revision}
	v := g.revisions[key]
	if v == nil {
		v = newRevision(key)
		g.revisions[key] = v
	}
	v.forget(target.Endpoints)
	u := &upstream{revision: v, counters: live.countersOf(target.Revision), h2c: target.H2C}
	u.breaker = live.breakerOf(u.counters, d.Ingress.Breaker)
	for _, address := range target.Endpoints {
		e := v.endpoints[address]
		if e == nil {
			e = &endpoint{address: address, pool: g.newPool(address)}
			v.endpoints[address] = e
		}
		u.endpoints = append(u.endpoints, e)
	}
	return u
}

// forget drops endpoints of instances that are gone, once there are many.
func (v *revision) forget(keep []string) {
	if len(v.endpoints) <= maxEndpoints {
		return
	}
	maps.DeleteFunc(v.endpoints, func(address string, e *endpoint) bool {
		if e.inFlight.Load() > 0 || slices.Contains(keep, address) {
			return false
		}
		e.close()
		return true
	})
}

// close closes the connections to an endpoint that nothing is sent to any more.
func (e *endpoint) close() {
	if e.pool != nil {
		e.pool.Close()
	}
}

// laneOf is the lane of a route key, which is the key without its component.
func laneOf(key string) string { return key[:strings.LastIndexByte(key, '/')] }

func (u *upstream) is(revision string) bool { return u != nil && u.revision.name == revision }

// pick returns the endpoint with the fewest requests in flight among those not tried, taking turns
// between equals. An endpoint that just refused a connection comes last. It returns nil when all
// were tried.
func (u *upstream) pick(uptime time.Duration, tried []*endpoint) *endpoint {
	n := len(u.endpoints)
	start := 0
	if n > 1 {
		start = int(u.turn.Add(1) % uint32(n)) //nolint:gosec // n is at most maxEndpoints
	}
	var best *endpoint
	var bestLoad int64
	for i := range n {
		e := u.endpoints[(start+i)%n]
		if len(tried) > 0 && slices.Contains(tried, e) {
			continue
		}
		load := e.inFlight.Load()
		if e.rests.Load() > int64(uptime) {
			load += 1 << 32
		}
		if best == nil || load < bestLoad {
			best, bestLoad = e, load
		}
	}
	return best
}
