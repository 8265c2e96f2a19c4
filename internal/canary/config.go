package canary

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Config is everything that shapes a test. It is fixed for one release attempt: [Config.Hash] is kept
// in the state, and a state made under another configuration is refused. Durations are nanoseconds in
// JSON. Start from [DefaultConfig] and set at least Steps and Planned.
type Config struct {
	// Alpha bounds the probability that a harmless canary is rolled back, over the whole attempt.
	// Above 0, at most 0.5. Evidence of 1/Alpha rolls back.
	Alpha float64 `json:"alpha"`
	// MinBad is the number of bad canary units the leading stream needs before a rollback, at least 1.
	MinBad int64 `json:"n_min"`
	// HoldAt is the evidence from which the weight is not raised. Above 1, below 1/Alpha. At most one
	// harmless release in HoldAt is ever held for it.
	HoldAt float64 `json:"hold_at"`
	// WarmUp is how long after its first traffic the canary may be slow because it is cold. 0 for
	// services that start warm; at most an hour.
	WarmUp time.Duration `json:"warm_up"`
	// Streams says how much is staked on each kind of bad. The shares must sum to at most 1.
	Streams PerStream[StreamConfig] `json:"streams"`
	// Absolute is the test that takes over where stable gives no comparison.
	Absolute AbsoluteConfig `json:"absolute"`
	// Steps is the number of weight increases planned, the first included, at least 1.
	Steps int `json:"steps"`
	// Planned is the planned length of all steps together, at least a second. Stakes are handed out
	// evenly over it, so that a fault that starts late still meets fresh stakes.
	Planned time.Duration `json:"planned"`
	// Sticky says that sessions, not requests, are assigned to an arm. Only the first bad unit of a
	// session counts then, see [Counts].
	Sticky bool `json:"sticky,omitempty"`
	// FirstRelease says that there is no stable version at all: every verdict enters the absolute
	// test, and a failed verdict means "stop and hold" because there is nothing to return to.
	FirstRelease bool `json:"first_release,omitempty"`
	// BlindAfter is how long the canary may have weight and give no evidence before the verdict is
	// [Blind], at least a second.
	BlindAfter time.Duration `json:"blind_after"`
	// SilentAfter is how long an expected gateway may say nothing before the test holds.
	SilentAfter time.Duration `json:"silent_after"`
	// Effect is the regression a step must be able to see before it may end.
	Effect Effect `json:"effect"`
	// MinRequests is the least number of canary requests in every step, whatever Effect asks for.
	MinRequests int64 `json:"min_requests"`
	// Latency says how slow is slow. Only the gateway uses it.
	Latency LatencyConfig `json:"latency"`
}

// StreamConfig is the bet on one stream.
type StreamConfig struct {
	// Share of the stakes, 0 to 1. A stream with share 0 is counted and reported but never judged.
	Share float64 `json:"share"`
	// Factor m and Margin delta set how much worse the canary may be: the null hypothesis is
	// P(bad|canary) <= m*P(bad|stable) + delta. Factor is above 0, Margin from 0 to below 1.
	Factor float64 `json:"m"`
	Margin float64 `json:"delta,omitempty"`
	// Grid holds the assumed effect sizes, one bettor each: how many times the allowed bad rate the
	// canary has. Each above 1, rising, 1 to 16 of them.
	Grid []float64 `json:"grid"`
}

// AbsoluteConfig is the test against a fixed bound, see [Config].Absolute.
type AbsoluteConfig struct {
	// Bound is the highest failure rate that is acceptable with nothing to compare to; above 0, at most 0.15.
	Bound float64 `json:"b"`
	// Alpha bounds the false alarms of this test. It adds to [Config].Alpha.
	Alpha float64 `json:"alpha"`
	// MinBad is the number of bad canary units this test needs, at least 1.
	MinBad int64 `json:"n_min"`
}

// Effect is a pair of failure rates: stable's, as it usually is, and the canary's that must not go
// unseen. A Canary of 0 asks for nothing beyond [Config].MinRequests.
type Effect struct {
	Stable float64 `json:"stable"`
	Canary float64 `json:"canary"`
}

// LatencyConfig says from which latency on a request is slow, relative to stable's own quantiles.
type LatencyConfig struct {
	// BodyQuantile and TailQuantile pick stable's reference latencies, both between 0 and 1.
	BodyQuantile float64 `json:"body_quantile"`
	TailQuantile float64 `json:"tail_quantile"`
	// Margin is how many times slower than stable the canary may be, at least 1.
	Margin float64 `json:"margin"`
	// TailFactor times the tail quantile is the canary's tail threshold; at least Margin.
	TailFactor float64 `json:"tail_factor"`
	// WarmFactor multiplies the canary's thresholds for requests that arrive in the warm-up, at least 1.
	WarmFactor float64 `json:"warm_factor"`
}

// DefaultConfig returns the configuration that suits most services: a false-rollback rate of 1 %, and
// five steps over ten minutes, which callers replace with their own plan.
func DefaultConfig() Config {
	return Config{
		Alpha:  0.01,
		MinBad: 3,
		HoldAt: 10,
		WarmUp: 30 * time.Second,
		Streams: PerStream[StreamConfig]{
			StreamError:       {Share: 0.5, Factor: 1, Margin: 0.0005, Grid: []float64{1.5, 2.5, 5, 12, 40, 200, 1000}},
			StreamClientError: {Share: 0.1, Factor: 2, Margin: 0.01, Grid: []float64{1.5, 2.5, 5, 12, 40}},
			StreamBody:        {Share: 0.2, Factor: 1, Grid: []float64{1.3, 1.8, 2.6, 4, 7}},
			StreamTail:        {Share: 0.2, Factor: 1, Grid: []float64{2, 5, 12, 40, 200}},
		},
		Absolute:    AbsoluteConfig{Bound: 0.05, Alpha: 0.01, MinBad: 3},
		Steps:       5,
		Planned:     10 * time.Minute,
		BlindAfter:  30 * time.Second,
		SilentAfter: 5 * time.Second,
		Effect:      Effect{Stable: 0.001, Canary: 0.05},
		MinRequests: 20,
		Latency: LatencyConfig{
			BodyQuantile: 0.90, TailQuantile: 0.99, Margin: 1.2, TailFactor: 2, WarmFactor: 2.5,
		},
	}
}

// Hash identifies the configuration: equal configurations have equal hashes in every process. It is 64
// hexadecimal digits. A configuration that cannot be written as JSON (a NaN in it) hashes to "", which
// [Config.Validate] refuses before it can matter.
func (c Config) Hash() string {
	// Struct fields and PerStream keep their order in JSON, and floats are written in their shortest
	// exact form, so the text is canonical.
	text, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
