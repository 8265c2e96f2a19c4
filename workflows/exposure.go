package workflows

import (
	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// exposure is what a plan may cost, from its steps alone; nil for a plan that compares nothing.
func exposure(plan release.Plan) *release.Exposure {
	if !plan.Compared() || len(plan.Steps) == 0 {
		return nil
	}
	// The guards and the watcher have a half of the plan's each: what one of them alone needs is the most.
	config := analysis(plan)
	config = config.WithAlpha(config.Alpha / 2)
	out := &release.Exposure{Takes: plan.Watch, FalseRollback: plan.Analysis.FalseRollback}
	for _, step := range plan.Steps {
		out.Takes += step.Bake
		out.BadAnswers = max(out.BadAnswers, canary.DeadCanary(config, step.Weight.Fraction()))
	}
	return out
}
