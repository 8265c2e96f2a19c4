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
	config.Streams[canary.StreamError].Margin = float64(plan.Analysis.ErrorMargin)
	config.Effect.Canary = float64(plan.Analysis.Detect)
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
