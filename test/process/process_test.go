package process

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/activities/activitiestest"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/embedded"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/worker"
	"github.com/skyisland/skyisland/workflows"
)

var (
	lane = release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"}
	ada  = release.Actor{Name: "ada", Source: "github"}
	bert = release.Actor{Name: "bert", Source: "api"}
)

// patience bounds every wait for something that takes milliseconds on a quiet machine.
const patience = time.Minute

// process is the server, a worker and a world.
type process struct {
	t        *testing.T
	world    *activitiestest.World
	client   client.Client
	dispatch *dispatch.Dispatcher
	worker   sdkworker.Worker
	commits  int
}

func start(t *testing.T) *process {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{
		DataFile: filepath.Join(t.TempDir(), "temporal.db"), SearchAttributes: workflows.SearchAttributes(),
		// A lane has to continue as new often enough to be seen doing so.
		DynamicConfig: map[string]any{"limit.historyCount.suggestContinueAsNew": 100},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	c, err := server.Client(t.Context(), client.Options{Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p := &process{t: t, world: activitiestest.New(1, "a", "b"), client: c, dispatch: dispatch.New(c)}
	p.world.Source.Dir = t.TempDir()
	p.world.Gateways.Traffic(20_000)
	p.work()
	t.Cleanup(func() { p.worker.Stop() })
	return p
}

// work starts a worker.
func (p *process) work() {
	p.t.Helper()
	w := p.world
	p.worker = worker.New(p.client, worker.Activities{
		Source:  &activities.Source{Repositories: w.Source, Manifest: w.Source.Manifest, Units: w.Source.Units},
		Build:   &activities.Build{Repositories: w.Source, Commands: w.Commands, Artifacts: activitiestest.Artifacts{}, Attester: w.Attester, Dir: w.Source.Dir},
		Deploy:  &activities.Deploy{Runtime: w.Runtime, Gateways: w.Gateways},
		Checks:  &activities.Checks{Repositories: w.Source, Prover: w.Prover, Dir: w.Source.Dir},
		Traffic: &activities.Traffic{Router: w.Gateways, Salt: func(release string) string { return "salt of " + release }},
		Watch:   &activities.Watch{Observers: w.Gateways.Observers},
		Policy:  &activities.Policy{Rules: w.Rules, Ledger: w.Ledger, Registry: w.Registry, Origins: w.Attester},
		Record:  &activities.Record{Journal: w.Journal},
	}, worker.Options{})
	if err := p.worker.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// spec is a manifest whose waits are as short as a test wants them.
func spec() release.Spec {
	command := release.Command{Run: []string{"make"}, Timeout: release.Duration(time.Minute), Output: 1 << 20}
	return release.Spec{
		Lane: lane, Branch: "main", Units: []string{"a", "b"},
		Components: []release.Component{{
			Name: "web", Path: "web", Build: release.Build{Run: command.Run, Env: command.Env, Timeout: command.Timeout, Output: command.Output}, Test: command, Cases: []string{"*.yaml"}, Ingress: release.Ingress{Path: "/"},
			Run: release.Run{Command: []string{"main"}, Health: "/", Instances: 1, Start: release.Duration(10 * time.Second), Drain: release.Duration(time.Second)},
		}},
		Ramp: release.Ramp{
			Steps: []release.Weight{500, 2500}, Bake: release.Duration(300 * time.Millisecond), Patience: release.Duration(patience),
			Probe: release.Duration(200 * time.Millisecond), Sticky: release.StickyRequest,
		},
		Analysis: release.Analysis{
			ErrorMargin: 0.005, LatencyQuantile: 99, LatencyMargin: 0.2, FalseRollback: 0.01, Detect: 0.05,
			Blind: release.Duration(10 * time.Second), BlindBack: release.Duration(30 * time.Second),
		},
		Freeze: release.HoldFreeze, Watch: release.Duration(300 * time.Millisecond),
	}
}

// push adds a commit and asks for its release.
func (p *process) push(edit func(*release.Spec), as release.Concurrency) (release.Submission, release.Request) {
	p.t.Helper()
	p.commits++
	commit := fmt.Sprintf("%040d", p.commits)
	s := spec()
	if edit != nil {
		edit(&s)
	}
	p.world.Source.Push(commit, activitiestest.Commit{Spec: s, Folders: map[string]string{"web": commit}})
	req := release.Request{
		Key: commit, Lane: lane, Repository: "fliggy/rail-tour", Ref: "refs/heads/main", Commit: commit, Message: "better",
		Requester: ada, At: time.Now(), Concurrency: as,
	}
	answer, err := p.dispatch.Submit(p.t.Context(), req)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer, req
}

// until waits for something the world or a workflow has to come to.
func (p *process) until(what string, done func() bool) {
	p.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-deadline.C:
			p.t.Fatalf("waited for %s in vain; the world saw:\n%s", what, strings.Join(p.world.Lines(), "\n"))
		}
	}
}

// ended waits until the lane knows how a release ended.
func (p *process) ended(id release.ID, want release.Phase) release.Outcome {
	p.t.Helper()
	var last *release.Outcome
	p.until(id.String()+" to end", func() bool {
		state, err := p.dispatch.Lane(p.t.Context(), lane)
		if err != nil {
			p.t.Fatal(err)
		}
		last = state.Last
		return last != nil && last.Release.Number >= id.Number
	})
	if last.Release != id || last.Phase != want {
		p.t.Fatalf("%s ended %s (%+v), want %s to end %s", last.Release, last.Phase, last.Cause, id, want)
	}
	return *last
}

// phase waits until a release is in a phase.
func (p *process) phase(id release.ID, want release.Phase) release.Status {
	p.t.Helper()
	var status release.Status
	p.until(fmt.Sprintf("%s to be %s", id, want), func() bool {
		var err error
		if status, err = p.dispatch.Status(p.t.Context(), id); err != nil && !errors.Is(err, release.ErrNotFound) {
			p.t.Fatal(err)
		}
		return status.Phase == want
	})
	return status
}

func (p *process) instruct(id release.ID, what dispatch.Instruction, in release.Instruction) error {
	p.t.Helper()
	if in.By.Name == "" {
		in.By = bert
	}
	in.At = time.Now()
	_, err := p.dispatch.Instruct(p.t.Context(), id, what, in)
	return err
}

func (p *process) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func TestProcess(t *testing.T) {
	p := start(t)
	t.Run("a first release completes, and the same push is no other", p.first)
	t.Run("people approve, pause, resume and promote", p.people)
	t.Run("a bad canary is rolled back", p.bad)
	t.Run("an alarm rolls back, while no rule and no record can be had", p.alarm)
	t.Run("a worker that is replaced in the ramp loses nothing", p.replaced)
	t.Run("a newer release takes the lane", p.superseded)
	t.Run("a release that is terminated frees its lane", p.terminated)
	t.Run("an aborted deployment is waited for", p.aborted)
	t.Run("a lane continues as new", p.continued)
	t.Run("all histories replay", p.replay)
	for _, v := range p.world.Violations() {
		t.Errorf("violation: %s", v)
	}
}

func (p *process) first(t *testing.T) {
	p.t = t
	answer, req := p.push(nil, release.Supersede)
	if answer.Answer != release.Started || answer.Release.Number != 1 {
		t.Fatalf("answered %+v, want started as 1", answer)
	}
	again, err := p.dispatch.Submit(t.Context(), req)
	if err != nil || again.Release != answer.Release {
		t.Errorf("the same again is %+v, %v; want the same release", again, err)
	}
	p.ended(answer.Release, release.Completed)
	if err := p.instruct(answer.Release, dispatch.Pause, release.Instruction{}); !errors.Is(err, release.ErrFinished) {
		t.Errorf("an instruction to a release that has ended: %v, want %v", err, release.ErrFinished)
	}
	nobody := release.ID{Lane: lane, Number: 999}
	if err := p.instruct(nobody, dispatch.Pause, release.Instruction{}); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("an instruction to a release that never was: %v, want %v", err, release.ErrNotFound)
	}
	if err := p.dispatch.Alarm(t.Context(), nobody, release.Alarm{}); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("an alarm to a release that never was: %v, want %v", err, release.ErrNotFound)
	}
	if status, err := p.dispatch.Status(t.Context(), answer.Release); err != nil || status.Phase != release.Completed || len(status.Timeline) == 0 {
		t.Errorf("the status of the ended release is %+v, %v", status, err)
	}
}

func (p *process) people(t *testing.T) {
	p.t = t
	answer, _ := p.push(func(s *release.Spec) {
		s.Ramp.Bake, s.Watch = release.Duration(time.Hour), release.Duration(time.Hour)
		s.Approval = &release.Approval{Before: release.BeforeRamp, Count: 1, Within: release.Duration(time.Hour)}
	}, release.Supersede)
	id := answer.Release
	var status release.Status
	p.until("people to be asked", func() bool {
		status = p.phase(id, release.Approving)
		return status.Waiting != nil
	})
	var refused *dispatch.RefusedError
	if err := p.instruct(id, dispatch.Approve, release.Instruction{PlanHash: "0123"}); !errors.As(err, &refused) || !strings.Contains(refused.Message, "0123") {
		t.Errorf("an approval of another plan: %v, want a refusal that names it", err)
	}
	if err := p.instruct(id, dispatch.Rollback, release.Instruction{}); !errors.As(err, &refused) || !strings.Contains(refused.Message, "use abort") {
		t.Errorf("a rollback before traffic: %v, want a refusal that says what to do", err)
	}
	p.must(p.instruct(id, dispatch.Approve, release.Instruction{PlanHash: status.PlanHash}))
	for step := 1; step <= 2; step++ {
		p.until(fmt.Sprint("step ", step, " with live evidence"), func() bool {
			s := p.phase(id, release.Ramping)
			return s.Step == step && s.Evidence != nil && s.Evidence.StepRequests > 0
		})
		if step == 1 {
			p.must(p.instruct(id, dispatch.Pause, release.Instruction{Comment: "lunch"}))
			p.must(p.instruct(id, dispatch.Resume, release.Instruction{}))
		}
		p.must(p.instruct(id, dispatch.Promote, release.Instruction{}))
	}
	p.phase(id, release.Watching)
	p.until("the watch to be one that can be ended", func() bool { return p.instruct(id, dispatch.Promote, release.Instruction{}) == nil })
	p.ended(id, release.Completed)
}

func (p *process) bad(t *testing.T) {
	p.t = t
	p.failNext()
	answer, _ := p.push(nil, release.Supersede)
	outcome := p.ended(answer.Release, release.RolledBack)
	if outcome.Cause == nil || outcome.Cause.Kind != release.CauseEvidence {
		t.Errorf("the cause is %+v, want the evidence", outcome.Cause)
	}
}

// failNext lets the next candidate fail every request as soon as it is in unit b.
func (p *process) failNext() {
	before := p.world.Runtime.Running("b")
	p.world.Once("weight web in b: 1%", func() {
		for _, revision := range p.world.Runtime.Running("b") {
			if !slices.Contains(before, revision) {
				p.world.Gateways.Fail(revision, 1)
			}
		}
	})
}

func (p *process) alarm(t *testing.T) {
	p.t = t
	answer, _ := p.push(func(s *release.Spec) { s.Ramp.Bake = release.Duration(time.Hour) }, release.Supersede)
	p.until("the second step", func() bool { return p.phase(answer.Release, release.Ramping).Step == 1 })
	p.away(true)
	p.must(p.dispatch.Alarm(t.Context(), answer.Release, release.Alarm{Name: "Burning", Source: "alertmanager"}))
	p.until("the traffic to be back", func() bool {
		return p.world.Gateways.Weights()["a"][release.RouteKey(lane, "web")] == 0
	})
	p.away(false)
	p.ended(answer.Release, release.RolledBack)
}

func (p *process) away(away bool) {
	p.world.Rules.Away(away)
	p.world.Ledger.Away(away)
	p.world.Journal.Away(away)
}

func (p *process) replaced(t *testing.T) {
	p.t = t
	answer, _ := p.push(func(s *release.Spec) { s.Ramp.Bake = release.Duration(3 * time.Second) }, release.Supersede)
	p.until("evidence of the second step", func() bool {
		s := p.phase(answer.Release, release.Ramping)
		return s.Step == 1 && s.Evidence != nil && s.Evidence.StepRequests > 0
	})
	seen := len(p.world.Lines("weight web in a"))
	p.worker.Stop()
	p.work()
	p.ended(answer.Release, release.Completed)
	weights := p.world.Lines("weight web in a")[seen:]
	if want := []string{"weight web in a: 25%", "weight web in a: 100%", "weight web in a: 0%"}; !slices.Equal(weights, want) {
		t.Errorf("the weights after it were %v, want %v: the ramp goes on where it was", weights, want)
	}
}

func (p *process) superseded(t *testing.T) {
	p.t = t
	older, _ := p.push(func(s *release.Spec) { s.Ramp.Bake = release.Duration(time.Hour) }, release.Supersede)
	p.phase(older.Release, release.Ramping)
	waits, _ := p.push(nil, release.Queue)
	newer, _ := p.push(nil, release.Supersede)
	if waits.Answer != release.Queued || newer.Answer != release.Superseding {
		t.Errorf("answered %s and %s, want queued and superseding", waits.Answer, newer.Answer)
	}
	p.phase(older.Release, release.RolledBack)
	p.phase(waits.Release, release.Superseded)
	p.ended(newer.Release, release.Completed)
}

func (p *process) terminated(t *testing.T) {
	p.t = t
	answer, _ := p.push(func(s *release.Spec) {
		s.Approval = &release.Approval{Before: release.BeforeRamp, Count: 1, Within: release.Duration(time.Hour)}
	}, release.Supersede)
	p.phase(answer.Release, release.Approving)
	p.must(p.client.TerminateWorkflow(t.Context(), answer.Release.WorkflowID(), "", "test"))
	p.ended(answer.Release, release.Failed)
}

func (p *process) aborted(t *testing.T) {
	p.t = t
	p.world.Runtime.Slow(patience)
	defer p.world.Runtime.Slow(0)
	answer, _ := p.push(nil, release.Supersede)
	p.phase(answer.Release, release.Deploying)
	p.must(p.instruct(answer.Release, dispatch.Abort, release.Instruction{Comment: "not today"}))
	p.ended(answer.Release, release.Aborted)
}

func (p *process) continued(t *testing.T) {
	p.t = t
	runs := map[string]bool{}
	before, err := p.dispatch.Lane(t.Context(), lane)
	p.must(err)
	last := before.Number
	for len(runs) < 3 {
		described, err := p.client.DescribeWorkflowExecution(t.Context(), lane.WorkflowID(), "")
		p.must(err)
		runs[described.GetWorkflowExecutionInfo().GetExecution().GetRunId()] = true
		for _, number := range p.burst(5) {
			if number != last+1 {
				t.Fatalf("release %d follows %d", number, last)
			}
			last = number
		}
		if last > before.Number+200 {
			t.Fatal("the lane did not continue as new")
		}
		p.ended(release.ID{Lane: lane, Number: last}, release.Refused)
	}
	answer, _ := p.push(nil, release.Supersede)
	if answer.Release.Number != last+1 {
		t.Errorf("the next release has number %d, want %d", answer.Release.Number, last+1)
	}
	p.ended(answer.Release, release.Completed)
}

// burst asks for several releases at once, none of which can be carried out, and returns their numbers.
func (p *process) burst(size int) []int {
	p.t.Helper()
	var asking sync.WaitGroup
	numbers := make([]int, size)
	for i := range size {
		p.commits++
		commit := fmt.Sprintf("%040d", p.commits)
		s := spec()
		s.Units = []string{"nowhere"}
		p.world.Source.Push(commit, activitiestest.Commit{Spec: s})
		req := release.Request{
			Key: commit, Lane: lane, Repository: "fliggy/rail-tour", Commit: commit, Requester: ada, At: time.Now(), Concurrency: release.Queue,
		}
		asking.Go(func() {
			answer, err := p.dispatch.Submit(p.t.Context(), req)
			if err != nil {
				p.t.Errorf("submit %s: %v", commit, err)
			}
			numbers[i] = answer.Release.Number
		})
	}
	asking.Wait()
	slices.Sort(numbers)
	return numbers
}

// replay replays everything that happened.
func (p *process) replay(t *testing.T) {
	p.t = t
	replayer := sdkworker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(workflows.Lane, workflow.RegisterOptions{Name: workflows.LaneType})
	replayer.RegisterWorkflowWithOptions(workflows.Release, workflow.RegisterOptions{Name: workflows.ReleaseType})
	list, err := p.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000})
	p.must(err)
	if len(list.GetExecutions()) < 10 {
		t.Fatalf("%d workflows, want all of this test", len(list.GetExecutions()))
	}
	for _, found := range list.GetExecutions() {
		id, run := found.GetExecution().GetWorkflowId(), found.GetExecution().GetRunId()
		history := p.history(id, run)
		if err := replayer.ReplayWorkflowHistory(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), history); err != nil {
			t.Errorf("replay %s: %v", id, err)
		}
		if n := len(history.GetEvents()); n > 1000 {
			t.Errorf("the history of %s has %d events, a release of this size should stay far below", id, n)
		}
	}
}

func (p *process) history(id, run string) *historypb.History {
	p.t.Helper()
	history := &historypb.History{}
	events := p.client.GetWorkflowHistory(p.t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		p.must(err)
		history.Events = append(history.Events, event)
	}
	return history
}
