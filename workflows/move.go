package workflows

import (
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// askAgain is how often the rules are asked while a freeze of unknown end holds a release.
const askAgain = time.Minute

// freezeCodes is how the rules begin the code of a denial that time alone ends.
const freezeCodes = "freeze."

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

// require asks the rules and waits while a freeze denies.
func (r *run) require(ctx workflow.Context, gate release.Gate, step *release.StepChange) error {
	for {
		decision, err := r.decide(ctx, gate, step, nil)
		if err != nil {
			return err
		}
		if decision.Allow {
			return nil
		}
		if !frozen(decision) {
			return denied(decision)
		}
		if step != nil && r.plan.Freeze == release.RevertFreeze {
			return stop(release.Denied, release.CauseFreeze, "a freeze opened and the manifest says revert: "+decision.Deny[0].Message)
		}
		if err := r.waitOutFreeze(ctx, decision); err != nil {
			return err
		}
	}
}

// mayMove waits until traffic may move: nobody has paused the release and the rules allow the step.
func (r *run) mayMove(ctx workflow.Context, gate release.Gate, unit string, to release.Weight) error {
	if err := r.proceed(ctx); err != nil {
		return err
	}
	return r.require(ctx, gate, &release.StepChange{Unit: unit, From: r.units[unit], To: to})
}

// frozen says whether nothing but a freeze stands against it.
func frozen(decision release.Decision) bool {
	for _, denial := range decision.Deny {
		if !strings.HasPrefix(denial.Code, freezeCodes) {
			return false
		}
	}
	return len(decision.Deny) > 0
}

// waitOutFreeze waits until the freeze is said to end, at most [askAgain] at a time: a freeze may
// be lifted early.
func (r *run) waitOutFreeze(ctx workflow.Context, decision release.Decision) error {
	now := workflow.Now(ctx)
	until := thawsAt(decision)
	wait := askAgain
	if !until.IsZero() && until.After(now) {
		wait = min(wait, until.Sub(now))
	}
	defer r.wait("the freeze to end: "+decision.Deny[0].Message, until)()
	timer, cancel := workflow.WithCancel(ctx)
	defer cancel()
	elapsed := workflow.NewTimerWithOptions(timer, wait, workflow.TimerOptions{Summary: "Freeze: ask the rules again"})
	return r.await(ctx, elapsed.IsReady)
}

// thawsAt is when the last of the freezes ends; zero when a rule does not know.
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
