package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/internal/release"
)

// question is an approval that people are being asked for.
type question struct {
	approval release.Approval
	answers  []release.Approved
	until    time.Time
}

// answered says whether enough people have approved.
func (q *question) answered() bool { return len(q.answers) >= q.approval.Count }

// mayCount says why an approval would not count. One name counts once, wherever it comes from: a
// quorum is of people, and one of them may use the CLI and the chat.
func (q *question) mayCount(by release.Actor) error {
	if slices.ContainsFunc(q.answers, func(a release.Approved) bool { return strings.EqualFold(a.By.Name, by.Name) }) {
		return fmt.Errorf("%s has approved already; %d of %d approvals are in", by.Name, len(q.answers), q.approval.Count)
	}
	return nil
}

// mayAnswer says why somebody may not answer, and nil when they may.
func (q *question) mayAnswer(by release.Actor) error {
	if len(q.approval.From) == 0 || slices.Contains(q.approval.From, by.Name) {
		return nil
	}
	for _, group := range by.Groups {
		if slices.Contains(q.approval.From, group) {
			return nil
		}
	}
	return fmt.Errorf("%s may not answer: the manifest asks for one of %v", by.Name, q.approval.From)
}

// approve is the phase in which people are asked before the ramp.
func (r *run) approve(ctx workflow.Context) error { return r.askPeople(ctx, release.BeforeRamp) }

// askPeople waits for the approvals that the manifest wants at this point.
func (r *run) askPeople(ctx workflow.Context, point release.ApprovalPoint) error {
	approval := r.plan.Approval
	if approval == nil || approval.Before != point || len(r.plan.Changed()) == 0 {
		return nil
	}
	r.ask = &question{approval: *approval, until: workflow.Now(ctx).Add(approval.Within.Std())}
	defer func() { r.ask = nil }()
	r.note(fmt.Sprintf("waiting for %d approvals of plan %s", approval.Count, r.status.PlanHash[:12]))
	defer r.wait(fmt.Sprintf("%d approvals", approval.Count), r.ask.until)()
	timer, cancel := workflow.WithCancel(ctx)
	defer cancel()
	expired := workflow.NewTimerWithOptions(timer, approval.Within.Std(), workflow.TimerOptions{Summary: "The approval expires"})
	if err := r.await(ctx, func() bool { return r.ask.answered() || expired.IsReady() }); err != nil {
		return err
	}
	if !r.ask.answered() {
		return stop(release.Denied, release.CauseExpired, fmt.Sprintf("%d of %d approvals came within %s", len(r.ask.answers), approval.Count, approval.Within))
	}
	return nil
}
