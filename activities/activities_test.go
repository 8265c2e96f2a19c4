package activities_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/activities/activitiestest"
	"github.com/skyisland/skyisland/internal/release"
)

// quiet is a test suite that logs nothing.
func quiet() *testsuite.WorkflowTestSuite {
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	return suite
}

func keys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// ended fails the test unless an activity ended with a type of error that is not retried.
func ended(t *testing.T, err error, want string) {
	t.Helper()
	var application *temporal.ApplicationError
	if !errors.As(err, &application) || application.Type() != want || !application.NonRetryable() {
		t.Fatalf("got %v, want a final %s", err, want)
	}
}

// causeOf is [ended] for an error with a cause.
func causeOf(t *testing.T, err error, want string) release.Cause {
	t.Helper()
	ended(t, err, want)
	cause, ok := activities.CauseOf(err)
	if !ok {
		t.Fatalf("%v has no cause", err)
	}
	return cause
}

// again fails the test unless an activity ended with an error that is retried.
func again(t *testing.T, err error) {
	t.Helper()
	var application *temporal.ApplicationError
	if err == nil || errors.As(err, &application) && application.NonRetryable() {
		t.Fatalf("got %v, want an error that is tried again", err)
	}
}

// do runs one activity in the activities' own environment.
func do[R any](t *testing.T, group any, name string, in any) (R, error) {
	t.Helper()
	env := quiet().NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(group, activity.RegisterOptions{})
	var out R
	value, err := env.ExecuteActivity(name, in)
	if err == nil {
		err = value.Get(&out)
	}
	return out, err
}

func TestBuildThatIsInterruptedIsNotJudged(t *testing.T) {
	world := activitiestest.New(1, "a")
	world.Source.Push("c", activitiestest.Commit{Folders: map[string]string{"web": "x"}})
	component := release.Component{Name: "web", Path: "web", Build: release.Build{Run: []string{"make"}}}
	in := activities.BuildInput{Release: id, Commit: "c", Component: component}
	build := func(commands activities.CommandRunner) error {
		_, err := do[activities.BuildResult](t, &activities.Build{
			Repositories: world.Source, Commands: commands, Artifacts: activitiestest.Artifacts{}, Dir: t.TempDir(),
		}, "Build", in)
		return err
	}
	world.Commands.Fail("web/build", "exit status 1")
	if cause := causeOf(t, build(world.Commands), activities.TypeGate); cause.Kind != release.CauseBuild || len(cause.Details) == 0 {
		t.Errorf("the cause is %+v, want the build with its output", cause)
	}
	again(t, build(killed{}))
}

// killed is a command that ends because its worker does, and calls that a failure.
type killed struct{}

func (killed) Run(ctx context.Context, _, _ string, _ release.Command) (activities.CommandReport, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	return activities.CommandReport{Failure: "signal: killed"}, ctx.Err()
}

func TestWorkingCopiesAreRemoved(t *testing.T) {
	world := activitiestest.New(1, "a")
	world.Source.Push("c", activitiestest.Commit{Folders: map[string]string{"web": "x"}})
	dir := t.TempDir()
	in := activities.BuildInput{Release: id, Commit: "c", Component: release.Component{Name: "web", Path: "web", Test: release.Command{Run: []string{"make"}}}}
	world.Commands.Fail("web/test", "exit status 1")
	_, err := do[activities.TestResult](t, &activities.Build{Repositories: world.Source, Commands: world.Commands, Artifacts: activitiestest.Artifacts{}, Dir: dir}, "Test", in)
	ended(t, err, activities.TypeGate)
	if left := entries(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRoutesOfTheSameReleaseHaveTheSameSaltAndRefusalsAreFinal(t *testing.T) {
	world := activitiestest.New(1, "a")
	traffic := &activities.Traffic{Router: world.Gateways, Salt: func(release string) string { return "salt of " + release }}
	route := release.Route{
		Key: "t/a/e/web", Ingress: release.Ingress{Path: "/"}, Version: 2, Weight: release.FullWeight, Release: id.String(),
		Canary: &release.Target{Revision: "web-1", Endpoints: []string{"x:80"}},
	}
	apply := func(version int64) (activities.RouteResult, error) {
		route.Version = version
		return do[activities.RouteResult](t, traffic, "Apply", activities.RouteInput{Unit: "a", Routes: []release.Route{route}})
	}
	result, err := apply(2)
	if err != nil || len(result.Receipts) != 1 {
		t.Fatalf("got %+v, %v; want the gateway's receipt", result, err)
	}
	if got := world.Gateways.Route("a", "t/a/e/web").Salt; got != "salt of "+id.String() || route.Salt != "" {
		t.Errorf("the salt is %q in the gateway and %q in the input, want it in the gateway only", got, route.Salt)
	}
	_, err = apply(1)
	if cause := causeOf(t, err, activities.TypeTraffic); cause.Kind != release.CauseTraffic {
		t.Errorf("the cause is %+v, want traffic", cause)
	}
	world.Gateways.Away("a/gateway-1", true)
	_, err = apply(3)
	again(t, err)
}

func TestALapsedLeaseIsFinalAndNoCause(t *testing.T) {
	lapsed := fmt.Errorf("gateway a-2: route t/a/e/web: %w", release.ErrLapsed)
	traffic := &activities.Traffic{Router: refusing{errors.Join(errors.New("gateway a-1 unreachable"), lapsed)}}
	for _, name := range []string{"Apply", "Check"} {
		_, err := do[activities.RouteResult](t, traffic, name, activities.RouteInput{Unit: "a"})
		ended(t, err, activities.TypeLapsed)
		if !strings.Contains(err.Error(), "t/a/e/web") {
			t.Errorf("%s: %v, want the route's name in it", name, err)
		}
		if cause, ok := activities.CauseOf(err); ok {
			t.Errorf("%s: the cause is %+v, but the ramp only begins again", name, cause)
		}
	}
}

// refusing is a unit whose gateways answer with an error.
type refusing struct{ err error }

func (r refusing) Check(context.Context, string, []release.Route) error { return r.err }

func (r refusing) Size(string) int { return 1 }

func (r refusing) Apply(context.Context, string, []release.Route) ([]release.Receipt, error) {
	return nil, r.err
}

func TestDecisionThatIsNotRecordedIsNone(t *testing.T) {
	world := activitiestest.New(1, "a")
	world.Ledger.Away(true)
	_, err := do[activities.DecideResult](t, &activities.Policy{Rules: world.Rules, Ledger: world.Ledger, Registry: world.Registry}, "Decide",
		activities.DecideInput{Question: release.Question{Gate: release.GateAdmit}})
	again(t, err)
}

func TestDeployEndsWhereARevisionRunsWithAnotherConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		final bool
	}{
		"another configuration stays one however often it is tried": {fmt.Errorf("it runs already: %w", release.ErrConflict), true},
		"a runtime that is away may be back":                        {errors.New("connection refused"), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := do[activities.DeployResult](t, &activities.Deploy{Runtime: failing{c.err}}, "Deploy",
				activities.DeployInput{Unit: "a", Lane: lane, Revision: release.Revision{ID: "web-1"}})
			if !c.final {
				again(t, err)
				return
			}
			cause := causeOf(t, err, activities.TypeGate)
			if cause.Kind != release.CauseHealth || !strings.Contains(cause.Message, "it runs already") {
				t.Errorf("the cause is %+v, want the runtime's words", cause)
			}
		})
	}
}

// failing is a runtime that deploys nothing.
type failing struct{ err error }

func (f failing) Deploy(context.Context, string, release.Lane, release.Revision, func(string)) (activities.DeployReport, error) {
	return activities.DeployReport{}, f.err
}

func (f failing) Retire(context.Context, string, release.Lane, string) error { return f.err }

func TestRetireWaitsForRoutesOnly(t *testing.T) {
	for name, c := range map[string]struct {
		drain   error
		refused string
	}{
		"a route that leads to it keeps it":       {release.ErrConflict, "drain"},
		"a connection without end had its time":   {context.DeadlineExceeded, ""},
		"a gateway that is gone has no requests":  {errors.New("connection refused"), ""},
		"nothing under way is the best of states": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			world := activitiestest.New(1, "a")
			_, err := do[activities.RetireResult](t, &activities.Deploy{Runtime: world.Runtime, Gateways: drainer{c.drain}}, "Retire",
				activities.RetireInput{Unit: "a", Lane: lane, Revision: "web-1", Drain: release.Duration(time.Second)})
			if c.refused == "" && (err != nil || len(world.Lines("retire web-1")) != 1) {
				t.Errorf("got %v, want it retired", err)
			}
			if c.refused != "" {
				again(t, err)
				if !strings.Contains(err.Error(), c.refused) {
					t.Errorf("got %v, want %q in it", err, c.refused)
				}
			}
		})
	}
}

func TestDrainThatIsInterruptedEndsNothing(t *testing.T) {
	world := activitiestest.New(1, "a")
	env := quiet().NewTestActivityEnvironment()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	env.RegisterActivity(&activities.Deploy{Runtime: world.Runtime, Gateways: drainer{context.Canceled}})
	_, err := env.ExecuteActivity("Retire", activities.RetireInput{Unit: "a", Lane: lane, Revision: "web-1", Drain: release.Duration(time.Second)})
	if err == nil || len(world.Lines("retire web-1")) > 0 {
		t.Errorf("got %v after %v, want it tried again", err, world.Lines("retire"))
	}
}

type drainer struct{ err error }

func (d drainer) Drain(context.Context, string, release.Lane, string) error { return d.err }

func TestCauseOfKnowsItsOwnErrorsOnly(t *testing.T) {
	for _, err := range []error{errors.New("x"), temporal.NewApplicationError("x", "Other"), temporal.NewNonRetryableApplicationError("x", activities.TypeGate, nil)} {
		if cause, ok := activities.CauseOf(err); ok {
			t.Errorf("%v has the cause %+v, want none", err, cause)
		}
	}
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheChangesSinceTheNewestOfWhatIsStableAreShown(t *testing.T) {
	const here, older = "here", "older"
	for name, c := range map[string]struct {
		since []string
		want  int
	}{
		"nothing is stable":                                {nil, 1},
		"all is of an older commit":                        {[]string{older}, 1},
		"a part is of this commit, and is listed first":    {[]string{here, older}, 0},
		"a part is of this commit, and is listed the last": {[]string{older, here}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			world := activitiestest.New(1, "a")
			lane := release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}
			world.Source.Push(here, activitiestest.Commit{Spec: release.Spec{Lane: lane}})
			source := &activities.Source{Repositories: world.Source, Manifest: world.Source.Manifest, Units: []string{"a"}}
			got, err := do[activities.ResolveResult](t, source, "Resolve",
				activities.ResolveInput{Request: release.Request{Lane: lane, Commit: here}, Since: c.since})
			if err != nil || len(got.Commits) != c.want || len(got.Authors) != c.want {
				t.Errorf("changes %+v of %+v, error %v, want %d", got.Commits, got.Authors, err, c.want)
			}
		})
	}
}
