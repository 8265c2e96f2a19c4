// Package dispatch is the one door into Temporal: it starts lanes, hands them requests, tells
// releases what people and alarms say, and asks how they are. It owns the workflows' names.
package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

// Dispatcher speaks to the workflows. Its methods are safe for concurrent use.
type Dispatcher struct{ client client.Client }

// New is a dispatcher over a client, which stays the caller's to close.
func New(c client.Client) *Dispatcher { return &Dispatcher{client: c} }

// RefusedError is a release's or lane's no to an instruction, with its reason.
type RefusedError struct{ Message string }

// Error is the reason.
func (e *RefusedError) Error() string { return e.Message }

// Instruction is a word that releases understand.
type Instruction string

// The instructions. See the updates of package workflows.
const (
	Approve    Instruction = workflows.UpdateApprove
	Reject     Instruction = workflows.UpdateReject
	Pause      Instruction = workflows.UpdatePause
	Resume     Instruction = workflows.UpdateResume
	Promote    Instruction = workflows.UpdatePromote
	Abort      Instruction = workflows.UpdateAbort
	Rollback   Instruction = workflows.UpdateRollback
	BreakGlass Instruction = workflows.UpdateBreakGlass
)

// Instructions are all of them, in the order people learn them.
func Instructions() []Instruction {
	return []Instruction{Approve, Reject, Pause, Resume, Promote, Abort, Rollback, BreakGlass}
}

// Submit asks a lane for a release and starts the lane when it is new. The same request twice is
// answered [release.Duplicate].
func (d *Dispatcher) Submit(ctx context.Context, req release.Request) (release.Submission, error) {
	if err := req.Lane.Check(); err != nil {
		return release.Submission{}, fmt.Errorf("submit: %w", err)
	}
	start := d.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID:                       req.Lane.WorkflowID(),
		TaskQueue:                workflows.TaskQueue,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes:    workflows.LaneAttributes(req.Lane),
		StaticSummary:            "Lane of " + req.Lane.String(),
	}, workflows.LaneType, workflows.LaneInput{Lane: req.Lane})
	handle, err := d.client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateID: updateID(req.Key), UpdateName: workflows.UpdateSubmit, Args: []any{req},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	if err != nil {
		return release.Submission{}, readError(err, "submit to lane "+req.Lane.String())
	}
	var answer release.Submission
	if err := handle.Get(ctx, &answer); err != nil {
		return release.Submission{}, readError(err, "submit to lane "+req.Lane.String())
	}
	return answer, nil
}

// updateID makes the same request the same update, so that a retry after a lost answer gets that answer.
func updateID(key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// Instruct tells a release what a person says, and returns when it is followed and recorded. A
// release that will not follow answers with a [RefusedError]; one that nobody knows is [release.ErrNotFound]. The
// same instruction again, by its ID, is followed once, and answered as it was the first time.
func (d *Dispatcher) Instruct(ctx context.Context, id release.ID, what Instruction, in release.Instruction) (workflows.Followed, error) {
	doing := fmt.Sprintf("%s release %s", what, id)
	handle, err := d.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id.WorkflowID(), UpdateID: updateID(in.ID), UpdateName: string(what), Args: []any{in},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return workflows.Followed{}, d.instructError(ctx, id, err, doing)
	}
	var followed workflows.Followed
	if err := handle.Get(ctx, &followed); err != nil {
		return workflows.Followed{}, d.instructError(ctx, id, err, doing)
	}
	return followed, nil
}

// instructError tells a release that has ended from one that never was: the server says of both
// that there is no such workflow under way.
func (d *Dispatcher) instructError(ctx context.Context, id release.ID, err error, doing string) error {
	err = readError(err, doing)
	if !errors.Is(err, release.ErrNotFound) {
		return err
	}
	if _, there := d.client.DescribeWorkflowExecution(ctx, id.WorkflowID(), ""); there == nil {
		return fmt.Errorf("%s: %w", doing, release.ErrFinished)
	}
	return err
}

// Alarm tells a release of an alarm. It returns when the alarm is safely in the release's history.
func (d *Dispatcher) Alarm(ctx context.Context, id release.ID, alarm release.Alarm) error {
	err := d.client.SignalWorkflow(ctx, id.WorkflowID(), "", workflows.SignalAlarm, alarm)
	return d.instructError(ctx, id, err, "raise an alarm at release "+id.String())
}

// Built tells a release that a build elsewhere of its commit has ended, so that it looks at once. It returns when the
// word is safely in the release's history. A release that waits for no build takes no notice.
func (d *Dispatcher) Built(ctx context.Context, id release.ID, notice release.BuiltNotice) error {
	err := d.client.SignalWorkflow(ctx, id.WorkflowID(), "", workflows.SignalBuilt, notice)
	return d.instructError(ctx, id, err, "tell release "+id.String()+" of a build")
}

// Lane is how a lane is.
func (d *Dispatcher) Lane(ctx context.Context, lane release.Lane) (workflows.LaneState, error) {
	var state workflows.LaneState
	value, err := d.ask(ctx, lane.WorkflowID())
	if err != nil {
		return state, readError(err, "ask lane "+lane.String())
	}
	if err := value.Get(&state); err != nil {
		return state, fmt.Errorf("read the state of lane %s: %w", lane, err)
	}
	return state, nil
}

// Status is how a release is, with the evidence as its watcher last heartbeat it.
func (d *Dispatcher) Status(ctx context.Context, id release.ID) (release.Status, error) {
	var status release.Status
	value, err := d.ask(ctx, id.WorkflowID())
	if err != nil {
		return status, readError(err, "ask release "+id.String())
	}
	if err := value.Get(&status); err != nil {
		return status, fmt.Errorf("read the status of release %s: %w", id, err)
	}
	if !status.Phase.MovesTraffic() {
		return status, nil
	}
	live, err := d.liveEvidence(ctx, id)
	if err != nil {
		return status, err
	}
	if live != nil {
		status.Evidence = live
	}
	return status, nil
}

// askFor is how long one question may take before it is asked again, and askTimes how often that is
// done. A question that reaches a lane in the moment it continues as new can be lost with the run it
// was meant for; the next one finds the new run. An answer takes milliseconds.
const (
	askFor   = 2 * time.Second
	askTimes = 4
)

// ask asks a workflow for its status. Only that there is no such workflow is final: the server says in
// several ways that a question was lost, depending on which of its parts noticed first.
func (d *Dispatcher) ask(ctx context.Context, workflow string) (value converter.EncodedValue, err error) {
	for range askTimes {
		value, err = d.askOnce(ctx, workflow)
		var unknown *serviceerror.NotFound
		if err == nil || ctx.Err() != nil || errors.As(err, &unknown) {
			return value, err
		}
	}
	return value, err
}

func (d *Dispatcher) askOnce(ctx context.Context, workflow string) (converter.EncodedValue, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return d.client.QueryWorkflow(ctx, workflow, "", workflows.QueryStatus)
}

// liveEvidence is what the watcher under way said last; nil when it has said nothing yet.
func (d *Dispatcher) liveEvidence(ctx context.Context, id release.ID) (*release.Evidence, error) {
	described, err := d.client.DescribeWorkflowExecution(ctx, id.WorkflowID(), "")
	if err != nil {
		return nil, readError(err, "describe release "+id.String())
	}
	for _, pending := range described.GetPendingActivities() {
		if pending.GetActivityType().GetName() != activities.WatchType || pending.GetHeartbeatDetails() == nil {
			continue
		}
		var beat activities.WatchBeat
		if err := converter.GetDefaultDataConverter().FromPayloads(pending.GetHeartbeatDetails(), &beat); err != nil {
			return nil, fmt.Errorf("read the evidence of release %s: %w", id, err)
		}
		return &beat.Evidence, nil
	}
	return nil, nil
}

// readError turns what Temporal says into this program's words.
func readError(err error, doing string) error {
	if err == nil {
		return nil
	}
	var application *temporal.ApplicationError
	if errors.As(err, &application) && application.Type() == workflows.TypeRefused {
		return &RefusedError{Message: application.Message()}
	}
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return fmt.Errorf("%s: %w", doing, release.ErrNotFound)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
