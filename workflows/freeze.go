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

// changeFreezeInStep is from 2026-11-27: where the manifest says revert, a freeze that opens in the middle of a step is
// noticed there, and not only at the next one. It can go once no release from before is under way.
const changeFreezeInStep = "2026-11-27-freeze-in-a-step"

// revertOnFreeze asks the rules again about the step under way until the returned function is called, and stops the
// release when they answer that a freeze has opened. Only for manifests that say revert: hold and finish do nothing
// before the next step.
func (r *run) revertOnFreeze(ctx workflow.Context, step release.StepChange) (done func()) {
	if r.plan.Freeze != release.RevertFreeze ||
		workflow.GetVersion(ctx, changeFreezeInStep, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return func() {}
	}
	ctx, cancel := workflow.WithCancel(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		for pause := freezeFirst; ; pause = min(2*pause, freezeLast) {
			timer := workflow.NewTimerWithOptions(ctx, pause, workflow.TimerOptions{Summary: "Look for a freeze"})
			if timer.Get(ctx, nil) != nil {
				return
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
	return cancel
}
