package canary

import (
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// ForPlan is a plan's word on what counts as worse, as the configuration of its test. The latency thresholds are those of
// the gateways, which a plan's routes tell.
func ForPlan(plan release.Plan) Config {
	config := DefaultConfig().WithAlpha(float64(plan.Analysis.FalseRollback))
	config.Streams[StreamError].Margin = float64(plan.Analysis.ErrorMargin)
	// Below the smallest effect that the test bets on no number of requests shows anything, and a step would
	// have to see nothing at all.
	least := config.Streams[StreamError].Grid[0]
	allowed := config.Effect.Stable + float64(plan.Analysis.ErrorMargin)
	config.Effect.Canary = min(1, max(float64(plan.Analysis.Detect), least*allowed))
	config.Latency.TailQuantile = plan.Analysis.LatencyQuantile / 100
	config.Latency.Margin = 1 + float64(plan.Analysis.LatencyMargin)
	config.WarmUp = plan.Ramp.Probe.Std()
	config.BlindAfter = plan.Analysis.Blind.Std()
	config.Sticky = plan.Ramp.Sticky == release.StickyUser
	config.FirstRelease = !plan.Compared()
	// A release without steps is still watched after its cutover.
	config.Steps = max(1, len(plan.Steps))
	var planned time.Duration
	for _, step := range plan.Steps {
		planned += step.Bake.Std()
	}
	config.Planned = max(planned, time.Second)
	return config
}

// ForRoute is the configuration of the test that a gateway runs by itself on a route with a [release.Guard]; ok is false
// for a route without one. The latency thresholds are the gateway's own and not in it.
func ForRoute(r release.Route) (c Config, ok bool) {
	if r.Guard == nil {
		return c, false
	}
	c = DefaultConfig().WithAlpha(r.Guard.FalseRollback)
	c.Streams[StreamError].Margin = r.Guard.ErrorMargin
	c.WarmUp, c.Sticky = r.WarmUp.Std(), r.Sticky == release.StickyUser
	c.Steps, c.Planned = r.Guard.Steps, r.Guard.Planned.Std()
	return c, true
}

// WithAlpha is the configuration with another bound on false rollbacks, for each of its two tests. The evidence that
// holds comes before the one that rolls back, whatever the bound.
func (c Config) WithAlpha(alpha float64) Config {
	c.Alpha, c.Absolute.Alpha = alpha, alpha
	if c.HoldAt*alpha >= 1 {
		c.HoldAt = 0.5 / alpha
	}
	return c
}

// Halved is what one of the two that judge a release goes by: its watcher, and all its guards together, may spend half of
// its false rollbacks each.
func (c Config) Halved() Config { return c.WithAlpha(c.Alpha / 2) }

// Exposure is what a plan may cost, from its steps alone; nil for a plan that compares nothing.
func Exposure(plan release.Plan) *release.Exposure {
	if !plan.Compared() || len(plan.Steps) == 0 {
		return nil
	}
	// What guards or watcher need alone is the most.
	config := ForPlan(plan).Halved()
	out := &release.Exposure{Takes: plan.Watch, FalseRollback: plan.Analysis.FalseRollback}
	for _, step := range plan.Steps {
		out.Takes += step.Bake
		out.BadAnswers = max(out.BadAnswers, DeadCanary(config, step.Weight.Fraction()))
	}
	return out
}
