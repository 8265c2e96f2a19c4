package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// handOver is how long the next unit of a rollback waits for the one before it. The order is kept
// while gateways answer; a unit whose gateways are away must not hold the others back.
const handOver = 2 * time.Second

// complete makes the candidates stable everywhere, and lets the predecessors go.
func (r *run) complete() (release.Outcome, error) {
	ctx := r.base
	version := r.versions.next(release.NoWeight)
	for _, unit := range r.plan.Units {
		if final := r.finalRoutes(unit, version); len(final) > 0 {
			in := activities.RouteInput{Unit: unit, Routes: final}
			if err := workflow.ExecuteActivity(traffic(ctx, "The candidate is stable in unit "+unit), routes.Apply, in).Get(ctx, nil); err != nil {
				return release.Outcome{}, err
			}
		}
	}
	next, err := r.status.Phase.Next(r.endOfWatch())
	if err != nil {
		return release.Outcome{}, err
	}
	return r.close(next, r.plan.Candidates(), r.predecessors())
}

// endOfWatch is the event that ends the watch.
func (r *run) endOfWatch() release.Event {
	if r.stop != nil {
		return r.stop.Event
	}
	return release.Passed
}

// end leaves the way: back, when traffic may have moved.
func (r *run) end(s *stopped) (release.Outcome, error) {
	next, err := r.status.Phase.Next(s.Event)
	if err != nil {
		return release.Outcome{}, err
	}
	if next == release.Completed {
		return r.complete()
	}
	r.status.Cause = &s.Cause
	r.stop = s
	if next == release.RollingBack {
		if err := r.rollBack(); err != nil {
			return release.Outcome{}, err
		}
		next = release.RolledBack
	}
	return r.close(next, r.in.Stable, r.candidates())
}

// rollBack returns all traffic to stable, in reverse order of the units. It asks nobody, needs no
// database, and tries for as long as a gateway cannot be reached.
func (r *run) rollBack() error {
	ctx := r.base
	r.enter(release.RollingBack)
	version := r.versions.next(release.NoWeight)
	all := newGroup(ctx)
	for i := len(r.plan.Units) - 1; i >= 0; i-- {
		unit := r.plan.Units[i]
		in := activities.RouteInput{Unit: unit, Routes: r.routes(unit, version, release.NoWeight)}
		back := workflow.ExecuteActivity(traffic(ctx, "Back to stable in unit "+unit), routes.Apply, in)
		all.add(back, func() error { return back.Get(ctx, nil) })
		if i > 0 {
			if _, err := workflow.AwaitWithTimeout(ctx, handOver, back.IsReady); err != nil {
				return err
			}
		}
	}
	defer r.wait("the gateways to return to stable", time.Time{})()
	if err := all.wait(); err != nil {
		return err
	}
	r.forgetWeights()
	r.note("all traffic is back at stable")
	return nil
}

// close ends the release. What it leaves behind is retired before the lane hears of the end: the next
// release may want the same revision, and must not have it taken away.
func (r *run) close(phase release.Phase, stable map[string]release.Revision, unneeded []release.Revision) (release.Outcome, error) {
	ctx := r.base
	outcome := release.Outcome{Release: r.in.Release, Phase: phase, Cause: r.status.Cause, Stable: stable, RouteVersion: r.versions.last}
	r.enter(phase)
	if r.in.Refused == nil {
		if err := r.recordRoutes(ctx); err != nil {
			return outcome, err
		}
		r.retire(ctx, unneeded)
		lane := r.in.Release.Lane.WorkflowID()
		// A lane that is gone has no use for the news.
		if err := workflow.SignalExternalWorkflow(ctx, lane, "", SignalFinished, outcome).Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Warn("lane not told", "lane", lane, "error", err)
		}
	}
	return outcome, workflow.Await(ctx, func() bool { return r.journal.idle() && workflow.AllHandlersFinished(ctx) })
}

// retire ends revisions that nothing leads to any more, in every unit. One that will not end is
// noted: it costs memory, and keeps no release from ending.
func (r *run) retire(ctx workflow.Context, revisions []release.Revision) {
	type ending struct {
		name   string
		future workflow.Future
	}
	var endings []ending
	for _, unit := range r.plan.Units {
		for _, revision := range revisions {
			if _, there := r.targets[unit]; !there {
				continue
			}
			in := activities.RetireInput{Unit: unit, Lane: r.in.Release.Lane, Revision: revision.ID, Drain: revision.Run.Drain}
			name := revision.ID + " in unit " + unit
			future := workflow.ExecuteActivity(retiring(ctx, revision.Run.Drain.Std(), "Retire "+name), deploys.Retire, in)
			endings = append(endings, ending{name, future})
		}
	}
	for _, e := range endings {
		if err := e.future.Get(ctx, nil); err != nil {
			r.note("could not retire "+e.name, rootMessage(err))
			continue
		}
		r.note("retired " + e.name)
	}
}

// finalRoutes are a unit's routes once the release is done: the candidates alone, and nothing for
// components that the manifest has no longer.
func (r *run) finalRoutes(unit string, version int64) []release.Route {
	out := r.routes(unit, version, release.NoWeight)
	for i, move := range r.plan.Changed() {
		candidate := r.targets[unit][move.Candidate.ID]
		out[i].Stable, out[i].Canary = &candidate, nil
	}
	for _, gone := range r.removed() {
		key := release.RouteKey(r.in.Release.Lane, gone.Component)
		out = append(out, release.Route{Key: key, Ingress: release.Ingress{Path: "/"}, Version: version})
	}
	return out
}

// recordRoutes stores what each unit's gateways serve now, for gateways that join later. Only states
// that hold without a lease are recorded: all at stable, or all at the candidate.
func (r *run) recordRoutes(ctx workflow.Context) error {
	for _, unit := range r.plan.Units {
		in := activities.RouteInput{Unit: unit}
		switch {
		case len(r.targets[unit]) == 0:
			continue
		case r.status.Phase == release.Completed:
			in.Routes = r.finalRoutes(unit, r.versions.last)
		default:
			in.Routes = r.routes(unit, r.versions.last, r.units[unit])
		}
		if err := workflow.ExecuteActivity(quick(ctx, "Record the routes of unit "+unit), records.Routes, in).Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// predecessors are the revisions that a completed release leaves behind, candidates those that a
// release leaves behind when it does not complete.
func (r *run) predecessors() []release.Revision {
	var out []release.Revision
	for _, move := range r.plan.Changed() {
		if move.Stable != nil {
			out = append(out, *move.Stable)
		}
	}
	return append(out, r.removed()...)
}

func (r *run) candidates() []release.Revision {
	var out []release.Revision
	for _, move := range r.plan.Changed() {
		out = append(out, move.Candidate)
	}
	return out
}
