package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
)

// stableLatency is what a route knows of its stable revision's latencies. Requests count into arrays
// without a lock; once a second the arrays are emptied into histograms that forget.
type stableLatency struct {
	answers, errors [canary.Buckets]atomic.Uint32
	fed             atomic.Bool

	mu   sync.Mutex
	past canary.Latencies
}

func (l *stableLatency) observe(result canary.Result, latency time.Duration) {
	switch result {
	case canary.Failed:
		l.errors[canary.BucketOf(latency)].Add(1)
	case canary.Answered, canary.Refused:
		l.answers[canary.BucketOf(latency)].Add(1)
	case canary.Aborted:
		return
	}
	if !l.fed.Load() {
		l.fed.Store(true)
	}
}

// settle brings the past up to date. It is cheap while nothing was observed.
func (l *stableLatency) settle(now time.Time) {
	if !l.fed.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settleLocked(now)
}

func (l *stableLatency) settleLocked(now time.Time) {
	l.past.Decay(now)
	if !l.fed.Swap(false) {
		return
	}
	drain(&l.answers, &l.past.Answers)
	drain(&l.errors, &l.past.Errors)
}

func drain(from *[canary.Buckets]atomic.Uint32, into *canary.Histogram) {
	for i := range from {
		if from[i].Load() > 0 {
			into.Add(i, float64(from[i].Swap(0)))
		}
	}
}

// slowErrorAge is asked once, when a release begins on the route.
func (l *stableLatency) slowErrorAge(cfg canary.LatencyConfig, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settleLocked(now)
	return l.past.SlowErrorAge(cfg)
}

// thresholds are frozen into requests at their arrival; which of the two depends on the warm-up.
type thresholds struct{ cold, warm canary.Thresholds }

func (l *stableLatency) thresholds(cfg canary.LatencyConfig, errorAge time.Duration, now time.Time) *thresholds {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settleLocked(now)
	return &thresholds{
		cold: l.past.Thresholds(cfg, true, errorAge),
		warm: l.past.Thresholds(cfg, false, errorAge),
	}
}
