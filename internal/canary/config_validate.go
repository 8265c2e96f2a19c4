package canary

import (
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	maxGrid    = 16   // bettors on one stream; keeps the state small
	maxRatio   = 1e6  // largest effect size a bettor may assume
	maxSteps   = 1000 // weight increases of one release
	maxPlanned = 30 * 24 * time.Hour
)

// Validate returns nil, or an error that joins one sentence for every field that is out of range.
func (c Config) Validate() error {
	v := &checks{}
	v.rate("alpha", c.Alpha, 0.5)
	v.ok(c.MinBad >= 1, "n_min: %d is under 1", c.MinBad)
	v.ok(c.HoldAt > 1 && c.HoldAt*c.Alpha < 1, "hold_at: %v must be above 1 and below 1/alpha", c.HoldAt)
	v.span("warm_up", c.WarmUp, 0, time.Hour)
	v.ok(c.Steps >= 1 && c.Steps <= maxSteps, "steps: %d must be from 1 to %d", c.Steps, maxSteps)
	v.span("planned", c.Planned, time.Second, maxPlanned)
	v.span("blind_after", c.BlindAfter, time.Second, maxPlanned)
	v.span("silent_after", c.SilentAfter, time.Second, time.Hour)
	v.ok(c.MinRequests >= 0, "min_requests: %d is negative", c.MinRequests)
	v.ok(inRange(c.Effect.Stable, 0, 0.999) && inRange(c.Effect.Canary, 0, 1),
		"effect: stable %v and canary %v must be failure rates from 0 to 1", c.Effect.Stable, c.Effect.Canary)
	v.absolute(c.Absolute)
	v.latency(c.Latency)
	sum := 0.0
	for s, sc := range c.Streams {
		v.stream(Stream(s), sc)
		sum += sc.Share
	}
	v.ok(sum <= 1+1e-9, "streams: shares sum to %v, at most 1 can be staked", sum)
	return errors.Join(v.errs...)
}

// checks gathers every failure, so that a wrong configuration is told whole and once.
type checks struct{ errs []error }

func (v *checks) ok(good bool, format string, args ...any) {
	if !good {
		v.errs = append(v.errs, fmt.Errorf(format, args...))
	}
}

func (v *checks) rate(name string, p, most float64) {
	v.ok(p > 0 && p <= most, "%s: %v must be above 0 and at most %v", name, p, most)
}

func (v *checks) span(name string, d, least, most time.Duration) {
	v.ok(d >= least && d <= most, "%s: %v must be from %v to %v", name, d, least, most)
}

func (v *checks) stream(s Stream, sc StreamConfig) {
	v.ok(inRange(sc.Share, 0, 1), "streams.%s.share: %v must be from 0 to 1", s, sc.Share)
	if sc.Share == 0 && sc.Factor == 0 && len(sc.Grid) == 0 {
		return // not judged, so nothing else needs to be said about it
	}
	v.ok(sc.Factor >= 0.01 && sc.Factor <= 1000, "streams.%s.m: %v must be from 0.01 to 1000", s, sc.Factor)
	v.ok(sc.Margin >= 0 && sc.Margin < 1, "streams.%s.delta: %v must be from 0 to below 1", s, sc.Margin)
	v.ok(len(sc.Grid) >= 1 && len(sc.Grid) <= maxGrid,
		"streams.%s.grid: has %d effect sizes, want 1 to %d", s, len(sc.Grid), maxGrid)
	before := 1.0
	for i, r := range sc.Grid {
		v.ok(r > before && r <= maxRatio, "streams.%s.grid[%d]: %v must be above %v and at most %v", s, i, r, before, maxRatio)
		before = math.Max(before, r)
	}
}

func (v *checks) absolute(a AbsoluteConfig) {
	v.rate("absolute.b", a.Bound, 0.15)
	v.rate("absolute.alpha", a.Alpha, 0.5)
	v.ok(a.MinBad >= 1, "absolute.n_min: %d is under 1", a.MinBad)
}

func (v *checks) latency(l LatencyConfig) {
	v.ok(l.BodyQuantile > 0 && l.BodyQuantile < 1, "latency.body_quantile: %v must be between 0 and 1", l.BodyQuantile)
	v.ok(l.TailQuantile > 0 && l.TailQuantile < 1, "latency.tail_quantile: %v must be between 0 and 1", l.TailQuantile)
	v.ok(inRange(l.Margin, 1, 100), "latency.margin: %v must be from 1 to 100", l.Margin)
	v.ok(inRange(l.TailFactor, l.Margin, 1000), "latency.tail_factor: %v must be from margin to 1000", l.TailFactor)
	v.ok(inRange(l.WarmFactor, 1, 100), "latency.warm_factor: %v must be from 1 to 100", l.WarmFactor)
}

// inRange is false for NaN.
func inRange(x, least, most float64) bool { return x >= least && x <= most }
