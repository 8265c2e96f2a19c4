package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
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
	for i := 0; i < len(r.plan.Steps); {
		end, err := r.step(ctx, i)
		if err != nil {
			return err
		}
		switch end {
		case activities.WatchPassed:
			i++
		case activities.WatchLapsed:
			if err := r.lapse(); err != nil {
				return err
			}
			i = 0
		case activities.WatchBlindBack:
			r.noteOf(release.EntryBlind, "no evidence for "+r.plan.Analysis.BlindBack.String()+"; the ramp steps back")
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
	g := goal{version: r.versions.next(step.Weight), bake: step.Bake, patience: r.plan.Ramp.Patience}
	if index > 0 {
		// Below the first step there is nothing to step back to: only patience ends it.
		g.blindBack = r.plan.Analysis.BlindBack
	}
	r.startWatcher(ctx, g)
	if lapsed, err := r.moveAll(ctx, release.GateStep, g.version, step.Weight); err != nil || lapsed {
		return activities.WatchLapsed, err
	}
	r.status.Step, r.status.Weight = index, step.Weight
	r.noteOf(release.EntryStep, fmt.Sprintf("step %d of %d: %s to the candidate", index+1, len(r.plan.Steps), step.Weight))
	r.revertOnFreeze(ctx)
	defer r.wait(fmt.Sprintf("evidence at %s", step.Weight), workflow.Now(ctx).Add(step.Bake.Std()))()
	for {
		promoted, err := r.awaitWatcher(ctx)
		if err != nil {
			return "", err
		}
		if promoted {
			r.note("promoted past the step at " + step.Weight.String())
			return activities.WatchPassed, r.stopWatcher(ctx)
		}
		if r.watcher.result.End != activities.WatchBlind {
			return r.watcher.result.End, nil
		}
		r.noteOf(release.EntryBlind, "blind: the candidate gets no requests, so nothing is known of it; the ramp holds")
		g.again = true
		r.startWatcher(ctx, g)
	}
}

// moveAll gives a weight to every unit in order, as soon as the rules allow each. It gives up, and
// says so, when the lease runs out while it waits: nobody watches the canary then.
func (r *run) moveAll(ctx workflow.Context, gate release.Gate, version int64, weight release.Weight) (lapsed bool, err error) {
	for _, unit := range r.plan.Units {
		allowed, err := r.mayMove(ctx, gate, unit, weight)
		if err != nil {
			return false, err
		}
		if !allowed {
			return true, nil
		}
		if lapsed, err := r.shift(ctx, unit, version, weight); err != nil || lapsed {
			return lapsed, err
		}
	}
	return false, nil
}

// awaitWatcher waits for the end of a watcher, or for somebody who does not want to.
func (r *run) awaitWatcher(ctx workflow.Context) (promoted bool, err error) {
	r.promoted, r.promotable = false, true
	defer func() { r.promotable = false }()
	err = r.await(ctx, func() bool { return r.watcher.done || r.promoted })
	return r.promoted, err
}

// lapse takes in that the gateways returned to stable by themselves.
func (r *run) lapse() error {
	r.lapses++
	if r.lapses > mostLapses {
		return stop(release.Broke, release.CauseLease, fmt.Sprintf("the lease ran out %d times", r.lapses))
	}
	r.noteOf(release.EntryLapsed, "the lease ran out and the gateways returned to stable; the ramp begins again")
	for _, unit := range r.plan.Units {
		// A unit that has everything at the candidate has no lease that could run out.
		if r.units[unit] < release.FullWeight {
			r.units[unit] = release.NoWeight
		}
	}
	r.status.Weight, r.status.Step = release.NoWeight, -1
	r.liveSince = r.versions.last + 1
	return nil
}

// cutOver asks people where the manifest says so, and gives the candidate everything.
func (r *run) cutOver(ctx workflow.Context) error {
	if len(r.plan.Changed()) == 0 {
		return nil
	}
	asked := false
	for {
		version := r.versions.next(release.FullWeight)
		r.startWatcher(ctx, goal{version: version, bake: r.plan.Watch, over: true})
		if !asked {
			if err := r.askPeople(ctx, release.BeforeCutover); err != nil {
				return err
			}
			asked = true
		}
		lapsed, err := r.moveAll(ctx, release.GateCutover, version, release.FullWeight)
		if err != nil {
			return err
		}
		if !lapsed {
			break
		}
		if err := r.lapse(); err != nil {
			return err
		}
		if err := r.ramp(ctx); err != nil {
			return err
		}
	}
	r.status.Weight = release.FullWeight
	if r.unguard != nil {
		r.unguard()
	}
	r.noteOf(release.EntryStep, "all traffic is at the candidate; the predecessor stays warm")
	if r.status.Paused {
		r.status.Paused = false
		r.note("the pause came with the last move under way, and holds nothing any more")
	}
	return r.recordRoutes(ctx)
}

// watchOver keeps the predecessor warm until the watch is over. With nothing to go back to, bad
// evidence holds the release for a person to decide.
func (r *run) watchOver(ctx workflow.Context) error {
	if len(r.plan.Changed()) == 0 {
		return nil
	}
	defer r.wait("the end of the watch", workflow.Now(ctx).Add(r.plan.Watch.Std()))()
	for {
		promoted, err := r.awaitWatcher(ctx)
		if err != nil {
			return err
		}
		if promoted {
			r.note("the watch was ended early")
			return r.stopWatcher(ctx)
		}
		switch end := r.watcher.result.End; end {
		case activities.WatchPassed:
			return nil
		case activities.WatchLapsed:
			// A gateway's news of a lease that ran out just before the cutover replaced it.
			r.liveSince = r.versions.last
			r.startWatcher(ctx, goal{version: r.versions.last, bake: r.plan.Watch, over: true, again: true})
		case activities.WatchFailed:
			return r.holdFirst(ctx)
		default:
			return fmt.Errorf("the watch cannot end %q", end)
		}
	}
}

// holdFirst waits for a person's word on a first release that does badly.
func (r *run) holdFirst(ctx workflow.Context) error {
	r.note("the evidence is against the first release, and there is nothing to return to: "+r.watcher.result.Evidence.Sentence,
		"promote keeps it, rollback takes it off the air, a new push replaces it")
	defer r.wait("promote or rollback", time.Time{})()
	r.promotable = true
	defer func() { r.promotable = false }()
	return r.await(ctx, func() bool { return r.promoted })
}

// shift gives a weight to every changed component of a unit, all from the same moment. A gateway whose
// lease has run out takes none but the first of a ramp, which shift says.
func (r *run) shift(ctx workflow.Context, unit string, version int64, weight release.Weight) (lapsed bool, err error) {
	in := activities.RouteInput{Unit: unit, Routes: r.routes(unit, version, weight)}
	for i := range in.Routes {
		in.Routes[i].Fresh = r.units[unit] == release.NoWeight
	}
	summary := fmt.Sprintf("%s to the candidate in unit %s", weight, unit)
	defer r.wait("the gateways of unit "+unit+" to serve "+weight.String(), time.Time{})()
	r.most[unit] = max(r.most[unit], weight)
	err = workflow.ExecuteActivity(traffic(ctx, r.plan.Ramp.Patience.Std(), summary), routes.Apply, in).Get(ctx, nil)
	var application *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	switch {
	case err == nil:
		r.units[unit], r.most[unit] = weight, weight
		return false, nil
	case errors.As(err, &application) && application.Type() == activities.TypeLapsed:
		return true, nil
	case errors.As(err, &timeout):
		return false, stop(release.Broke, release.CauseTraffic, fmt.Sprintf("the gateways of unit %s did not serve %s within %s: %s", unit, weight, r.plan.Ramp.Patience, rootMessage(err)))
	default:
		return false, err
	}
}

// routes is the desired state of the changed components of a unit. A component without a
// predecessor has nobody to share with: it is served whole as soon as the candidates have any
// weight, for the canaries of the others may call it.
func (r *run) routes(unit string, version int64, weight release.Weight) []release.Route {
	var out []release.Route
	for _, move := range r.plan.Changed() {
		route := release.Route{
			Key: release.RouteKey(r.in.Release.Lane, move.Component), Ingress: ingress(move, weight), Version: version, Weight: weight,
			Release: r.in.Release.String(), Sticky: r.plan.Ramp.Sticky, UserHeader: r.plan.Ramp.UserHeader, WarmUp: r.plan.Ramp.Probe,
			Latency: &release.LatencyBound{Quantile: r.plan.Analysis.LatencyQuantile, Margin: float64(r.plan.Analysis.LatencyMargin)},
		}
		if move.Stable != nil {
			stable := r.targets[unit][move.Stable.ID]
			route.Stable, route.Guard = &stable, r.guard()
		} else if weight > release.NoWeight {
			route.Weight = release.FullWeight
		}
		if candidate, ok := r.targets[unit][move.Candidate.ID]; ok && weight > release.NoWeight {
			route.Canary = &candidate
		}
		if route.Weight > release.NoWeight && route.Weight < release.FullWeight {
			route.Lease = release.Duration(lease)
		}
		out = append(out, route)
	}
	return out
}

// ingress is the way in to a component. Both revisions share it, so another host or path comes with
// the cutover, and goes with the way back; until then only the pins are the candidate's.
func ingress(move release.Move, weight release.Weight) release.Ingress {
	if move.Stable == nil || weight == release.FullWeight {
		return move.Ingress
	}
	in := move.Stable.Ingress
	if weight > release.NoWeight {
		in.Pins = move.Ingress.Pins
	}
	return in
}
