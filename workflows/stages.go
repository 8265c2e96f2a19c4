package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// fetchBound and checkBound are how long fetching a commit and running a component's cases may
// take; pressureBound is added to the length of the load for warm-up and the search for the capacity.
const (
	fetchBound    = 5 * time.Minute
	checkBound    = 10 * time.Minute
	pressureBound = 10 * time.Minute
)

// admit fetches the commit, reads its manifest and asks whether the release may begin.
func (r *run) admit(ctx workflow.Context) error {
	var resolved activities.ResolveResult
	in := activities.ResolveInput{Request: r.in.Request, Since: r.since(), Built: r.builtFrom()}
	if err := workflow.ExecuteActivity(gate(ctx, fetchBound, "Fetch the commit and read skyisland.yaml"), source.Resolve, in).Get(ctx, &resolved); err != nil {
		return err
	}
	r.spec, r.commits, r.authors, r.untouched = resolved.Spec, resolved.Commits, resolved.Authors, resolved.Untouched
	r.status.Units = r.spec.Units
	if err := r.checkPromotion(); err != nil {
		return err
	}
	_, err := r.require(ctx, release.GateAdmit)
	return err
}

// since are the commits of what is stable now, without doubles.
func (r *run) since() []string {
	var out []string
	for _, name := range workflow.DeterministicKeys(r.in.Stable) {
		if commit := r.in.Stable[name].Commit; !slices.Contains(out, commit) {
			out = append(out, commit)
		}
	}
	return out
}

// build turns every component into an artifact, and freezes the plan.
func (r *run) build(ctx workflow.Context) error {
	decision, err := r.require(ctx, release.GateBuild)
	if err != nil {
		return err
	}
	if err := r.oblige(decision); err != nil {
		return err
	}
	if err := r.size(); err != nil {
		return err
	}
	built := map[string]release.Digest{}
	all := newGroup(ctx)
	for _, component := range r.spec.Components {
		if artifact, why := r.given(component.Name); artifact != "" {
			built[component.Name] = artifact
			r.note(component.Name+" is not built: "+why, string(artifact))
			continue
		}
		future := r.produce(all.ctx, component)
		all.add(future, func() error {
			var result activities.BuildResult
			if err := future.Get(ctx, &result); err != nil {
				return err
			}
			built[component.Name] = result.Artifact
			r.noteBuilt(component, result)
			return nil
		})
	}
	if err := all.wait(); err != nil {
		return err
	}
	r.did(release.StageBuild, slices.ContainsFunc(r.spec.Components, func(c release.Component) bool { return c.Build.Works() }))
	r.plan = release.NewPlan(r.in.Release, r.in.Request, r.spec, built, r.in.Stable)
	r.keepCommits()
	r.status.PlanHash, r.status.Moves, r.status.Steps = r.plan.Hash(), r.plan.Moves, r.plan.Steps
	if len(r.plan.Changed()) == 0 {
		r.note("nothing changed: every component is stable already")
	}
	return nil
}

// oblige merges what the rules demand into what the release will do, before the plan is frozen.
func (r *run) oblige(decision release.Decision) error {
	if len(decision.Obligations) == 0 {
		return nil
	}
	spec, notes, err := r.spec.Oblige(decision.Obligations)
	if err != nil {
		s := stop(release.Denied, release.CausePolicy, "the rules demand what the manifest does not have")
		s.Cause.Details = strings.Split(err.Error(), "\n")
		return s
	}
	r.spec = spec
	if len(notes) > 0 {
		r.note("the rules make the plan stricter than the manifest", notes...)
	}
	return nil
}

// size makes the steps of the ramp as small as the manifest's budget of bad answers asks for. A first release has none.
func (r *run) size() error {
	if len(r.in.Stable) == 0 {
		return nil
	}
	spec, notes, err := canary.Sized(r.spec)
	if err != nil {
		s := stop(release.Denied, release.CauseManifest, "the ramp cannot keep its exposure")
		s.Cause.Details = strings.Split(err.Error(), "\n")
		return s
	}
	r.spec = spec
	if len(notes) > 0 {
		r.note("the budget of bad answers makes the ramp smaller than the manifest", notes...)
	}
	return nil
}

// did keeps that a stage has ended well, if it has done work.
func (r *run) did(stage release.Stage, work bool) {
	if work {
		r.passed = append(r.passed, stage)
	}
}

// test runs every component's own tests.
func (r *run) test(ctx workflow.Context) error {
	all := newGroup(ctx)
	tested := false
	for _, component := range r.spec.Components {
		if len(component.Test.Run) == 0 {
			continue
		}
		tested = true
		if artifact, _ := r.given(component.Name); artifact != "" {
			continue // it has passed its tests where it was built
		}
		future := workflow.ExecuteActivity(gate(all.ctx, component.Test.Timeout.Std(), "Test "+component.Name), builds.Test, r.buildInput(component))
		all.add(future, func() error {
			var result activities.TestResult
			if err := future.Get(ctx, &result); err != nil {
				return err
			}
			r.note(fmt.Sprintf("tests of %s passed in %s", component.Name, release.Duration(result.Took.Round(time.Millisecond))))
			return nil
		})
	}
	if err := all.wait(); err != nil {
		return err
	}
	r.did(release.StageTest, tested)
	return nil
}

func (r *run) buildInput(component release.Component) activities.BuildInput {
	request := r.in.Request
	return activities.BuildInput{Release: r.in.Release, Repository: request.Repository, Ref: request.Ref, Commit: request.Commit, Component: component}
}

// deploy runs the candidates beside what is stable, without traffic. Stable revisions are asked for
// too: they have to be there for the way back, and say where they listen.
func (r *run) deploy(ctx workflow.Context) error {
	if len(r.plan.Changed()) == 0 && len(r.removed()) == 0 {
		return nil
	}
	if _, err := r.require(ctx, release.GateDeploy); err != nil {
		return err
	}
	if len(r.plan.Changed()) == 0 {
		return nil
	}
	all := newGroup(ctx)
	for _, unit := range r.plan.Units {
		r.targets[unit] = map[string]release.Target{}
		for _, move := range r.plan.Changed() {
			revisions := []release.Revision{move.Candidate}
			if move.Replaces() {
				revisions = append(revisions, *move.Stable)
			}
			for _, revision := range revisions {
				in := activities.DeployInput{Unit: unit, Lane: r.in.Release.Lane, Revision: revision}
				bound := revision.Run.Start.Std() * 4
				future := workflow.ExecuteActivity(deploying(all.ctx, bound, "Deploy "+revision.ID+" in unit "+unit), deploys.Deploy, in)
				all.add(future, func() error {
					var result activities.DeployResult
					if err := future.Get(ctx, &result); err != nil {
						return err
					}
					target := result.Target
					target.H2C = revision.Run.H2C
					r.targets[unit][revision.ID] = target
					return nil
				})
			}
		}
	}
	if err := all.wait(); err != nil {
		return err
	}
	gateways := 0
	for _, unit := range r.plan.Units {
		// What the release leads to is what has to be free: all traffic, at the way in that it wants.
		in := activities.RouteInput{Unit: unit, Routes: r.routes(unit, r.versions.last+1, release.FullWeight)}
		var checked activities.RouteResult
		if err := workflow.ExecuteActivity(traffic(ctx, r.plan.Ramp.Patience.Std(), "Check the routes in unit "+unit), routes.Check, in).Get(ctx, &checked); err != nil {
			return err
		}
		gateways += checked.Gateways
	}
	if changed(ctx, changeGuards) {
		r.guards = gateways * len(compared(r.plan))
	}
	r.note("candidates are healthy at 0 %")
	return nil
}

// verify runs the function cases against the candidates.
func (r *run) verify(ctx workflow.Context) error {
	proved, err := r.prove(ctx, "Cases of ", checkBound, nil, checks.Cases)
	r.did(release.StageCases, err == nil && len(proved) > 0)
	return err
}

// press drives load at the candidates, one after the other: two at once would measure each other.
func (r *run) press(ctx workflow.Context) error {
	if r.plan.Pressure == nil || len(r.plan.Changed()) == 0 {
		return nil
	}
	if _, err := r.require(ctx, release.GatePress); err != nil {
		return err
	}
	proved, err := r.prove(ctx, "Pressure on ", r.plan.Pressure.For.Std()+pressureBound, r.plan.Pressure, checks.Press)
	r.pressed = proved
	r.did(release.StagePressure, err == nil && len(proved) > 0)
	return err
}

func (r *run) prove(ctx workflow.Context, what string, bound time.Duration, pressure *release.Pressure, activity any) (proved []string, err error) {
	for _, unit := range r.plan.Units {
		for _, move := range r.plan.Changed() {
			component := r.component(move.Component)
			if pressure == nil && len(component.Cases) == 0 {
				continue
			}
			in := activities.CheckInput{
				Repository: r.plan.Repository, Commit: r.plan.Commit, Unit: unit, Component: component,
				Endpoints: r.targets[unit][move.Candidate.ID].Endpoints, Pressure: pressure,
			}
			var result activities.CheckResult
			if err := workflow.ExecuteActivity(gate(ctx, bound, what+move.Component+" in unit "+unit), activity, in).Get(ctx, &result); err != nil {
				return proved, err
			}
			sentence := what + move.Component + " in unit " + unit + ": " + result.Summary
			r.note(sentence)
			proved = append(proved, sentence)
		}
	}
	return proved, nil
}

func (r *run) component(name string) release.Component {
	i := slices.IndexFunc(r.spec.Components, func(c release.Component) bool { return c.Name == name })
	if i < 0 {
		return release.Component{Name: name}
	}
	return r.spec.Components[i]
}

// removed are the revisions of components that were stable and are no longer in the manifest.
func (r *run) removed() []release.Revision {
	var out []release.Revision
	for _, name := range workflow.DeterministicKeys(r.in.Stable) {
		gone := !slices.ContainsFunc(r.spec.Components, func(c release.Component) bool { return c.Name == name })
		if gone {
			out = append(out, r.in.Stable[name])
		}
	}
	return out
}

// group waits for several activities. When one fails it cancels the rest and waits for them too, so
// that nothing of it is under way once it is over.
type group struct {
	ctx    workflow.Context
	cancel workflow.CancelFunc
	take   []func() error
	wants  []workflow.Future
}

func newGroup(ctx workflow.Context) *group {
	g := &group{}
	g.ctx, g.cancel = workflow.WithCancel(ctx)
	return g
}

func (g *group) add(future workflow.Future, take func() error) {
	g.wants, g.take = append(g.wants, future), append(g.take, take)
}

// wait returns the first error that happened.
func (g *group) wait() error {
	selector := workflow.NewSelector(g.ctx)
	var failed error
	for i, future := range g.wants {
		selector.AddFuture(future, func(workflow.Future) {
			if err := g.take[i](); err != nil && failed == nil {
				failed = err
				g.cancel()
			}
		})
	}
	for range g.wants {
		selector.Select(g.ctx)
	}
	return failed
}
