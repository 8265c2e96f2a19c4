package workflows

import (
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// askFirst and askLast are the first and the longest pause before the rules are asked again while they
// hold a release. A freeze may be lifted early, and one that lasts a week must not fill the
// history with questions.
const (
	askFirst = time.Minute
	askLast  = time.Hour
)

// freezeCodes is how the rules begin the code of a denial that time alone ends; freezeMalformed is
// the one of them that it does not.
const (
	freezeCodes     = "freeze."
	freezeMalformed = "freeze.malformed"
)

// decide asks the rules and returns the recorded answer.
func (r *run) decide(ctx workflow.Context, gate release.Gate, step *release.StepChange, by *release.Actor) (release.Decision, error) {
	question := release.Question{
		Version: release.QuestionVersion, Gate: gate, Release: r.in.Release, Request: r.in.Request,
		Step: step, By: by, Evidence: r.status.Evidence, At: workflow.Now(ctx),
	}
	if len(r.spec.Components) > 0 {
		question.Spec = &r.spec
	}
	if r.status.PlanHash != "" {
		question.Plan, question.PlanHash = &r.plan, r.status.PlanHash
	}
	var result activities.DecideResult
	summary := "Ask the rules: " + string(gate)
	if step != nil {
		summary += " to " + step.To.String() + " in unit " + step.Unit
	}
	err := workflow.ExecuteActivity(quick(ctx, summary), rules.Decide, activities.DecideInput{Question: question}).Get(ctx, &result)
	return result.Decision, err
}

// require asks the rules and waits while they hold it.
func (r *run) require(ctx workflow.Context, gate release.Gate) error {
	never := func() bool { return false }
	_, err := r.allow(ctx, gate, nil, never)
	return err
}

// mayMove waits until traffic may move: nobody has paused the release and the rules allow the step.
// It is false when the lease runs out meanwhile.
func (r *run) mayMove(ctx workflow.Context, gate release.Gate, unit string, to release.Weight) (bool, error) {
	if err := r.proceedUnless(ctx, r.unwatched); err != nil {
		return false, err
	}
	if r.unwatched() {
		return false, nil
	}
	return r.allow(ctx, gate, &release.StepChange{Unit: unit, From: r.units[unit], To: to}, r.unwatched)
}

// allow asks the rules until they allow it, waiting while they hold it. It is false when there is
// nothing left to allow.
func (r *run) allow(ctx workflow.Context, gate release.Gate, step *release.StepChange, moot func() bool) (bool, error) {
	for pause := askFirst; ; pause = min(2*pause, askLast) {
		decision, err := r.decide(ctx, gate, step, nil)
		if err != nil {
			return false, err
		}
		if moot() || decision.Allow {
			return !moot(), nil
		}
		if !held(decision) {
			return false, denied(decision)
		}
		if i := slices.IndexFunc(decision.Deny, frozen); step != nil && i >= 0 && r.plan.Freeze == release.RevertFreeze {
			return false, stop(release.Denied, release.CauseFreeze, "a freeze opened and the manifest says revert: "+decision.Deny[i].Message)
		}
		if err := r.waitOut(ctx, decision, pause, moot); err != nil || moot() {
			return false, err
		}
		if err := r.proceedUnless(ctx, moot); err != nil || moot() {
			return false, err
		}
	}
}

// held says whether nothing stands against it but what goes by itself.
func held(decision release.Decision) bool {
	stays := func(d release.Denial) bool { return !frozen(d) && !d.Hold }
	return len(decision.Deny) > 0 && !slices.ContainsFunc(decision.Deny, stays)
}

// frozen says whether a denial is a freeze.
func frozen(denial release.Denial) bool {
	return strings.HasPrefix(denial.Code, freezeCodes) && denial.Code != freezeMalformed
}

// waitOut waits until what holds the release is said to end, and no longer than the pause.
func (r *run) waitOut(ctx workflow.Context, decision release.Decision, pause time.Duration, moot func() bool) error {
	now := workflow.Now(ctx)
	until := thawsAt(decision)
	if !until.IsZero() && until.After(now) {
		pause = min(pause, until.Sub(now))
	}
	what := "the rules to allow it: "
	if frozen(decision.Deny[0]) {
		what = "the freeze to end: "
	}
	defer r.wait(what+decision.Deny[0].Message, until)()
	timer, cancel := workflow.WithCancel(ctx)
	defer cancel()
	elapsed := workflow.NewTimerWithOptions(timer, pause, workflow.TimerOptions{Summary: "Ask the rules again"})
	return r.await(ctx, func() bool { return elapsed.IsReady() || moot() })
}

// thawsAt is when the last of what holds it ends; zero when a rule does not know.
func thawsAt(decision release.Decision) time.Time {
	var last time.Time
	for _, denial := range decision.Deny {
		if denial.Until == nil {
			return time.Time{}
		}
		if denial.Until.After(last) {
			last = *denial.Until
		}
	}
	return last
}
