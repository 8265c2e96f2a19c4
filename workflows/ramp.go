package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// mostLapses is how often a ramp may begin again after its lease ran out. A lease runs out when
// Sky Island itself was away, which says nothing about the candidate; when it keeps happening,
// nobody can watch a canary, and the release goes back.
const mostLapses = 3

// ramp walks the steps. Each of them ends on evidence, never on time alone.
func (r *run) ramp(ctx workflow.Context) error {
	lapses := 0
	for i := 0; i < len(r.plan.Steps); {
		end, err := r.step(ctx, i)
		if err != nil {
			return err
		}
		switch end {
		case activities.WatchPassed:
			i++
		case activities.WatchLapsed:
			lapses++
			if lapses > mostLapses {
				return stop(release.Broke, release.CauseLease, fmt.Sprintf("the lease ran out %d times", lapses))
			}
			r.note("the lease ran out and the gateways returned to stable; the ramp begins again")
			r.forgetWeights()
			r.liveSince = r.versions.last + 1
			i = 0
		case activities.WatchBlindBack:
			r.note("no evidence for " + r.plan.Analysis.BlindBack.String() + "; the ramp steps back")
			i = max(0, i-1)
		default:
			return fmt.Errorf("a step cannot end %q", end)
		}
	}
	return nil
}

// step gives one weight to every component in every unit and waits for its verdict. The watcher
// starts first, so that the weight is never there without it.
func (r *run) step(ctx workflow.Context, index int) (activities.WatchEnd, error) {
	step := r.plan.Steps[index]
	version := r.versions.next(step.Weight)
	if err := r.startWatcher(ctx, goal{version: version, bake: step.Bake, patience: r.plan.Ramp.Patience}); err != nil {
		return "", err
	}
	r.promoted = false
	for _, unit := range r.plan.Units {
		if err := r.mayMove(ctx, release.GateStep, unit, step.Weight); err != nil {
			return "", err
		}
		if err := r.shift(ctx, unit, version, step.Weight, lease); err != nil {
			return "", err
		}
	}
	r.status.Step, r.status.Weight = index, step.Weight
	r.note(fmt.Sprintf("step %d of %d: %s to the candidate", index+1, len(r.plan.Steps), step.Weight))
	defer r.wait(fmt.Sprintf("evidence at %s", step.Weight), workflow.Now(ctx).Add(step.Bake.Std()))()
	for {
		if err := r.await(ctx, func() bool { return r.watcher.ended() || r.promoted }); err != nil {
			return "", err
		}
		if r.promoted {
			r.note("promoted past the step at " + step.Weight.String())
			return activities.WatchPassed, r.stopWatcher(ctx)
		}
		if r.watcher.result.End != activities.WatchBlind {
			return r.watcher.result.End, nil
		}
		r.note("blind: the candidate gets no requests, so nothing is known of it; the ramp holds")
		if err := r.startWatcher(ctx, goal{version: version, bake: step.Bake, patience: r.plan.Ramp.Patience, again: true}); err != nil {
			return "", err
		}
	}
}

// cutOver asks people where the manifest says so, and gives the candidate everything.
func (r *run) cutOver(ctx workflow.Context) error {
	if len(r.plan.Changed()) == 0 {
		return nil
	}
	version := r.versions.next(release.FullWeight)
	if err := r.startWatcher(ctx, goal{version: version, bake: r.plan.Watch, over: true}); err != nil {
		return err
	}
	if err := r.askPeople(ctx, release.BeforeCutover); err != nil {
		return err
	}
	for _, unit := range r.plan.Units {
		if err := r.mayMove(ctx, release.GateCutover, unit, release.FullWeight); err != nil {
			return err
		}
		if err := r.shift(ctx, unit, version, release.FullWeight, 0); err != nil {
			return err
		}
	}
	r.status.Weight = release.FullWeight
	r.note("all traffic is at the candidate; the predecessor stays warm")
	return r.recordRoutes(ctx)
}

// watchOver keeps the predecessor warm until the watch is over. With nothing to go back to, bad
// evidence holds the release for a person to decide.
func (r *run) watchOver(ctx workflow.Context) error {
	if len(r.plan.Changed()) == 0 {
		return nil
	}
	r.promoted = false
	defer r.wait("the end of the watch", workflow.Now(ctx).Add(r.plan.Watch.Std()))()
	if err := r.await(ctx, func() bool { return r.watcher.ended() || r.promoted }); err != nil {
		return err
	}
	if r.promoted {
		r.note("the watch was ended early")
		return r.stopWatcher(ctx)
	}
	if r.watcher.result.End == activities.WatchPassed {
		return nil
	}
	r.note("the evidence is against the first release, and there is nothing to return to: "+r.watcher.result.Evidence.Sentence,
		"promote keeps it, rollback takes it off the air, a new push replaces it")
	defer r.wait("promote or rollback", time.Time{})()
	return r.await(ctx, func() bool { return r.promoted })
}

// shift gives a weight to every changed component of a unit, all from the same moment.
func (r *run) shift(ctx workflow.Context, unit string, version int64, weight release.Weight, lease time.Duration) error {
	in := activities.RouteInput{Unit: unit, Routes: r.routes(unit, version, weight)}
	for i := range in.Routes {
		in.Routes[i].Lease = release.Duration(lease)
	}
	summary := fmt.Sprintf("%s to the candidate in unit %s", weight, unit)
	if err := workflow.ExecuteActivity(traffic(ctx, summary), routes.Apply, in).Get(ctx, nil); err != nil {
		return err
	}
	r.units[unit] = weight
	return nil
}

// routes is the desired state of the changed components of a unit. A component without a
// predecessor has nobody to share with: it is served whole as soon as the candidates have any
// weight, for the canaries of the others may call it.
func (r *run) routes(unit string, version int64, weight release.Weight) []release.Route {
	var out []release.Route
	for _, move := range r.plan.Changed() {
		route := release.Route{
			Key: release.RouteKey(r.in.Release.Lane, move.Component), Ingress: move.Ingress, Version: version, Weight: weight,
			Release: r.in.Release.String(), Sticky: r.plan.Ramp.Sticky, UserHeader: r.plan.Ramp.UserHeader, WarmUp: r.plan.Ramp.Probe,
		}
		if move.Stable != nil {
			stable := r.targets[unit][move.Stable.ID]
			route.Stable = &stable
		} else if weight > release.NoWeight {
			route.Weight = release.FullWeight
		}
		if candidate, ok := r.targets[unit][move.Candidate.ID]; ok && weight > release.NoWeight {
			route.Canary = &candidate
		}
		out = append(out, route)
	}
	return out
}

// forgetWeights notes that the gateways returned to stable by themselves.
func (r *run) forgetWeights() {
	for _, unit := range r.plan.Units {
		r.units[unit] = release.NoWeight
	}
	r.status.Weight, r.status.Step = release.NoWeight, -1
}
