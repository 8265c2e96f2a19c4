package workflows_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/activities/activitiestest"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

// laneScene is a lane whose releases do what they are told by signals.
type laneScene struct {
	t       *testing.T
	world   *activitiestest.World
	env     *testsuite.TestWorkflowEnvironment
	started []workflows.ReleaseInput
	// answers and errors are those of submissions, by their key.
	answers map[string]release.Submission
	errors  map[string]string
	told    []string
	asked   int
}

// signalEnd ends a stub release with the phase it carries; "terminated" ends it without a word.
const signalEnd = "end"

// stub is a release that waits to be told its end.
func (s *laneScene) stub(ctx workflow.Context, in workflows.ReleaseInput) (release.Outcome, error) {
	s.started = append(s.started, in)
	if in.Refused != nil {
		return release.Outcome{Release: in.Release}, nil
	}
	outcome := release.Outcome{Release: in.Release, Stable: in.Stable}
	var end string
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(workflow.GetSignalChannel(ctx, signalEnd), func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, &end) })
	selector.AddReceive(workflow.GetSignalChannel(ctx, workflows.SignalSupersede), func(c workflow.ReceiveChannel, _ bool) {
		c.Receive(ctx, nil)
		s.told = append(s.told, in.Release.String())
		end = string(release.RolledBack)
	})
	selector.Select(ctx)
	if end == "terminated" {
		return outcome, errors.New("terminated")
	}
	outcome.Phase = release.Phase(end)
	if outcome.Phase == release.Completed {
		outcome.Stable = map[string]release.Revision{"web": {ID: fmt.Sprintf("web-%d", in.Release.Number)}}
	}
	if end == "silent" {
		outcome.Phase = release.Failed
		return outcome, nil
	}
	return outcome, workflow.SignalExternalWorkflow(ctx, in.Release.Lane.WorkflowID(), "", workflows.SignalFinished, outcome).Get(ctx, nil)
}

// inLane plays a lane until it is cancelled or continues as new, and returns its error. Nothing in it
// runs beside the workflows, so that the environment itself skips all waiting.
func inLane(t *testing.T, state workflows.LaneState, play func(*laneScene)) (*laneScene, error) {
	t.Helper()
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	s := &laneScene{t: t, world: activitiestest.New(1, "a"), env: suite.NewTestWorkflowEnvironment(), answers: map[string]release.Submission{}, errors: map[string]string{}}
	s.env.SetDetachedChildWait(false)
	s.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: lane.WorkflowID(), TaskQueue: workflows.TaskQueue})
	s.env.RegisterWorkflowWithOptions(workflows.Lane, workflow.RegisterOptions{Name: workflows.LaneType})
	s.env.RegisterWorkflowWithOptions(s.stub, workflow.RegisterOptions{Name: workflows.ReleaseType})
	s.env.RegisterActivity(&activities.Record{Journal: s.world.Journal})
	play(s)
	s.env.ExecuteWorkflow(workflows.LaneType, workflows.LaneInput{Lane: lane, State: state})
	return s, s.env.GetWorkflowError()
}

func TestLaneThatBeginsAnewGoesOnFromWhatIsRecorded(t *testing.T) {
	stable := map[string]release.Revision{"web": {ID: "web-41"}}
	s, _ := inLane(t, workflows.LaneState{}, func(s *laneScene) {
		last := release.ID{Lane: lane, Number: 41}
		for _, err := range []error{
			s.world.Journal.SaveStable(t.Context(), last, stable),
			s.world.Journal.SaveProgress(t.Context(), release.Summary{ID: last, Phase: release.Completed}, nil),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		s.submit(1, "a")
		s.at(2, func() { s.env.CancelWorkflow() })
	})
	if got := s.answers["a"].Release.Number; got != 42 {
		t.Errorf("the next release has number %d, want 42", got)
	}
	if len(s.started) != 1 || s.started[0].Stable["web"].ID != "web-41" {
		t.Errorf("started %+v, want one release that is compared with web-41", s.started)
	}
}

func TestLaneThatBeginsAnewWaitsForAReleaseThatIsStillThere(t *testing.T) {
	s, _ := inLane(t, workflows.LaneState{}, func(s *laneScene) {
		last := release.ID{Lane: lane, Number: 41}
		if err := s.world.Journal.SaveProgress(t.Context(), release.Summary{ID: last, Phase: release.Ramping}, nil); err != nil {
			t.Fatal(err)
		}
		s.submit(1, "a")
		s.at(2, func() { s.env.CancelWorkflow() })
	})
	if a := s.answers["a"]; a.Answer != release.Queued || a.Release.Number != 42 {
		t.Errorf("answered %+v, want release 42 to wait", a)
	}
	if len(s.started) != 0 {
		t.Errorf("started %+v beside a release that is under way", s.started)
	}
}

// at does something at a second.
func (s *laneScene) at(second int, f func()) {
	s.env.RegisterDelayedCallback(f, time.Duration(second)*time.Second)
}

// submit asks for a release at a second, under a key.
func (s *laneScene) submit(second int, key string, edit ...func(*release.Request)) {
	s.at(second, func() { s.submitNow(key, edit...) })
}

func (s *laneScene) submitNow(key string, edit ...func(*release.Request)) {
	req := release.Request{Key: key, Lane: lane, Commit: v1, Requester: ada, Concurrency: release.Queue}
	for _, f := range edit {
		f(&req)
	}
	s.asked++
	s.env.UpdateWorkflow(workflows.UpdateSubmit, fmt.Sprint("submission ", s.asked), &submission{s, key}, req)
}

type submission struct {
	s   *laneScene
	key string
}

func (a *submission) Accept()          {}
func (a *submission) Reject(err error) { a.s.errors[a.key] = err.Error() }
func (a *submission) Complete(value any, err error) {
	if err != nil {
		a.s.errors[a.key] = err.Error()
		return
	}
	a.s.answers[a.key] = value.(release.Submission)
}

// end ends a release at a second.
func (s *laneScene) end(second, number int, how string) {
	s.at(second, func() {
		if err := s.env.SignalWorkflowByID(release.ID{Lane: lane, Number: number}.WorkflowID(), signalEnd, how); err != nil {
			s.t.Errorf("end release %d: %v", number, err)
		}
	})
}

func (s *laneScene) leave(second int) { s.at(second, s.env.CancelWorkflow) }

func (s *laneScene) state() workflows.LaneState {
	s.t.Helper()
	value, err := s.env.QueryWorkflow(workflows.QueryStatus)
	if err != nil {
		s.t.Fatal(err)
	}
	var state workflows.LaneState
	if err := value.Get(&state); err != nil {
		s.t.Fatal(err)
	}
	return state
}

// numbers are the releases that were started, those over before they began with a minus.
func (s *laneScene) numbers() []int {
	var out []int
	for _, in := range s.started {
		n := in.Release.Number
		if in.Refused != nil {
			n = -n
		}
		out = append(out, n)
	}
	return out
}

func as(c release.Concurrency) func(*release.Request) {
	return func(req *release.Request) { req.Concurrency = c }
}

func TestLaneRunsOneReleaseAfterTheOther(t *testing.T) {
	s, _ := inLane(t, workflows.LaneState{}, func(s *laneScene) {
		s.submit(1, "a")
		s.submit(2, "b")
		s.submit(3, "c")
		s.submit(4, "b")
		s.at(5, func() {
			if state := s.state(); state.Current.Release.Number != 1 || len(state.Queue) != 2 {
				t.Errorf("under way is %d before %d others, want 1 before 2", state.Current.Release.Number, len(state.Queue))
			}
		})
		s.end(10, 1, string(release.Completed))
		s.end(20, 2, string(release.RolledBack))
		s.end(30, 3, string(release.Completed))
		s.leave(40)
	})
	if got := s.numbers(); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("started %v, want 1, 2, 3", got)
	}
	for key, want := range map[string]release.Answer{"a": release.Started, "b": release.Duplicate, "c": release.Queued} {
		if got := s.answers[key]; got.Answer != want || got.Message == "" {
			t.Errorf("%s was answered %+v, want %s", key, got, want)
		}
	}
	if got := s.answers["b"].Release.Number; got != 2 {
		t.Errorf("the same request again is release %d, want 2", got)
	}
	for i, want := range []string{"", "web-1", "web-1"} {
		if got := s.started[i].Stable["web"].ID; got != want {
			t.Errorf("release %d starts from %q, want %q: only a completed release changes what is stable", i+1, got, want)
		}
	}
	if state := s.state(); state.Current != nil || state.Stable["web"].ID != "web-3" || state.Last.Release.Number != 3 {
		t.Errorf("left %+v", state)
	}
}

func TestSubmissionAtTheMomentOfAnEndDoesNotPassThoseThatWait(t *testing.T) {
	s, _ := inLane(t, workflows.LaneState{}, func(s *laneScene) {
		s.submit(1, "a")
		s.submit(2, "b")
		// All of this is in one task: the lane is busy with x and y when the end comes.
		s.at(10, func() {
			s.submitNow("x", func(req *release.Request) { req.Problems = problems })
			s.env.SignalWorkflow(workflows.SignalFinished, release.Outcome{Release: release.ID{Lane: lane, Number: 1}, Phase: release.Completed})
			s.submitNow("y")
		})
		s.leave(20)
	})
	if got := s.numbers(); !slices.Equal(got, []int{1, -3, 2}) {
		t.Errorf("started %v, want 1, -3 and then 2, which waited", got)
	}
	if got := s.answers["y"].Answer; got != release.Queued {
		t.Errorf("y was answered %s, want queued", got)
	}
}

func TestSupersedingReleaseReplacesWhatWaitsAndWhatIsUnderWay(t *testing.T) {
	s, _ := inLane(t, workflows.LaneState{}, func(s *laneScene) {
		s.submit(1, "a")
		s.submit(2, "b")
		s.submit(3, "c", as(release.Supersede))
		s.leave(10)
	})
	if got := s.numbers(); !slices.Equal(got, []int{1, -2, 3}) {
		t.Errorf("started %v, want 1, then 2 as over before it began, then 3", got)
	}
	if refused := s.started[1].Refused; refused.Event != release.Overtaken || refused.Cause.Kind != release.CauseSuperseded {
		t.Errorf("release 2 is over by %+v, want overtaken", refused)
	}
	if !slices.Equal(s.told, []string{"fliggy/rail-tour/production/1"}) || s.answers["c"].Answer != release.Superseding {
		t.Errorf("told %v and answered %s, want the one under way to make room", s.told, s.answers["c"].Answer)
	}
}

func TestRejectRefusesWhileOneIsUnderWay(t *testing.T) {
	s, _ := inLane(t, workflows.LaneState{}, func(s *laneScene) {
		s.submit(1, "a", as(release.Reject))
		s.submit(2, "b", as(release.Reject))
		s.leave(10)
	})
	if got := s.numbers(); !slices.Equal(got, []int{1, -2}) || s.answers["b"].Answer != release.Rejected {
		t.Errorf("started %v, answered %s; want the second refused and recorded", got, s.answers["b"].Answer)
	}
}

func TestBrokenManifestIsRefusedOutOfTurnWithAllItsProblems(t *testing.T) {
	s, _ := inLane(t, workflows.LaneState{}, func(s *laneScene) {
		s.submit(1, "a")
		s.submit(2, "b", as(release.Supersede), func(req *release.Request) { req.Problems = problems })
		s.leave(10)
	})
	if got := s.answers["b"]; got.Answer != release.Rejected || !strings.Contains(got.Message, "skyisland.yaml:3:7") || !strings.Contains(got.Message, "skyisland.yaml:9:1") {
		t.Errorf("answered %+v, want refused with both problems", got)
	}
	if len(s.told) > 0 {
		t.Errorf("told %v: a manifest that cannot be used makes nobody stop", s.told)
	}
}

func TestRequestForAnotherLaneIsRefused(t *testing.T) {
	s, _ := inLane(t, workflows.LaneState{}, func(s *laneScene) {
		s.submit(1, "a", func(req *release.Request) { req.Lane.Environment = "staging" })
		s.leave(10)
	})
	if got := s.errors["a"]; !strings.Contains(got, "fliggy/rail-tour/staging") || len(s.started) > 0 {
		t.Errorf("refused with %q after starting %v", got, s.numbers())
	}
}

func TestReleaseThatEndsWithoutAWordFreesTheLane(t *testing.T) {
	for how, want := range map[string]string{"terminated": "ended from outside", "silent": ""} {
		t.Run(how, func(t *testing.T) {
			s, _ := inLane(t, workflows.LaneState{}, func(s *laneScene) {
				s.submit(1, "a")
				s.submit(2, "b")
				s.end(10, 1, how)
				s.at(20, func() {
					last := s.state().Last
					if last == nil || last.Release.Number != 1 || last.Phase != release.Failed || want != "" && !strings.Contains(last.Cause.Message, want) {
						t.Errorf("last is %+v, want release 1 failed", last)
					}
				})
				s.leave(30)
			})
			if got := s.numbers(); !slices.Equal(got, []int{1, 2}) {
				t.Errorf("started %v, want the next one as well", got)
			}
		})
	}
}

func TestReleaseThatCannotStartFreesTheLane(t *testing.T) {
	s, _ := inLane(t, workflows.LaneState{}, func(s *laneScene) {
		s.env.OnWorkflow(workflows.ReleaseType, anything, anything).Return(release.Outcome{}, testsuite.ErrMockStartChildWorkflowFailed).Once()
		s.env.OnWorkflow(workflows.ReleaseType, anything, anything).Return(func(_ workflow.Context, in workflows.ReleaseInput) (release.Outcome, error) {
			return release.Outcome{Release: in.Release, Phase: release.Failed}, nil
		})
		s.submit(1, "a")
		s.submit(2, "b")
		s.submit(3, "a")
		s.leave(10)
	})
	if got := s.errors["a"]; got == "" {
		t.Error("the submission whose release could not start has no error")
	}
	if got := s.answers["b"]; got.Answer != release.Started || got.Release.Number != 2 {
		t.Errorf("the next was answered %+v, want started", got)
	}
	if got := s.answers["a"]; got.Answer != release.Started || got.Release.Number != 3 {
		t.Errorf("the same again was answered %+v, want started: it never was a release", got)
	}
}

func TestLaneContinuesAsNewWithAllItKnowsAndLosesNoSubmission(t *testing.T) {
	var keys []string
	s, err := inLane(t, workflows.LaneState{Number: 41}, func(s *laneScene) {
		s.submit(1, "first")
		s.submit(2, "second")
		s.at(10, func() {
			// While the second is being started, the history has grown and submissions come.
			s.env.SignalWorkflow(workflows.SignalFinished, release.Outcome{
				Release: release.ID{Lane: lane, Number: 42}, Phase: release.Completed, Stable: map[string]release.Revision{"web": {ID: "web-42"}},
			})
			s.env.RegisterDelayedCallback(func() { s.env.SetContinueAsNewSuggested(true) }, 0)
			for i := range 30 {
				keys = append(keys, fmt.Sprint("k", i))
				s.submitNow(keys[i])
			}
		})
	})
	var again *workflow.ContinueAsNewError
	if !errors.As(err, &again) {
		t.Fatalf("the lane ended with %v, want it to continue as new", err)
	}
	var in workflows.LaneInput
	if err := defaultConverter.FromPayloads(again.Input, &in); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if s.answers[key].Answer != release.Queued {
			t.Errorf("%s was answered %+v %s, want queued", key, s.answers[key], s.errors[key])
		}
	}
	state := in.State
	if state.Number != 73 || state.Current == nil || state.Current.Release.Number != 43 || len(state.Queue) != 30 || len(state.Seen) != 32 || state.Stable["web"].ID != "web-42" {
		t.Errorf("it goes on with number %d, %+v under way, %d waiting, %d seen, %v stable", state.Number, state.Current, len(state.Queue), len(state.Seen), state.Stable)
	}
}

func TestLaneThatContinuedAsNewNoticesAReleaseThatIsGone(t *testing.T) {
	gone := workflows.Held{Release: release.ID{Lane: lane, Number: 5}, Request: release.Request{Lane: lane}}
	waits := workflows.Held{Release: release.ID{Lane: lane, Number: 6}, Request: release.Request{Lane: lane}}
	s, _ := inLane(t, workflows.LaneState{Number: 6, Current: &gone, Queue: []workflows.Held{waits}}, func(s *laneScene) {
		s.env.OnSignalExternalWorkflow(anything, gone.Release.WorkflowID(), "", workflows.SignalPresence, anything).Return(errors.New("no such workflow"))
		s.leave(200)
	})
	if got := s.numbers(); !slices.Equal(got, []int{6}) {
		t.Errorf("started %v, want the one that waited", got)
	}
}

func TestLaneThatContinuedAsNewDoesNotUseUpTheSignalsOfAReleaseThatWaits(t *testing.T) {
	waits := workflows.Held{Release: release.ID{Lane: lane, Number: 5}, Request: release.Request{Lane: lane}}
	// The environment calls its fakes beside the test.
	var asked atomic.Int64
	_, _ = inLane(t, workflows.LaneState{Number: 5, Current: &waits}, func(s *laneScene) {
		s.env.OnSignalExternalWorkflow(anything, waits.Release.WorkflowID(), "", workflows.SignalPresence, anything).Return(
			func(_, _, _, _ string, _ any) error {
				asked.Add(1)
				return nil
			})
		s.leave(7 * 24 * 60 * 60)
	})
	// A server lets a workflow have 10,000 in its life.
	if n := asked.Load(); n < 100 || n > 1000 {
		t.Errorf("asked %d times in a week, want some hundreds", n)
	}
}

func TestWordOfAReleaseCountsAlsoWhenItIsKnownToBeGoneMeanwhile(t *testing.T) {
	under := workflows.Held{Release: release.ID{Lane: lane, Number: 5}, Request: release.Request{Lane: lane}}
	s, _ := inLane(t, workflows.LaneState{Number: 5, Current: &under}, func(s *laneScene) {
		s.env.OnSignalExternalWorkflow(anything, under.Release.WorkflowID(), "", workflows.SignalPresence, anything).Return(errors.New("no such workflow"))
		// The lane is busy with a submission for as long as it takes to tell the one under way.
		s.env.OnSignalExternalWorkflow(anything, under.Release.WorkflowID(), "", workflows.SignalSupersede, anything).After(20 * time.Second).Return(nil)
		s.submit(55, "a", as(release.Supersede))
		// Other news lets it wait to take it in when the word comes, and then the question at 60.
		s.at(56, func() {
			s.env.SignalWorkflow(workflows.SignalFinished, release.Outcome{Release: release.ID{Lane: lane, Number: 4}, Phase: release.Superseded})
		})
		s.at(58, func() {
			s.env.SignalWorkflow(workflows.SignalFinished, release.Outcome{
				Release: under.Release, Phase: release.Completed, Stable: map[string]release.Revision{"web": {ID: "web-5"}},
			})
		})
		s.leave(100)
	})
	if state := s.state(); state.Last == nil || state.Last.Phase != release.Completed || state.Stable["web"].ID != "web-5" {
		t.Errorf("last is %+v and %v serves, want release 5 completed", state.Last, state.Stable)
	}
	if len(s.started) != 1 || s.started[0].Stable["web"].ID != "web-5" {
		t.Errorf("started %+v, want release 6 to begin from what release 5 left", s.started)
	}
}
