package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/internal/release"
)

// freezeFirst and freezeLast are the first and the longest pause between two looks for a freeze in the middle of a step.
// A step may bake for days, and must not fill the history with questions.
const (
	freezeFirst = time.Minute
	freezeLast  = 10 * time.Minute
)

// changeFreezeInStep is from 2026-11-27: where the manifest says revert, a freeze that opens while the canary has weight
// is noticed there, and not only at the next step. It can go once no release from before is under way.
const changeFreezeInStep = "2026-11-27-freeze-in-a-step"

// revertOnFreeze looks for freezes from the first step on until the cutover, also in pauses and while people are asked, and
// stops the release when one has opened. Only for manifests that say revert: hold and finish do nothing before the next step.
func (r *run) revertOnFreeze(ctx workflow.Context) {
	if r.unguard != nil || r.plan.Freeze != release.RevertFreeze || !changed(ctx, changeFreezeInStep) {
		return
	}
	ctx, r.unguard = workflow.WithCancel(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		for pause := freezeFirst; ; pause = min(2*pause, freezeLast) {
			timer := workflow.NewTimerWithOptions(ctx, pause, workflow.TimerOptions{Summary: "Look for a freeze"})
			if timer.Get(ctx, nil) != nil {
				return
			}
			step, ramps := r.lastStep()
			if !ramps {
				continue
			}
			decision, err := r.decide(ctx, release.GateStep, &step, nil)
			if err != nil {
				return
			}
			if i := slices.IndexFunc(decision.Deny, frozen); i >= 0 && ctx.Err() == nil {
				r.interrupt(reverted(decision.Deny[i]))
				return
			}
		}
	})
}

// lastStep is the step that gave the canary the weight it has: the rules are asked whether they would allow it now.
func (r *run) lastStep() (step release.StepChange, ramps bool) {
	i := r.status.Step
	if i < 0 || r.status.Weight == release.NoWeight {
		return step, false
	}
	if i > 0 {
		step.From = r.plan.Steps[i-1].Weight
	}
	step.Unit, step.To = r.plan.Units[0], r.plan.Steps[i].Weight
	return step, true
}
