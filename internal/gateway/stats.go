package gateway

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// Class is how a request ended. Every request has exactly one.
type Class uint8

// The classes, by status where the answer was complete, and by cause where it was not.
const (
	// ClassNone is a request that has not ended. It is never counted.
	ClassNone Class = iota
	Class1xx        // a tunnel, such as a WebSocket
	Class2xx
	Class3xx
	Class4xx
	Class5xx
	ClassConnect // no instance accepted a connection
	ClassTimeout // no answer in time
	ClassBroken  // the instance broke off before or in the answer
	ClassAborted // the client went away
	ClassOpen    // the breaker was open, and no instance was asked

	classes
)

var classNames = [classes]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx", "connect", "timeout", "broken", "aborted", "open"}

// String is the class as metrics and logs spell it.
func (c Class) String() string {
	if c < classes {
		return classNames[c]
	}
	return "unknown"
}

func classOf(status int) Class {
	switch {
	case status < 200:
		return Class1xx
	case status < 300:
		return Class2xx
	case status < 400:
		return Class3xx
	case status < 500:
		return Class4xx
	default:
		return Class5xx
	}
}

// keepRevisions bounds the revisions of a route that are still counted after it left them.
const keepRevisions = 8

// live is what a route key keeps over all versions of its route.
type live struct {
	key     string
	latency *stableLatency

	retries *retryBudget
	refused refusals
	// limiters are those of the document in force; the gateway's mutex guards them.
	limiters map[release.RateLimit]*limiter
	// retried and instead count requests that were sent again, and those that something else answered.
	retried, instead atomic.Uint64

	mu       sync.Mutex
	counters []*counters // in the order of their coming
}

func newLive(key string) *live {
	return &live{key: key, latency: &stableLatency{}, retries: newRetryBudget()}
}

// counters are one revision's requests on one route.
type counters struct {
	revision string
	byClass  [classes]atomic.Uint64
	inFlight atomic.Int64
	bytes    atomic.Uint64
	nanos    atomic.Int64
	latency  [canary.Buckets]atomic.Uint32
	// breaker is the revision's on this route; live's mutex guards the pointer.
	breaker *breaker
}

// countersOf returns the revision's counters, new ones when it has none.
func (l *live) countersOf(revision string) *counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.counters {
		if c.revision == revision {
			return c
		}
	}
	c := &counters{revision: revision}
	l.counters = append(l.counters, c)
	return c
}

// breakerOf returns the revision's breaker, with what it has counted as long as its settings stay; nil without settings.
func (l *live) breakerOf(c *counters, config *release.Breaker) *breaker {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case config == nil:
		c.breaker = nil
	case c.breaker == nil || c.breaker.config != *config:
		c.breaker = newBreaker(*config)
	}
	return c.breaker
}

// breaker returns a revision's breaker as it is now.
func (l *live) breaker(c *counters) *breaker {
	l.mu.Lock()
	defer l.mu.Unlock()
	return c.breaker
}

// forget drops the oldest revisions that no request is with and that keep does not name.
func (l *live) forget(keep func(revision string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	surplus := len(l.counters) - keepRevisions
	l.counters = slices.DeleteFunc(l.counters, func(c *counters) bool {
		if surplus <= 0 || keep(c.revision) || c.inFlight.Load() > 0 {
			return false
		}
		surplus--
		return true
	})
}

func (l *live) all() []*counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.counters)
}

// count notes the end of one request.
func (c *counters) count(class Class, bytes int64, latency time.Duration) {
	c.byClass[class].Add(1)
	c.bytes.Add(uint64(bytes)) //nolint:gosec // a sum of what reads returned, so not negative
	c.nanos.Add(int64(latency))
	c.latency[canary.BucketOf(latency)].Add(1)
}

// RevisionStats are one revision's requests on one route since the gateway's start.
type RevisionStats struct {
	Route    string `json:"route"`
	Revision string `json:"revision"`
	// Requests have ended, InFlight have not.
	Requests uint64            `json:"requests"`
	InFlight int64             `json:"in_flight"`
	Classes  map[string]uint64 `json:"classes,omitempty"`
	Bytes    uint64            `json:"bytes"`
	// P50 to P99 are times to the end of the answer, or to its first byte when it streams, within 2 %
	// between 1 ms and 60 s; 0 before the first request.
	P50 time.Duration `json:"p50_ns"`
	P90 time.Duration `json:"p90_ns"`
	P99 time.Duration `json:"p99_ns"`
	// Latency counts requests by bucket, see [canary.BucketOf]; buckets without any are left out. Two readings of it
	// give the quantiles of what was between them.
	Latency map[int]uint64 `json:"latency,omitempty"`
}

// Stats are the gateway's counters.
type Stats struct {
	Gateway string `json:"gateway"`
	Unit    string `json:"unit,omitempty"`
	// Unrouted are requests for which there was no route, Unserved those whose route had no revision.
	Unrouted uint64 `json:"unrouted"`
	Unserved uint64 `json:"unserved"`
	// Refused are requests that were not let in, those two included, by reason.
	Refused   map[string]uint64 `json:"refused,omitempty"`
	Revisions []RevisionStats   `json:"revisions"`
}

// Stats returns the counters of every revision the gateway serves or served lately.
func (g *Gateway) Stats() Stats {
	s := Stats{Gateway: g.opts.Name, Unit: g.opts.Unit, Refused: map[string]uint64{}}
	add := func(reason string, n uint64) { s.Refused[reason] += n }
	g.refused.each(add)
	for _, r := range g.sorted() {
		r.live.refused.each(add)
		for _, c := range r.live.all() {
			s.Revisions = append(s.Revisions, c.stats(r.doc.Key))
		}
	}
	s.Unrouted, s.Unserved = s.Refused[reasonUnrouted], s.Refused[reasonUnserved]
	return s
}

func (c *counters) stats(route string) RevisionStats {
	s := RevisionStats{Route: route, Revision: c.revision, InFlight: c.inFlight.Load(), Bytes: c.bytes.Load(), Classes: map[string]uint64{}, Latency: map[int]uint64{}}
	for class := range classes {
		if n := c.byClass[class].Load(); n > 0 {
			s.Classes[class.String()] = n
			s.Requests += n
		}
	}
	var h canary.Histogram
	for i := range c.latency {
		if n := c.latency[i].Load(); n > 0 {
			h.Add(i, float64(n))
			s.Latency[i] = uint64(n)
		}
	}
	s.P50, s.P90, s.P99 = h.Quantile(0.5), h.Quantile(0.9), h.Quantile(0.99)
	return s
}
