package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// runFirst and runLast are the first and the longest pause between two looks for a workflow run. Whoever is told that it
// has ended looks at once; the looks are for those that nobody tells.
const (
	runFirst = 15 * time.Second
	runLast  = 2 * time.Minute
)

// elsewhere is what a release knows of builds that are not its own.
type elsewhere struct {
	// notices counts how often it was told that one has ended.
	notices int
	// awaited are the components whose runs it waits for.
	awaited []string
}

// hearBuilt takes the word that a build elsewhere has ended.
func (r *run) hearBuilt(ctx workflow.Context) {
	channel := workflow.GetSignalChannel(ctx, SignalBuilt)
	for {
		channel.Receive(ctx, nil)
		r.elsewhere.notices++
	}
}

// produce begins what makes a component's artifact, and gives an [activities.BuildResult] when it is made.
func (r *run) produce(ctx workflow.Context, component release.Component) workflow.Future {
	if !component.Build.External() {
		return workflow.ExecuteActivity(gate(ctx, component.Build.Timeout.Std(), "Build "+component.Name), builds.Build, r.buildInput(component))
	}
	future, settable := workflow.NewFuture(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) { settable.Set(r.obtain(ctx, component)) })
	return future
}

// noteBuilt tells what a component's artifact is and where it came from.
func (r *run) noteBuilt(component release.Component, result activities.BuildResult) {
	took := release.Duration(result.Took.Round(time.Millisecond))
	if result.From == "" {
		r.note(fmt.Sprintf("built %s in %s", component.Name, took), string(result.Artifact))
		return
	}
	r.note(fmt.Sprintf("took %s from %s in %s", component.Name, result.From, took), string(result.Artifact))
}

// obtain takes a component's artifact from where it is built, and says where that was.
func (r *run) obtain(ctx workflow.Context, component release.Component) (activities.BuildResult, error) {
	image, by := component.Build.Image, ""
	if actions := component.Build.Actions; actions != nil {
		found, err := r.awaitRun(ctx, component)
		if err != nil {
			return activities.BuildResult{}, err
		}
		if actions.Artifact != "" {
			return r.takeArtifact(ctx, component, found)
		}
		image, by = actions.Image, ", built by "+found.URL
	}
	bound := component.Build.Timeout.Std()
	var resolved activities.ImageResult
	in := activities.ImageInput{Component: component.Name, Image: image, Commit: r.in.Request.Commit, Ref: r.in.Request.Ref}
	if err := workflow.ExecuteActivity(gate(ctx, fetchBound, "Resolve the image of "+component.Name), builds.ResolveImage, in).Get(ctx, &resolved); err != nil {
		return activities.BuildResult{}, err
	}
	var result activities.BuildResult
	take := activities.TakeImageInput{Component: component.Name, Image: resolved.Image, For: r.buildInput(component)}
	err := workflow.ExecuteActivity(gate(ctx, bound, "Take "+component.Name+" from its image"), builds.TakeImage, take).Get(ctx, &result)
	result.From = "image " + resolved.Image + by
	return result, err
}

// takeArtifact takes what a run has uploaded.
func (r *run) takeArtifact(ctx workflow.Context, component release.Component, found activities.WorkflowRun) (activities.BuildResult, error) {
	name := component.Build.Actions.Artifact
	in := activities.TakeArtifactInput{Component: component.Name, Repository: r.in.Request.Repository, Run: found.ID, Artifact: name, For: r.buildInput(component), URL: found.URL}
	if len(component.Run.Command) > 0 {
		in.Program = component.Run.Command[0]
	}
	var result activities.BuildResult
	summary := "Take " + component.Name + " from its workflow run"
	err := workflow.ExecuteActivity(gate(ctx, component.Build.Timeout.Std(), summary), builds.TakeArtifact, in).Get(ctx, &result)
	result.From = fmt.Sprintf("artifact %q (%s) of %s", name, result.From, found.URL)
	return result, err
}

// awaitRun waits until the workflow's run of this commit has ended well, for no longer than the build may take.
func (r *run) awaitRun(ctx workflow.Context, component release.Component) (activities.WorkflowRun, error) {
	defer r.awaiting(ctx, component)()
	file, bound := component.Build.Actions.Workflow, component.Build.Timeout
	deadline := workflow.Now(ctx).Add(bound.Std())
	in := activities.CheckRunInput{Component: component.Name, Repository: r.in.Request.Repository, Commit: r.in.Request.Commit, Workflow: file}
	summary := "Look for the run of " + file + " for " + component.Name
	for pause := runFirst; ; pause = min(2*pause, runLast) {
		told := r.elsewhere.notices
		var look activities.CheckRunResult
		err := workflow.ExecuteActivity(looking(ctx, deadline.Sub(workflow.Now(ctx)), summary), builds.CheckRun, in).Get(ctx, &look)
		if err != nil {
			return look.Run, r.lookFailed(component, err)
		}
		if look.Found && look.Run.Over {
			return look.Run, nil
		}
		left := deadline.Sub(workflow.Now(ctx))
		if left <= 0 {
			return look.Run, overdue(component, look)
		}
		heard, err := r.hearWithin(ctx, min(pause, left), told)
		if err != nil {
			return look.Run, err
		}
		if heard {
			// GitHub may tell that a run has ended before it shows it.
			pause = runFirst / 2
		}
	}
}

// hearWithin waits until the release is told that a build has ended, after it was told so often; false when the pause
// passes without.
func (r *run) hearWithin(ctx workflow.Context, pause time.Duration, told int) (bool, error) {
	timer, cancel := workflow.WithCancel(ctx)
	defer cancel()
	elapsed := workflow.NewTimerWithOptions(timer, pause, workflow.TimerOptions{Summary: "Look for the run again"})
	err := r.await(ctx, func() bool { return elapsed.IsReady() || r.elsewhere.notices != told })
	return r.elsewhere.notices != told, err
}

// lookFailed is the end of a build that nobody could be asked about.
func (r *run) lookFailed(component release.Component, err error) error {
	if _, known := activities.CauseOf(err); known || temporal.IsCanceledError(err) {
		return err
	}
	return stop(release.Broke, release.CauseBuild, fmt.Sprintf("build of %s: GitHub could not be asked for the run of %s within %s",
		component.Name, component.Build.Actions.Workflow, component.Build.Timeout), rootMessage(err))
}

// overdue is the end of a build that took too long, or never began.
func overdue(component release.Component, look activities.CheckRunResult) error {
	file, bound := component.Build.Actions.Workflow, component.Build.Timeout
	if !look.Found {
		return stop(release.Broke, release.CauseBuild, fmt.Sprintf("build of %s: no run of %s appeared within %s", component.Name, file, bound), look.Missing)
	}
	return stop(release.Broke, release.CauseBuild, fmt.Sprintf("build of %s: the run of %s is still %s after %s", component.Name, file, look.Run.Status, bound), look.Run.URL)
}

// awaiting shows that the release waits for a component's run until the returned function is called. Several may be
// awaited at once.
func (r *run) awaiting(ctx workflow.Context, component release.Component) (done func()) {
	until := workflow.Now(ctx).Add(component.Build.Timeout.Std())
	show := func() {
		r.status.Waiting = nil
		if names := r.elsewhere.awaited; len(names) > 0 {
			r.status.Waiting = &release.Waiting{For: "GitHub Actions to build " + strings.Join(names, ", "), Until: until}
		}
		r.show()
	}
	r.elsewhere.awaited = append(slices.Clone(r.elsewhere.awaited), component.Name)
	show()
	return func() {
		r.elsewhere.awaited = slices.DeleteFunc(slices.Clone(r.elsewhere.awaited), func(name string) bool { return name == component.Name })
		show()
	}
}
