package workflows

import (
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// analysis is the plan's word on what counts as worse, as the configuration of the test.
func analysis(plan release.Plan) canary.Config {
	config := canary.DefaultConfig()
	config.Alpha = float64(plan.Analysis.FalseRollback)
	config.Absolute.Alpha = config.Alpha
	if config.HoldAt*config.Alpha >= 1 {
		// The evidence that holds has to come before the one that rolls back.
		config.HoldAt = 0.5 / config.Alpha
	}
	config.Streams[canary.StreamError].Margin = float64(plan.Analysis.ErrorMargin)
	// Below the smallest effect that the test bets on no number of requests shows anything, and a step would
	// have to see nothing at all.
	least := config.Streams[canary.StreamError].Grid[0]
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
