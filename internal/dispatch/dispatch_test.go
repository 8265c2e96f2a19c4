package dispatch_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/mock"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

// What a real server does with all of this is in test/process. Here is what it does only when something
// goes wrong.

var (
	lane     = release.Lane{Tenant: "t", Application: "a", Environment: "e"}
	id       = release.ID{Lane: lane, Number: 3}
	anything = mock.Anything
)

func encoded(t *testing.T, v any) converter.EncodedValue {
	t.Helper()
	return client.NewValue(payloads(t, v))
}

func payloads(t *testing.T, v any) *commonpb.Payloads {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayloads(v)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLaneThatIsNoneIsRefusedBeforeAnybodyIsAsked(t *testing.T) {
	_, err := dispatch.New(&mocks.Client{}).Submit(t.Context(), release.Request{Lane: release.Lane{Tenant: "t", Application: "A", Environment: "e"}})
	if err == nil || !strings.Contains(err.Error(), "application") {
		t.Errorf("got %v, want what is wrong with the lane", err)
	}
}

func TestQuestionThatIsLostIsAskedAgain(t *testing.T) {
	for name, lost := range map[string]error{
		"by the server": serviceerror.NewDeadlineExceeded("no answer"), "by the client": context.DeadlineExceeded,
	} {
		t.Run(name, func(t *testing.T) {
			c := &mocks.Client{}
			c.On("QueryWorkflow", anything, lane.WorkflowID(), "", workflows.QueryStatus).Return(nil, lost).Once()
			c.On("QueryWorkflow", anything, lane.WorkflowID(), "", workflows.QueryStatus).Return(encoded(t, workflows.LaneState{Number: 7}), nil)
			state, err := dispatch.New(c).Lane(t.Context(), lane)
			if err != nil || state.Number != 7 {
				t.Errorf("got %+v, %v; want the second answer", state, err)
			}
		})
	}
}

func TestQuestionIsGivenUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &mocks.Client{}
		c.On("QueryWorkflow", anything, lane.WorkflowID(), "", workflows.QueryStatus).Run(func(args mock.Arguments) {
			<-args.Get(0).(context.Context).Done()
		}).Return(nil, context.DeadlineExceeded)
		begin := time.Now()
		_, err := dispatch.New(c).Lane(t.Context(), lane)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 10*time.Second {
			t.Errorf("got %v after %s, want it given up within seconds", err, time.Since(begin))
		}
	})
}

func TestErrorsAreInThisProgramsWords(t *testing.T) {
	var refused *dispatch.RefusedError
	for _, c := range []struct {
		name string
		err  error
		is   func(error) bool
	}{
		{"a refusal", temporal.NewNonRetryableApplicationError("cannot pause: it is paused", workflows.TypeRefused, nil), func(err error) bool {
			return errors.As(err, &refused) && refused.Message == "cannot pause: it is paused"
		}},
		{"anything else", errors.New("no route to host"), func(err error) bool {
			return strings.Contains(err.Error(), "pause release t/a/e/3") && strings.Contains(err.Error(), "no route to host")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &mocks.Client{}
			m.On("UpdateWorkflow", anything, anything).Return(nil, c.err)
			if _, err := dispatch.New(m).Instruct(t.Context(), id, dispatch.Pause, release.Instruction{}); !c.is(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestReleaseThatHasEndedIsToldFromOneThatNeverWas(t *testing.T) {
	for name, c := range map[string]struct {
		there error
		want  error
	}{
		"it has ended":    {nil, release.ErrFinished},
		"it never was":    {serviceerror.NewNotFound("no such workflow"), release.ErrNotFound},
		"nobody can know": {errors.New("no route to host"), release.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			m := &mocks.Client{}
			m.On("SignalWorkflow", anything, id.WorkflowID(), "", workflows.SignalAlarm, anything).Return(serviceerror.NewNotFound("not running"))
			m.On("DescribeWorkflowExecution", anything, id.WorkflowID(), "").Return(&workflowservice.DescribeWorkflowExecutionResponse{}, c.there)
			if err := dispatch.New(m).Alarm(t.Context(), id, release.Alarm{}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestAReleaseIsToldOfABuild(t *testing.T) {
	notice := release.BuiltNotice{Repository: "acme/api", Commit: "c"}
	m := &mocks.Client{}
	m.On("SignalWorkflow", anything, id.WorkflowID(), "", workflows.SignalBuilt, notice).Return(nil).Once()
	if err := dispatch.New(m).Built(t.Context(), id, notice); err != nil {
		t.Error(err)
	}
	m.On("SignalWorkflow", anything, id.WorkflowID(), "", workflows.SignalBuilt, notice).Return(serviceerror.NewNotFound("not running"))
	m.On("DescribeWorkflowExecution", anything, id.WorkflowID(), "").Return(&workflowservice.DescribeWorkflowExecutionResponse{}, nil)
	if err := dispatch.New(m).Built(t.Context(), id, notice); !errors.Is(err, release.ErrFinished) {
		t.Errorf("one that has ended: %v", err)
	}
}

func TestStatusHasTheEvidenceOfTheLastHeartbeat(t *testing.T) {
	for name, c := range map[string]struct {
		phase release.Phase
		beats []*workflowpb.PendingActivityInfo
		want  int64
	}{
		"of the watcher": {release.Ramping, []*workflowpb.PendingActivityInfo{
			{ActivityType: &commonpb.ActivityType{Name: "Progress"}},
			{ActivityType: &commonpb.ActivityType{Name: activities.WatchType}, HeartbeatDetails: payloads(t, activities.WatchBeat{Evidence: release.Evidence{CanaryRequests: 9}})},
		}, 9},
		"when there is one":  {release.Watching, []*workflowpb.PendingActivityInfo{{ActivityType: &commonpb.ActivityType{Name: activities.WatchType}}}, 5},
		"not before traffic": {release.Building, nil, 5},
	} {
		t.Run(name, func(t *testing.T) {
			m := &mocks.Client{}
			m.On("QueryWorkflow", anything, id.WorkflowID(), "", workflows.QueryStatus).Return(
				encoded(t, release.Status{ID: id, Phase: c.phase, Evidence: &release.Evidence{CanaryRequests: 5}}), nil)
			if c.phase.MovesTraffic() {
				m.On("DescribeWorkflowExecution", anything, id.WorkflowID(), "").Return(&workflowservice.DescribeWorkflowExecutionResponse{PendingActivities: c.beats}, nil)
			}
			status, err := dispatch.New(m).Status(t.Context(), id)
			if err != nil || status.Evidence.CanaryRequests != c.want {
				t.Errorf("got %+v, %v; want %d requests", status.Evidence, err, c.want)
			}
		})
	}
}
