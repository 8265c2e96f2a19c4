package workflows

import (
	"slices"

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
	config := canary.ForPlan(r.plan).Halved()
	return &release.Guard{
		FalseRollback: config.Alpha / float64(r.guards), ErrorMargin: config.Streams[canary.StreamError].Margin,
		Steps: config.Steps, Planned: release.Duration(config.Planned),
	}
}

// watched is the configuration of the watcher's test.
func (r *run) watched() canary.Config {
	config := canary.ForPlan(r.plan)
	if r.guards == 0 {
		return config
	}
	return config.Halved()
}
