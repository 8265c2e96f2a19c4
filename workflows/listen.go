package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// TypeRefused is the type of the error that an instruction ends with when it is not followed.
const TypeRefused = "InstructionRefused"

// Followed is the answer to an instruction that was followed.
type Followed struct {
	Phase   release.Phase `json:"phase"`
	Message string        `json:"message"`
}

// instruction is one thing that people can tell a release: when they may, and what it does.
type instruction struct {
	name string
	may  func(release.Instruction) error
	do   func(workflow.Context, release.Instruction) (string, error)
}

// listen sets up the status query, the updates and the signals.
func (r *run) listen(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, QueryStatus, func() (release.Status, error) {
		status := r.status
		status.Ask = r.snapshot()
		return status, nil
	}); err != nil {
		return err
	}
	for _, i := range []instruction{
		{UpdateApprove, r.mayApprove, r.takeApproval},
		{UpdateReject, r.mayAnswer, r.takeRejection},
		{UpdatePause, r.mayPause, r.takePause},
		{UpdateResume, r.mayResume, r.takeResume},
		{UpdatePromote, r.mayPromote, r.takePromotion},
		{UpdateAbort, r.mayAbort, r.takeAbort},
		{UpdateRollback, r.mayRollBack, r.takeRollback},
		{UpdateBreakGlass, r.mayBreakGlass, r.takeBreakGlass},
	} {
		err := workflow.SetUpdateHandlerWithOptions(ctx, i.name, r.handle(i), workflow.UpdateHandlerOptions{
			Validator:   func(_ workflow.Context, in release.Instruction) error { return refuse(i.name, i.may(in)) },
			Description: "Tell the release to " + i.name,
		})
		if err != nil {
			return fmt.Errorf("set up %s: %w", i.name, err)
		}
	}
	workflow.Go(r.base, r.hearAlarms)
	workflow.Go(r.base, r.hearNewer)
	workflow.Go(r.base, r.hearPresence)
	workflow.Go(r.base, r.hearBuilt)
	return nil
}

// handle follows an instruction that its validator let through, and records it.
func (r *run) handle(i instruction) func(workflow.Context, release.Instruction) (Followed, error) {
	return func(ctx workflow.Context, in release.Instruction) (Followed, error) {
		ctx, _ = workflow.NewDisconnectedContext(ctx)
		message, err := i.do(ctx, in)
		record := activities.InstructionInput{Release: r.in.Release, Kind: i.name, Instruction: in}
		if err != nil {
			record.Refused = err.Error()
		}
		// The instruction is followed by now; a journal that is away is waited for, and does not undo it.
		if saved := workflow.ExecuteActivity(quick(ctx, "Record "+i.name+" by "+in.By.Name), records.Instruction, record).Get(ctx, nil); saved != nil {
			return Followed{}, saved
		}
		return Followed{Phase: r.status.Phase, Message: message}, refuse(i.name, err)
	}
}

// refuse is the error of an instruction that is not followed, under its type.
func refuse(name string, err error) error {
	if err == nil {
		return nil
	}
	return temporal.NewNonRetryableApplicationError("cannot "+name+": "+err.Error(), TypeRefused, nil)
}

func (r *run) hearAlarms(ctx workflow.Context) {
	channel := workflow.GetSignalChannel(ctx, SignalAlarm)
	for {
		var alarm release.Alarm
		channel.Receive(ctx, &alarm)
		sentence := fmt.Sprintf("alarm %s from %s", alarm.Name, alarm.Source)
		if alarm.Summary != "" {
			sentence += ": " + alarm.Summary
		}
		r.interrupt(stop(release.Broke, release.CauseAlarm, sentence))
	}
}

func (r *run) hearNewer(ctx workflow.Context) {
	channel := workflow.GetSignalChannel(ctx, SignalSupersede)
	for {
		var newer release.ID
		channel.Receive(ctx, &newer)
		r.interrupt(stop(release.Overtaken, release.CauseSuperseded, fmt.Sprintf("release %d takes the lane", newer.Number)))
	}
}

// hearPresence takes the lane's question whether the release is there. That the signal arrives is
// the answer.
func (r *run) hearPresence(ctx workflow.Context) {
	channel := workflow.GetSignalChannel(ctx, SignalPresence)
	for {
		channel.Receive(ctx, nil)
	}
}
