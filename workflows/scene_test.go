package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/activities/activitiestest"
	"github.com/skyisland/skyisland/internal/glob"
	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/policies"
	"github.com/skyisland/skyisland/worker"
	"github.com/skyisland/skyisland/workflows"
)

// The commits of the tests. Content differs from one to the next, for every component.
var (
	v1 = strings.Repeat("1", 40)
	v2 = strings.Repeat("2", 40)
	v3 = strings.Repeat("3", 40)
)

var (
	ada  = release.Actor{Name: "ada", Source: "github"}
	bert = release.Actor{Name: "bert", Source: "api", Groups: []string{"release-managers"}}
	cleo = release.Actor{Name: "cleo", Source: "api", Groups: []string{"release-managers"}}
	dora = release.Actor{Name: "dora", Source: "api"}
)

// errGone is what the network says.
var errGone = errors.New("no route to host")

type asked = activitiestest.Asked

var (
	anything         = mock.Anything
	defaultConverter = converter.GetDefaultDataConverter()
)

var lane = release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"}

// engine has the rules that the program has, without any data. It is made once, because compiling
// them takes longer than a release does here, and outside of every bubble.
var engine = sync.OnceValues(func() (*policy.Engine, error) { return policy.New(policy.Options{Bundle: policies.FS}) })

// scene is a lane's past and the world it is in. Time in it is the bubble's: waiting costs nothing.
type scene struct {
	t     *testing.T
	world *activitiestest.World
	// stable is what serves, as the lane would know it.
	stable map[string]release.Revision
	spec   release.Spec
}

// asServer makes the test environment do as a server does: an activity without a bound on its attempts
// has none (here it would have ten), each attempt has the time to itself (here all have it together),
// one that was called off is not tried again, and what is to be waited for when it is cancelled is (here it goes on
// beside what comes after it): nothing is retired before every deployment has ended.
type asServer struct {
	interceptor.WorkerInterceptorBase

	mu      sync.Mutex
	lose    context.CancelCauseFunc
	attempt map[string]time.Duration
	// deploying counts the deployments under way. Once something is retired, one that was cancelled before it began
	// never does.
	deploying sync.WaitGroup
	retiring  bool
}

// The activities whose order the server keeps, by the names they are registered with.
const (
	deployName = "Deploy"
	retireName = "Retire"
)

// errLost is the end of an attempt whose worker is gone.
var errLost = errors.New("the worker is gone")

// loseWatcher ends the attempt of the watcher as the end of its worker would.
func (s *asServer) loseWatcher() {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Without one under way there is none to lose.
	if s.lose != nil {
		s.lose(errLost)
	}
}

func (s *asServer) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &unbounded{interceptor.WorkflowInboundInterceptorBase{Next: next}, s}
}

type unbounded struct {
	interceptor.WorkflowInboundInterceptorBase

	server *asServer
}

func (u *unbounded) Init(outbound interceptor.WorkflowOutboundInterceptor) error {
	return u.Next.Init(&unboundedCalls{interceptor.WorkflowOutboundInterceptorBase{Next: outbound}, u.server})
}

type unboundedCalls struct {
	interceptor.WorkflowOutboundInterceptorBase

	server *asServer
}

func (u *unboundedCalls) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	options := workflow.GetActivityOptions(ctx)
	if options.RetryPolicy.MaximumAttempts == 0 {
		options.RetryPolicy.MaximumAttempts = 1_000_000
	}
	u.server.mu.Lock()
	u.server.attempt[name] = options.StartToCloseTimeout
	u.server.mu.Unlock()
	options.StartToCloseTimeout = 10 * 365 * 24 * time.Hour
	return u.Next.ExecuteActivity(workflow.WithActivityOptions(ctx, options), name, args...)
}

func (s *asServer) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &endingActivity{interceptor.ActivityInboundInterceptorBase{Next: next}, s}
}

type endingActivity struct {
	interceptor.ActivityInboundInterceptorBase

	server *asServer
}

func (a *endingActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	name := activity.GetInfo(ctx).ActivityType.Name
	switch name {
	case retireName:
		a.server.retire()
	case deployName:
		if !a.server.deploy() {
			return nil, temporal.NewNonRetryableApplicationError("called off", "CalledOff", nil)
		}
		defer a.server.deploying.Done()
	}
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	a.server.mu.Lock()
	if name == activities.WatchType {
		a.server.lose = lose
	}
	ctx, stop := context.WithTimeout(ctx, a.server.attempt[name])
	a.server.mu.Unlock()
	defer stop()
	result, err := a.Next.ExecuteActivity(ctx, in)
	if errors.Is(context.Cause(ctx), errLost) {
		return nil, errLost
	}
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil, temporal.NewNonRetryableApplicationError("called off", "CalledOff", err)
	}
	return result, err
}

// retire waits for the deployments under way, and lets none begin any more.
func (s *asServer) retire() {
	s.mu.Lock()
	s.retiring = true
	s.mu.Unlock()
	s.deploying.Wait()
}

// deploy says whether a deployment may begin.
func (s *asServer) deploy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.retiring {
		s.deploying.Add(1)
	}
	return !s.retiring
}

// inScene plays a test in a bubble, with two units of one gateway each and the real rules.
func inScene(t *testing.T, play func(*scene)) {
	t.Helper()
	inSceneWith(t, 1, play)
}

// inSceneWith is [inScene] with so many gateways in each unit.
func inSceneWith(t *testing.T, gateways int, play func(*scene)) {
	t.Helper()
	rules, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{t: t, world: activitiestest.New(gateways, "a", "b"), spec: fullSpec()}
		s.world.Rules.Answer(rules.Decide)
		s.world.Source.Dir = dir
		for _, commit := range []string{v1, v2, v3} {
			s.push(commit, nil)
		}
		play(s)
	})
}

// fullSpec is a manifest with everything but an approval: three components, three steps.
func fullSpec() release.Spec {
	spec := release.Spec{
		Lane: lane, Branch: "main", Concurrency: release.Supersede, Units: []string{"a", "b"},
		Pressure: &release.Pressure{Rate: 100, For: release.Duration(10 * time.Second), P99: release.Duration(time.Second), Errors: 0.01},
		Ramp: release.Ramp{
			Steps: []release.Weight{500, 2000, 5000}, Bake: release.Duration(4 * time.Second), Patience: release.Duration(10 * time.Minute),
			Probe: release.Duration(2 * time.Second), Sticky: release.StickyRequest,
		},
		Analysis: release.Analysis{
			ErrorMargin: 0.005, LatencyQuantile: 99, LatencyMargin: 0.2, FalseRollback: 0.01, Detect: 0.05,
			Blind: release.Duration(10 * time.Second), BlindBack: release.Duration(30 * time.Second),
		},
		Freeze: release.HoldFreeze, Watch: release.Duration(20 * time.Second),
	}
	for _, name := range []string{"web", "api", "jobs"} {
		spec.Components = append(spec.Components, component(name))
	}
	return spec
}

func component(name string) release.Component {
	command := func(word string) release.Command {
		return release.Command{Run: []string{word}, Timeout: release.Duration(time.Minute), Output: 1 << 20}
	}
	return release.Component{
		Name: name, Path: name, Build: release.Build{Run: []string{"build"}, Timeout: release.Duration(time.Minute), Output: 1 << 20}, Test: command("test"), Cases: []string{"cases/*.yaml"},
		Run: release.Run{
			Command: []string{"main"}, Health: "/healthz", Instances: 1,
			Start: release.Duration(10 * time.Second), Drain: release.Duration(5 * time.Second),
		},
		Ingress: release.Ingress{Path: "/" + name},
	}
}

// push adds a commit with the scene's manifest, changed by edit.
func (s *scene) push(commit string, edit func(*release.Spec)) {
	spec := s.spec
	spec.Components = slices.Clone(spec.Components)
	if edit != nil {
		edit(&spec)
	}
	folders := map[string]string{}
	for _, c := range spec.Components {
		folders[c.Path] = c.Name + " of " + commit
	}
	s.world.Source.Push(commit, activitiestest.Commit{Spec: spec, Folders: folders})
}

// revision is what a component of a commit becomes, by the names that events have.
func (s *scene) revision(name, commit string) string {
	s.t.Helper()
	for _, unit := range []string{"a", "b"} {
		for _, event := range s.world.Lines("deploy " + name + "-") {
			revision, found := strings.CutSuffix(strings.TrimPrefix(event, "deploy "), " in "+unit)
			if found && (commit == v1) == (s.stable != nil && s.stable[name].ID == revision) {
				return revision
			}
		}
	}
	s.t.Fatalf("no revision of %s was deployed for %s", name, commit)
	return ""
}

// live makes v1 what serves, in a first release.
func (s *scene) live() {
	s.t.Helper()
	r := s.begin(1, v1)
	r.end(release.Completed)
	s.stable = r.outcome.Stable
}

// playing is one release under way.
type playing struct {
	*scene
	env     *testsuite.TestWorkflowEnvironment
	id      release.ID
	commit  string
	outcome release.Outcome
	told    []release.Outcome
	stop    context.CancelFunc
	server  *asServer
	// refused are the errors of instructions, by their name.
	refused map[string]string
	// seen is how many events there were before, updates how many instructions were given.
	seen, updates int
}

// begin sets a release up; it runs with [playing.end].
func (s *scene) begin(number int, commit string) *playing {
	s.t.Helper()
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	p := &playing{
		scene: s, env: suite.NewTestWorkflowEnvironment(), id: release.ID{Lane: lane, Number: number}, commit: commit,
		refused: map[string]string{}, seen: len(s.world.Events()), server: &asServer{attempt: map[string]time.Duration{}},
	}
	background, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.env.SetStartTime(time.Now())
	p.env.SetTestTimeout(10 * 365 * 24 * time.Hour)
	p.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: p.id.WorkflowID(), TaskQueue: workflows.TaskQueue})
	p.env.SetWorkerOptions(sdkworker.Options{
		BackgroundActivityContext: background, Interceptors: []interceptor.WorkerInterceptor{p.server},
	})
	w := s.world
	worker.Register(p.env, worker.Activities{
		Source: &activities.Source{Repositories: w.Source, Manifest: w.Source.Manifest, Units: w.Source.Units, Under: glob.Within},
		Build: &activities.Build{
			Repositories: w.Source, Commands: w.Commands, Artifacts: activitiestest.Artifacts{}, Attester: w.Attester, Images: w.Elsewhere, Runs: w.Elsewhere, Dir: w.Source.Dir,
		},
		Deploy:  &activities.Deploy{Runtime: w.Runtime, Gateways: w.Gateways},
		Checks:  &activities.Checks{Repositories: w.Source, Prover: w.Prover, Dir: w.Source.Dir},
		Traffic: &activities.Traffic{Router: w.Gateways, Salt: func(release string) string { return "salt of " + release }},
		Watch:   &activities.Watch{Observers: w.Gateways.Observers},
		Policy:  &activities.Policy{Rules: w.Rules, Ledger: w.Ledger, Registry: w.Registry, Origins: w.Attester},
		Record:  &activities.Record{Journal: w.Journal},
	}, worker.Options{})
	p.env.OnSignalExternalWorkflow(mock.Anything, lane.WorkflowID(), "", workflows.SignalFinished, mock.Anything).Return(
		func(_, _, _, _ string, arg any) error {
			p.told = append(p.told, arg.(release.Outcome))
			return nil
		}).Maybe()
	return p
}

func (p *playing) input() workflows.ReleaseInput {
	return workflows.ReleaseInput{
		Release: p.id, Stable: p.stable,
		Request: release.Request{
			Key: p.commit, Lane: lane, Repository: "fliggy/rail-tour", Ref: "refs/heads/main", Commit: p.commit,
			Message: "make it better", Requester: ada, At: time.Now(), Concurrency: release.Supersede,
		},
	}
}

// on calls f in the workflow's own thread as soon as an event begins with the prefix, and wait has passed.
func (p *playing) on(prefix string, wait time.Duration, f func()) {
	p.world.Once(prefix, func() { p.env.RegisterDelayedCallback(f, wait) })
}

// tell gives an instruction, and keeps the reason of a refusal.
func (p *playing) tell(name string, in release.Instruction) {
	p.t.Helper()
	in.At = time.Now()
	if in.By.Name == "" {
		in.By = bert
	}
	p.updates++
	p.env.UpdateWorkflow(name, fmt.Sprint("update ", p.updates), &answers{p, name}, in)
}

// answers keeps the end of an update.
type answers struct {
	p    *playing
	name string
}

func (a *answers) Accept()          {}
func (a *answers) Reject(err error) { a.p.refused[a.name] = err.Error() }
func (a *answers) Complete(_ any, err error) {
	if err != nil {
		a.p.refused[a.name] = err.Error()
	}
}

// alarm raises an alarm.
func (p *playing) alarm() {
	p.env.SignalWorkflow(workflows.SignalAlarm, release.Alarm{Name: "Burning", Source: "alertmanager", Summary: "it burns", At: time.Now()})
}

// overtake tells of a newer release.
func (p *playing) overtake() {
	p.env.SignalWorkflow(workflows.SignalSupersede, release.ID{Lane: lane, Number: p.id.Number + 1})
}

// status is the answer to the query. Call it on the workflow's own thread, or after its end.
func (p *playing) status() release.Status {
	p.t.Helper()
	value, err := p.env.QueryWorkflow(workflows.QueryStatus)
	if err != nil {
		p.t.Fatal(err)
	}
	var status release.Status
	if err := value.Get(&status); err != nil {
		p.t.Fatal(err)
	}
	return status
}

// end runs the release to its end and checks what is true of every end.
func (p *playing) end(want release.Phase) {
	p.t.Helper()
	p.run(p.input())
	if p.outcome.Phase != want {
		p.t.Errorf("release %d ended %s, want %s: %+v\n%s", p.id.Number, p.outcome.Phase, want, p.outcome.Cause, strings.Join(p.lines(), "\n"))
	}
	p.checkEnd()
	if p.t.Failed() {
		p.t.FailNow()
	}
}

func (p *playing) run(in workflows.ReleaseInput) {
	p.t.Helper()
	p.env.ExecuteWorkflow(workflows.ReleaseType, in)
	p.stop()
	if !p.env.IsWorkflowCompleted() {
		p.t.Fatal("the workflow did not end")
	}
	if err := p.env.GetWorkflowError(); err != nil {
		p.t.Fatalf("workflow: %v\n%s", err, strings.Join(p.lines(), "\n"))
	}
	if err := p.env.GetWorkflowResult(&p.outcome); err != nil {
		p.t.Fatal(err)
	}
}

// checkEnd is what holds of every release that has ended.
func (p *playing) checkEnd() {
	p.t.Helper()
	for _, v := range p.world.Violations() {
		p.t.Errorf("violation: %s", v)
	}
	for _, prefix := range p.world.Waiting() {
		p.t.Errorf("nothing happened that begins with %q:\n%s", prefix, strings.Join(p.lines(), "\n"))
	}
	p.checkTraffic()
	p.checkRecords()
	if len(p.told) != 1 || p.told[0].Phase != p.outcome.Phase || p.told[0].Release != p.id {
		p.t.Errorf("the lane was told %+v, want the outcome once", p.told)
	}
	if status := p.status(); status.Phase != p.outcome.Phase || status.Waiting != nil {
		p.t.Errorf("status is %s and waits for %+v, want %s and nothing", status.Phase, status.Waiting, p.outcome.Phase)
	}
}

func (p *playing) checkTraffic() {
	p.t.Helper()
	for unit, weights := range p.world.Gateways.Weights() {
		for key, w := range weights {
			if w != release.NoWeight {
				p.t.Errorf("route %s in unit %s is left at %s\n%s", key, unit, w, strings.Join(p.lines(), "\n"))
			}
		}
		var want []string
		for _, revision := range p.outcome.Stable {
			want = append(want, revision.ID)
		}
		slices.Sort(want)
		if got := p.world.Runtime.Running(unit); !slices.Equal(got, want) {
			p.t.Errorf("unit %s runs %v, want %v", unit, got, want)
		}
		for key, revision := range p.world.Gateways.Stable(unit) {
			if want := p.outcome.Stable[key[strings.LastIndex(key, "/")+1:]].ID; revision != want {
				p.t.Errorf("route %s in unit %s leads to %q, want %q", key, unit, revision, want)
			}
		}
	}
}

func (p *playing) checkRecords() {
	p.t.Helper()
	if last := p.world.Journal.Last(); last.Phase != p.outcome.Phase {
		p.t.Errorf("the journal says %s, want %s", last.Phase, p.outcome.Phase)
	}
	for i, entry := range p.world.Journal.Entries(p.id) {
		if entry.Number != i+1 {
			p.t.Errorf("entry %d of the journal has number %d", i+1, entry.Number)
		}
	}
}

// lines are the events of this release that begin with one of the prefixes.
func (p *playing) lines(prefixes ...string) []string {
	var out []string
	for _, e := range p.world.Events()[p.seen:] {
		if len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(e.Line, prefix) }) {
			out = append(out, e.At.Format("15:04:05.000 ")+e.Line)
		}
	}
	return out
}

// moves are the weights that one component was given, in order, as "a 5%".
func (p *playing) moves(name string) []string {
	var out []string
	for _, e := range p.world.Events()[p.seen:] {
		if move, found := strings.CutPrefix(e.Line, "weight "+name+" in "); found {
			out = append(out, strings.Replace(move, ":", "", 1))
		}
	}
	return out
}

// cause fails the test unless the release ended for this kind of reason, in words that hold these.
func (p *playing) cause(kind release.CauseKind, words ...string) {
	p.t.Helper()
	cause := p.outcome.Cause
	if cause == nil || cause.Kind != kind {
		p.t.Fatalf("cause is %+v, want %s", cause, kind)
	}
	text := strings.Join(append([]string{cause.Message}, cause.Details...), "\n")
	for _, word := range words {
		if !strings.Contains(text, word) {
			p.t.Errorf("cause is %q, want %q in it", text, word)
		}
	}
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}
