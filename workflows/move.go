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
func (r *run) decide(ctx workflow.Context, gate release.Gate, step *release.StepChange, add func(*release.Question)) (release.Decision, error) {
	question := release.Question{
		Version: release.QuestionVersion, Gate: gate, Release: r.in.Release, Request: r.in.Request,
		Step: step, Evidence: r.status.Evidence, Passed: r.passed, Approvals: r.status.Approvals,
		BreakGlass: r.status.BreakGlass, At: workflow.Now(ctx),
	}
	if add != nil {
		add(&question)
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

// require asks the rules, waits while they hold it, and returns their yes.
func (r *run) require(ctx workflow.Context, gate release.Gate) (release.Decision, error) {
	never := func() bool { return false }
	decision, _, err := r.allow(ctx, gate, nil, never)
	return decision, err
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
	for {
		_, allowed, err := r.allow(ctx, gate, &release.StepChange{Unit: unit, From: r.units[unit], To: to}, r.unwatched)
		if err != nil || !allowed || !r.status.Paused || !changed(ctx, changePauseHolds) {
			return allowed, err
		}
		// Somebody paused while the rules were asked: they were told that the weight stays.
		if err := r.proceedUnless(ctx, r.unwatched); err != nil || r.unwatched() {
			return false, err
		}
	}
}

// changed says whether a change is in force for the release. One that was under way before it goes on as it was.
func changed(ctx workflow.Context, change string) bool {
	return workflow.GetVersion(ctx, change, workflow.DefaultVersion, 1) != workflow.DefaultVersion
}

// changePauseHolds is from 2026-11-27: a pause that comes while the rules are asked about a move holds the move. It can
// go once no release from before is under way.
const changePauseHolds = "2026-11-27-pause-holds-the-move"

// allow asks the rules until they allow it, waiting while they hold it. It is false when there is
// nothing left to allow.
func (r *run) allow(ctx workflow.Context, gate release.Gate, step *release.StepChange, moot func() bool) (release.Decision, bool, error) {
	waited := false
	for pause := askFirst; ; pause = min(2*pause, askLast) {
		glass := r.status.BreakGlass
		decision, err := r.decide(ctx, gate, step, nil)
		if err != nil {
			return decision, false, err
		}
		if moot() || decision.Allow {
			r.sayFreed(waited && decision.Allow, gate)
			return decision, !moot(), nil
		}
		if !held(decision) {
			return decision, false, denied(decision)
		}
		if i := slices.IndexFunc(decision.Deny, frozen); step != nil && i >= 0 && r.plan.Freeze == release.RevertFreeze {
			return decision, false, reverted(decision.Deny[i])
		}
		r.sayHeld(ctx, &waited, decision)
		again := func() bool { return moot() || r.status.BreakGlass != glass }
		if err := r.waitOut(ctx, decision, pause, again); err != nil || moot() {
			return decision, false, err
		}
		if err := r.proceedUnless(ctx, moot); err != nil || moot() {
			return decision, false, err
		}
	}
}

// reverted is the end of a release whose manifest says that a freeze takes it back.
func reverted(freeze release.Denial) *stopped {
	return stop(release.Denied, release.CauseFreeze, "a freeze opened and the manifest says revert: "+freeze.Message)
}

// changeHoldsAreTold is from 2026-11-27: releases tell when the rules hold them and when they no longer do. Histories
// from before have no such entries. It can go once no release from before is under way.
const changeHoldsAreTold = "2026-11-27-holds-are-told"

// sayHeld tells once that the rules hold the release.
func (r *run) sayHeld(ctx workflow.Context, told *bool, decision release.Decision) {
	if *told || !changed(ctx, changeHoldsAreTold) {
		return
	}
	*told = true
	var reasons []string
	for _, denial := range decision.Deny {
		reasons = append(reasons, denial.Code+": "+denial.Message)
	}
	r.noteOf(release.EntryHeld, "the rules hold it: "+decision.Deny[0].Message, reasons...)
}

// sayFreed tells that they no longer do, if it was told that they did.
func (r *run) sayFreed(told bool, gate release.Gate) {
	if told {
		r.noteOf(release.EntryFreed, "the rules no longer hold it: "+string(gate))
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
