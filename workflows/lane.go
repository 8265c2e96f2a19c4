package workflows

import (
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// LaneInput is a lane's name and, after it has continued as new, its state.
type LaneInput struct {
	Lane  release.Lane
	State LaneState
}

// TypeNotStarted is the type of the error that a submission ends with when its release could not begin.
const TypeNotStarted = "ReleaseNotStarted"

// presenceFirst and presenceLast are the first and the longest pause before a lane that has continued as
// new asks whether the release it found under way is still there. A release says itself how it ends;
// this is for one that was terminated. Each question is a signal, of which a workflow takes 10,000 in
// its life: once a minute they were used up in a week of waiting for people, and no alarm got through.
const (
	presenceFirst = time.Minute
	presenceLast  = 15 * time.Minute
)

// lane is one lane at work.
type lane struct {
	name  release.Lane
	state LaneState
	// starting is held while a release is being started, so that submissions wait their turn.
	starting workflow.Mutex
	// finished and lost are what has ended and is not taken in yet.
	finished []release.Outcome
	lost     []release.ID
}

// Lane queues the releases of one application in one environment: one at a time moves traffic. It
// owns the numbers and knows what is stable. It never ends; it continues as new when its history
// has grown, with no submission half-done.
func Lane(ctx workflow.Context, in LaneInput) error {
	l := &lane{name: in.Lane, state: in.State, starting: workflow.NewMutex(ctx)}
	if l.state.Stable == nil {
		l.state.Stable = map[string]release.Revision{}
	}
	// Submissions wait until the lane knows where it stands.
	if err := l.starting.Lock(ctx); err != nil {
		return err
	}
	if err := l.listen(ctx); err != nil {
		return err
	}
	if err := l.recall(ctx); err != nil {
		return err
	}
	l.starting.Unlock()
	if l.state.Current != nil {
		// Its end may be the first news of this run, and be taken in before the coroutine begins.
		under := l.state.Current.Release
		workflow.Go(ctx, func(ctx workflow.Context) { l.look(ctx, under) })
	}
	ended := workflow.GetSignalChannel(ctx, SignalFinished)
	for {
		l.show(ctx)
		quiet := func() bool {
			return workflow.GetInfo(ctx).GetContinueAsNewSuggested() && workflow.AllHandlersFinished(ctx)
		}
		if err := workflow.Await(ctx, func() bool { return ended.Len() > 0 || l.news() || quiet() }); err != nil {
			return err
		}
		// Nothing may wait between here and the end of the run, or what comes meanwhile would be lost. For
		// the same reason no other coroutine receives: a signal would be with one that has not run yet.
		l.drain(ended)
		if !l.news() && quiet() {
			return workflow.NewContinueAsNewError(ctx, Lane, LaneInput{Lane: l.name, State: l.state})
		}
		if err := l.settle(ctx, ended); err != nil {
			return err
		}
	}
}

// recall lets a lane whose workflow begins anew, because an operator ended the one before, go on from
// what is recorded: numbers are given once, and what serves is what the next canary is compared with.
func (l *lane) recall(ctx workflow.Context) error {
	if l.state.Number > 0 {
		return nil
	}
	var known activities.RecallResult
	in := activities.RecallInput{Lane: l.name}
	if err := workflow.ExecuteActivity(quick(ctx, "Recall what is recorded of the lane"), records.Recall, in).Get(ctx, &known); err != nil {
		return err
	}
	l.state = l.state.recalled(known)
	return nil
}

// waits shows a release that has to wait for its turn, before its own workflow can.
func (l *lane) waits(ctx workflow.Context, id release.ID, req release.Request) error {
	in := activities.ProgressInput{Summary: release.Summary{
		ID: id, Phase: release.Pending, Ref: req.Ref, Commit: req.Commit, Message: req.Message,
		Requester: req.Requester, Requested: req.At, Updated: workflow.Now(ctx),
	}}
	return workflow.ExecuteActivity(quick(ctx, "Record that "+id.String()+" waits"), records.Progress, in).Get(ctx, nil)
}

// news says whether something has ended that is not taken in yet.
func (l *lane) news() bool { return len(l.finished)+len(l.lost) > 0 }

// settle takes in what has ended and starts what waits, in one go: a submission that came between
// would find the lane free and pass those that wait.
func (l *lane) settle(ctx workflow.Context, ended workflow.ReceiveChannel) error {
	if err := l.starting.Lock(ctx); err != nil {
		return err
	}
	defer l.starting.Unlock()
	// A release that has said how it ends is gone as well. Its word counts, also when both became
	// known while a submission was being answered.
	l.drain(ended)
	for _, outcome := range l.finished {
		l.state = l.state.finished(outcome)
	}
	for _, id := range l.lost {
		l.state = l.state.lost(id)
	}
	l.finished, l.lost = nil, nil
	if next, ok := l.state.next(); ok {
		// A release that cannot start counts as lost, and the one after it gets its turn.
		_ = l.start(ctx, next)
	}
	return nil
}

// listen sets up the query and the update.
func (l *lane) listen(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, QueryStatus, func() (LaneState, error) { return l.state, nil }); err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateSubmit, l.submit, workflow.UpdateHandlerOptions{
		Validator: func(_ workflow.Context, req release.Request) error {
			if req.Lane != l.name {
				return refuse(UpdateSubmit, fmt.Errorf("the request is for lane %s, this is lane %s", req.Lane, l.name))
			}
			return nil
		},
		Description: "Ask for a release",
	})
}

// drain takes the signals that are there.
func (l *lane) drain(ended workflow.ReceiveChannel) {
	for {
		// A new one each time: decoding into a used one would join their maps.
		var outcome release.Outcome
		if !ended.ReceiveAsync(&outcome) {
			return
		}
		l.finished = append(l.finished, outcome)
	}
}

// submit answers a request for a release, and does what the answer says. A release that has to wait is
// recorded out of turn: a database that is away must not hold up those before it.
func (l *lane) submit(ctx workflow.Context, req release.Request) (release.Submission, error) {
	submission, err := l.answer(ctx, req)
	if err != nil || (submission.Answer != release.Queued && submission.Answer != release.Superseding) {
		return submission, err
	}
	return submission, l.waits(ctx, submission.Release, req)
}

// answer decides on a request, and does it, in its turn.
func (l *lane) answer(ctx workflow.Context, req release.Request) (release.Submission, error) {
	if err := l.starting.Lock(ctx); err != nil {
		return release.Submission{}, err
	}
	defer l.starting.Unlock()
	answer := l.state.decide(req)
	l.state = answer.State
	for _, end := range answer.End {
		// These are for the record only: what can be done about one that cannot start is in the log.
		_ = l.start(ctx, end)
	}
	if answer.Supersede != nil {
		// A release that has ended meanwhile has told us already.
		newer := answer.Submission.Release
		if err := workflow.SignalExternalWorkflow(ctx, answer.Supersede.WorkflowID(), "", SignalSupersede, newer).Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Warn("release not told of a newer one", "release", answer.Supersede.String(), "error", err)
		}
	}
	if answer.Start != nil {
		if err := l.start(ctx, *answer.Start); err != nil {
			// The same request may come again, and is no duplicate then.
			l.state = l.state.forget(answer.Start.Release)
			return release.Submission{}, err
		}
	}
	l.show(ctx)
	return answer.Submission, nil
}

// start begins a release as a child that outlives its lane's run.
func (l *lane) start(ctx workflow.Context, in ReleaseInput) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: in.Release.WorkflowID(),
		// A number is given once: a lane that has lost its state must not write over what it named.
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		TypedSearchAttributes: LaneAttributes(l.name),
		StaticSummary:         fmt.Sprintf("%s %s: %s", in.Release, short(in.Request.Commit), firstLine(in.Request.Message)),
		RetryPolicy:           &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	future := workflow.ExecuteChildWorkflow(child, ReleaseType, in)
	if err := future.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Error("release not started", "release", in.Release.String(), "error", err)
		l.lost = append(l.lost, in.Release)
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf("release %s could not be started: %s", in.Release, err), TypeNotStarted, err)
	}
	if in.Refused == nil {
		workflow.Go(ctx, func(ctx workflow.Context) { l.follow(ctx, in.Release, future) })
	}
	return nil
}

// follow takes the end of a release from its result, for one whose word did not arrive, and notices
// one that has none: it was terminated, or failed.
func (l *lane) follow(ctx workflow.Context, id release.ID, child workflow.ChildWorkflowFuture) {
	var outcome release.Outcome
	if err := child.Get(ctx, &outcome); err != nil {
		workflow.GetLogger(ctx).Error("release lost", "release", id.String(), "error", err)
		l.lost = append(l.lost, id)
		return
	}
	l.finished = append(l.finished, outcome)
}

// look asks a release of an earlier run whether it is there, until it has ended.
func (l *lane) look(ctx workflow.Context, id release.ID) {
	for pause := presenceFirst; l.state.Current != nil && l.state.Current.Release == id; pause = min(2*pause, presenceLast) {
		if err := workflow.NewTimerWithOptions(ctx, pause, workflow.TimerOptions{Summary: "Ask whether " + id.String() + " is there"}).Get(ctx, nil); err != nil {
			return
		}
		if err := workflow.SignalExternalWorkflow(ctx, id.WorkflowID(), "", SignalPresence, nil).Get(ctx, nil); err != nil {
			l.lost = append(l.lost, id)
			return
		}
	}
}

// show brings the readable details in the Temporal UI up to date.
func (l *lane) show(ctx workflow.Context) { workflow.SetCurrentDetails(ctx, l.state.details()) }
