package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/internal/release"
)

// run is one release under way.
type run struct {
	in ReleaseInput
	// way is cancelled by the first reason to stop; base is cancelled by nothing, and what must
	// happen in any case runs on it.
	way    workflow.Context
	leave  workflow.CancelFunc
	base   workflow.Context
	stop   *stopped
	spec   release.Spec
	plan   release.Plan
	status release.Status
	// targets says where each revision listens, by unit and revision.
	targets map[string]map[string]release.Target
	// units holds the weight in force in each unit, most the largest that one of its gateways may have:
	// a change that not all of them took is in force in some. versions has every weight so far.
	units    map[string]release.Weight
	most     map[string]release.Weight
	versions versions
	// liveSince is the first version whose lease has not run out yet.
	liveSince int64
	lapses    int
	// guards is how many there are: gateways times the routes that are compared; 0 where gateways do not judge.
	guards  int
	watcher *watcher
	// ask is the question that people are being asked, asks counts them, and closing is the last one as it stood
	// when it ended without enough answers.
	ask     *question
	asks    int
	closing *release.Ask
	// commits are the changes since what is stable, passed the stages that have done work and ended well, pressed
	// the sentences of the pressure gate.
	commits []release.Commit
	authors []release.Actor
	// untouched are the components that need not be built again.
	untouched []string
	passed    []release.Stage
	pressed   []string
	// unguard ends the look for freezes; nil before the first step, and where the manifest does not want it.
	unguard workflow.CancelFunc
	// glass is the word of a first person that a rule is to be broken, until there is a second.
	glass *release.BreakGlass
	// promotable says that a step or the watch is under way, promoted that somebody has ended it.
	promotable, promoted bool
	// sealed says that the release is being completed: the predecessor goes, and nothing stops it now.
	sealed  bool
	journal journal
	// elsewhere is what is built elsewhere.
	elsewhere elsewhere
	// shown are the search attributes as they were last set.
	shown attributes
}

// newRun sets a release up: its status, its handlers and its journal.
func newRun(ctx workflow.Context, in ReleaseInput) (*run, error) {
	r := &run{
		in: in, targets: map[string]map[string]release.Target{}, versions: newVersions(in.Release.Number),
		units: map[string]release.Weight{}, most: map[string]release.Weight{},
	}
	r.base, _ = workflow.NewDisconnectedContext(ctx)
	r.way, r.leave = workflow.WithCancel(ctx)
	r.status = release.Status{
		ID: in.Release, Phase: release.Pending, Since: workflow.Now(ctx), Ref: in.Request.Ref, Commit: in.Request.Commit, Message: in.Request.Message,
		Requester: in.Request.Requester, Requested: in.Request.At, Step: -1,
	}
	if err := r.listen(ctx); err != nil {
		return nil, err
	}
	workflow.Go(r.base, r.writeJournal)
	if in.Refused != nil {
		r.interrupt(&stopped{Event: in.Refused.Event, Cause: in.Refused.Cause})
	}
	return r, nil
}

// pass enters a phase and does its work. A release that has to stop does not enter another phase.
func (r *run) pass(phase release.Phase, do func(workflow.Context) error) error {
	// While traffic is split a pause holds the next move and not the phase, whose watcher has to begin
	// where the last one ended.
	if r.status.Phase.MovesTraffic() {
		if r.stop != nil {
			return r.stop
		}
	} else if err := r.proceed(r.way); err != nil {
		return err
	}
	next, err := r.status.Phase.Next(release.Passed)
	if err != nil {
		return err
	}
	if next != phase {
		return fmt.Errorf("after %s comes %s, not %s", r.status.Phase, next, phase)
	}
	r.enter(phase)
	return do(r.way)
}

// enter changes the phase where everybody sees it.
func (r *run) enter(phase release.Phase) {
	r.status.Phase, r.status.Since = phase, workflow.Now(r.base)
	if !r.passesBy(phase) {
		kind := release.EntryPhase
		if phase.Ended() {
			kind = release.EntryEnded
		}
		r.noteOf(kind, phaseSentence(phase))
	}
	r.show()
}

// passesBy says whether a phase has nothing to do, and so nothing to tell.
func (r *run) passesBy(phase release.Phase) bool {
	changed := len(r.plan.Changed()) > 0
	switch phase {
	case release.Deploying, release.CuttingOver, release.Watching:
		return !changed
	case release.Verifying:
		return !slices.ContainsFunc(r.plan.Changed(), func(m release.Move) bool { return len(m.Cases) > 0 })
	case release.Pressing:
		return !changed || r.plan.Pressure == nil
	case release.Approving:
		return !changed || len(r.plan.Wants(release.BeforeRamp)) == 0
	case release.Ramping:
		return len(r.plan.Steps) == 0
	default:
		return false
	}
}

// proceed waits while the release is paused, and says when it has to stop instead.
func (r *run) proceed(ctx workflow.Context) error {
	return r.proceedUnless(ctx, func() bool { return false })
}

// proceedUnless is [run.proceed] for something that may become moot meanwhile.
func (r *run) proceedUnless(ctx workflow.Context, moot func() bool) error {
	if r.stop != nil {
		return r.stop
	}
	if r.status.Paused {
		defer r.wait("somebody to resume it", time.Time{})()
	}
	return r.await(ctx, func() bool { return !r.status.Paused || moot() })
}

// await waits for a condition on the way; a reason to stop ends it with that reason.
func (r *run) await(ctx workflow.Context, condition func() bool) error {
	if err := workflow.Await(ctx, func() bool { return condition() || r.stop != nil }); err != nil {
		return err
	}
	if r.stop != nil {
		return r.stop
	}
	return nil
}

// interrupt gives the release a reason to stop; the first one counts.
func (r *run) interrupt(s *stopped) {
	if r.stop != nil || r.sealed || r.status.Phase.Ended() || r.status.Phase == release.RollingBack {
		return
	}
	r.stop = s
	r.leave()
}

// stopFor is the reason for leaving the way: the interruption if there was one, because the error
// of the stage is only its echo.
func (r *run) stopFor(err error) *stopped {
	if r.stop != nil {
		return r.stop
	}
	return stopFor(err)
}

// wait shows what the release waits for until the returned function is called.
func (r *run) wait(what string, until time.Time) (done func()) {
	before := r.status.Waiting
	r.status.Waiting = &release.Waiting{For: what, Until: until}
	r.show()
	return func() {
		r.status.Waiting = before
		r.show()
	}
}

// versions gives out the versions of a lane's routes. They rise over all its releases because a
// release's versions begin at its number times a million; a release that changed weights a million
// times would have run for centuries.
type versions struct {
	last int64
	// weights are those given in this release, oldest first.
	weights []release.WeightVersion
}

func newVersions(number int) versions { return versions{last: int64(number) * 1_000_000} }

// next is a version for a weight.
func (v *versions) next(weight release.Weight) int64 {
	v.last++
	v.weights = append(v.weights, release.WeightVersion{Version: v.last, Weight: weight})
	return v.last
}
