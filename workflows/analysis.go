package workflows

import (
	"slices"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// changeGuards is from 2026-11-27: gateways judge the canary by themselves, for a half of what the release may spend on
// false rollbacks; the watcher has the other half. It can go once no release from before is under way.
const changeGuards = "2026-11-27-guards"

// compared are the moves whose candidates share traffic with a predecessor.
func compared(plan release.Plan) []release.Move {
	return slices.DeleteFunc(plan.Changed(), func(m release.Move) bool { return m.Stable == nil })
}

// guard is what each gateway's own test may cost on each route; nil without one. What all guards may spend together is a
// half of the plan's, so that no more than it says of harmless releases are rolled back, whoever decides.
func (r *run) guard() *release.Guard {
	if r.guards == 0 {
		return nil
	}
	config := analysis(r.plan)
	return &release.Guard{
		FalseRollback: config.Alpha / 2 / float64(r.guards), ErrorMargin: config.Streams[canary.StreamError].Margin,
		Steps: config.Steps, Planned: release.Duration(config.Planned),
	}
}

// watched is the configuration of the watcher's test.
func (r *run) watched() canary.Config {
	config := analysis(r.plan)
	if r.guards == 0 {
		return config
	}
	return config.WithAlpha(config.Alpha / 2)
}

// analysis is the plan's word on what counts as worse, as the configuration of the test.
func analysis(plan release.Plan) canary.Config {
	config := canary.DefaultConfig().WithAlpha(float64(plan.Analysis.FalseRollback))
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
