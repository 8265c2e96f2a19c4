package canary

import "time"

const (
	bodyCount   = 200                  // effective observations the body threshold needs
	tailCount   = 1000                 // and the tail threshold
	errorCount  = 5                    // errors the slow-error guard needs
	leastMargin = 2 * time.Millisecond // below it the clock and the network decide, not the release
)

// Thresholds are the latencies that make a request slow. They are computed from stable's past about
// every second and frozen into each request at its arrival (keep the pointer): a threshold that moved
// with the request it judges would look ahead. The zero value judges nothing but errors. A Thresholds is
// never changed once it is shared, so all its methods are safe for concurrent use.
type Thresholds struct {
	BodyStable time.Duration `json:"body_stable"`
	BodyCanary time.Duration `json:"body_canary"`
	TailStable time.Duration `json:"tail_stable"`
	TailCanary time.Duration `json:"tail_canary"`
	// BodyLive and TailLive say whether stable's past is long enough for the stream to take verdicts.
	BodyLive bool `json:"body_live"`
	TailLive bool `json:"tail_live"`
	// ErrorAge is the age at which the slow-error guard judges "failed or unanswered"; 0 when it is off.
	ErrorAge time.Duration `json:"error_age,omitempty"`
}

// Latencies is what is known of stable's latencies, before and during a rollout. Only stable feeds it:
// the canary must not move the bar it is measured by. The zero value is empty. It is not safe for
// concurrent use; a gateway counts with [BucketOf] and drains here, or holds a lock of its own.
type Latencies struct {
	// Answers holds the latencies of requests that did not fail (to the first byte, for streamed
	// responses; websockets and long polls do not belong here).
	Answers Histogram `json:"answers"`
	// Errors holds the ages at which requests failed. They are kept apart, or the timeouts of a stable
	// that fails slowly would hide behind a quantile that they moved themselves.
	Errors Histogram `json:"errors"`
}

// Observe counts one finished stable request. Aborted requests say nothing and are left out.
func (l *Latencies) Observe(result Result, latency time.Duration) {
	switch result {
	case Failed:
		l.Errors.Observe(latency)
	case Answered, Refused:
		l.Answers.Observe(latency)
	case Aborted:
	}
}

// Decay lets time pass until at, see [Histogram.Decay].
func (l *Latencies) Decay(at time.Time) {
	l.Answers.Decay(at)
	l.Errors.Decay(at)
}

// SlowErrorAge returns the age h at which the error stream must judge because stable fails slowly, and 0
// when it does not: stable had at least 5 errors, and half of them took longer than its 99th percentile.
// Ask once at the start of a rollout and keep the answer (and persist it) to its end.
func (l *Latencies) SlowErrorAge(cfg LatencyConfig) time.Duration {
	tail := l.Answers.Quantile(cfg.TailQuantile)
	if tail == 0 || l.Errors.Count() < errorCount || l.Errors.Quantile(0.5) <= tail {
		return 0
	}
	return 2 * tail
}

// Thresholds returns the thresholds for requests that arrive from now on. warm says that the canary is
// in its warm-up; errorAge is what SlowErrorAge said at the start of the rollout.
func (l *Latencies) Thresholds(cfg LatencyConfig, warm bool, errorAge time.Duration) Thresholds {
	th := Thresholds{
		BodyStable: l.Answers.Quantile(cfg.BodyQuantile),
		TailStable: scale(l.Answers.Quantile(cfg.TailQuantile), cfg.TailFactor/cfg.Margin),
		BodyLive:   l.Answers.Count() >= bodyCount,
		TailLive:   l.Answers.Count() >= tailCount,
		ErrorAge:   errorAge,
	}
	margin := cfg.Margin
	if warm {
		margin *= cfg.WarmFactor
	}
	th.BodyCanary = max(scale(th.BodyStable, margin), th.BodyStable+leastMargin)
	th.TailCanary = max(scale(th.TailStable, margin), th.TailStable+leastMargin)
	return th
}

func scale(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }
