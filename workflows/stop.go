package workflows

import (
	"errors"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// stopped is why a release leaves its way: the event for the state machine, and the cause for people.
type stopped struct {
	Event release.Event
	Cause release.Cause
}

// Error is the cause's sentence.
func (s *stopped) Error() string { return s.Cause.Message }

func stop(event release.Event, kind release.CauseKind, message string, details ...string) *stopped {
	return &stopped{Event: event, Cause: release.Cause{Kind: kind, Message: message, Details: details}}
}

// denied is a policy's no.
func denied(decision release.Decision) *stopped {
	s := stop(release.Denied, release.CausePolicy, "the rules do not allow it: "+string(decision.Gate))
	for _, denial := range decision.Deny {
		s.Cause.Details = append(s.Cause.Details, denial.Code+": "+denial.Message)
	}
	if len(decision.Deny) == 1 {
		s.Cause.Message = decision.Deny[0].Message
	}
	return s
}

// stopFor says what an error that ended a stage means for the release.
func stopFor(err error) *stopped {
	var s *stopped
	if errors.As(err, &s) {
		return s
	}
	if temporal.IsCanceledError(err) {
		return stop(release.Stopped, release.CauseAbort, "cancelled in Temporal")
	}
	if cause, ok := activities.CauseOf(err); ok {
		event := release.Broke
		if cause.Kind == release.CauseManifest || cause.Kind == release.CauseSource {
			event = release.Denied
		}
		return &stopped{Event: event, Cause: cause}
	}
	return stop(release.Broke, release.CauseInternal, gaveUp(err))
}

// gaveUp says which work did not end well, and the last that was heard of it.
func gaveUp(err error) string {
	var activity *temporal.ActivityError
	if !errors.As(err, &activity) {
		return "could not go on: " + rootMessage(err)
	}
	sentence := "gave up on " + activity.ActivityType().GetName() + ": "
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) && timeout.TimeoutType() == enums.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE {
		sentence += "it did not end well in the time it has; last: "
	}
	return sentence + rootMessage(err)
}

// rootMessage is the innermost sentence of an activity's error: the layers around it name
// activities and attempts, which the Temporal UI shows anyway.
func rootMessage(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		return timeout.Message()
	}
	return err.Error()
}
