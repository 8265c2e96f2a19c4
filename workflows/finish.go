package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// awayBound is how long gateways that cannot be reached may hold up a completion, which changes nothing
// in where the traffic goes. lapseBound is how long they may hold up a way back: after it their leases
// have run out, and they have returned by themselves.
const (
	awayBound  = 10 * time.Minute
	lapseBound = lease + 5*time.Second
)

// handOver is how long the next unit of a rollback waits for the one before it. The order is kept
// while gateways answer; a unit whose gateways are away must not hold the others back.
const handOver = 2 * time.Second

// complete makes the candidates stable everywhere, and lets the predecessors go. From its first line on
// nothing stops the release: half of the units would have nothing to return to.
func (r *run) complete(event release.Event) (release.Outcome, error) {
	ctx := r.base
	next, err := r.status.Phase.Next(event)
	if err != nil {
		return release.Outcome{}, err
	}
	r.sealed = true
	version := r.versions.next(release.NoWeight)
	for _, unit := range r.plan.Units {
		final := r.finalRoutes(unit, version)
		if len(final) == 0 {
			continue
		}
		in := activities.RouteInput{Unit: unit, Routes: final}
		if err := workflow.ExecuteActivity(traffic(ctx, awayBound, "The candidate is stable in unit "+unit), routes.Apply, in).Get(ctx, nil); err != nil {
			// The candidate has all the traffic either way; what was before it may stay warm for longer.
			r.note("the gateways of unit "+unit+" do not take their last routes; they are given them when they can be reached", rootMessage(err))
		}
	}
	return r.close(next, r.plan.Candidates(), r.predecessors())
}

// end leaves the way: back, when traffic may have moved.
func (r *run) end(s *stopped) (release.Outcome, error) {
	next, err := r.status.Phase.Next(s.Event)
	if err != nil {
		return release.Outcome{}, err
	}
	if next == release.Completed {
		return r.complete(s.Event)
	}
	r.status.Cause, r.status.Paused = &s.Cause, false
	r.stop = s
	r.enterNote(release.Entry{Kind: release.EntryStopped, Message: s.Cause.Message, Details: s.Cause.Details, Ask: r.closing})
	r.leave()
	if next == release.RollingBack {
		r.rollBack()
		if next, err = release.RollingBack.Next(release.Restored); err != nil {
			return release.Outcome{}, err
		}
	}
	return r.close(next, r.in.Stable, r.candidates())
}

// rollBack returns all traffic to stable, in reverse order of the units. It asks nobody, needs no
// database, and tries for as long as a gateway cannot be reached.
func (r *run) rollBack() {
	ctx := r.base
	r.enter(release.RollingBack)
	defer r.wait("the gateways to return to stable", time.Time{})()
	// The journal can wait for the traffic.
	r.journal.held = true
	version := r.versions.next(release.NoWeight)
	type way struct {
		unit string
		back workflow.Future
	}
	var ways []way
	for i := len(r.plan.Units) - 1; i >= 0; i-- {
		unit := r.plan.Units[i]
		in := activities.RouteInput{Unit: unit, Routes: r.routes(unit, version, release.NoWeight)}
		if len(in.Routes) == 0 {
			continue
		}
		back := workflow.ExecuteActivity(traffic(ctx, r.backBound(unit), "Back to stable in unit "+unit), routes.Apply, in)
		ways = append(ways, way{unit, back})
		if i > 0 {
			// The base ends with the workflow only, so that no error is left to look at.
			_, _ = workflow.AwaitWithTimeout(ctx, handOver, back.IsReady)
		}
	}
	refused := false
	defer func() { r.journal.held = false }()
	for _, w := range ways {
		if err := w.back.Get(ctx, nil); err != nil {
			// One that has something newer, or whose lease has run out while it was away, must not
			// keep the release from ending.
			refused = true
			r.note("the gateways of unit "+w.unit+" do not take the way back; they are given it when they can be reached", rootMessage(err))
			continue
		}
		r.units[w.unit] = release.NoWeight
	}
	r.status.Weight, r.status.Step = release.NoWeight, -1
	if !refused {
		r.note("all traffic is back at stable")
	}
}

// leased says whether all weights end by themselves that a gateway of the unit may have.
func (r *run) leased(unit string) bool {
	alone := slices.ContainsFunc(r.plan.Changed(), func(m release.Move) bool { return m.Stable == nil })
	return r.most[unit] < release.FullWeight && !alone
}

// backBound is how long the way back of a unit is tried; 0 is without bound. A canary with a lease has
// gone back by itself after it. One that has everything goes back at somebody's word only.
func (r *run) backBound(unit string) time.Duration {
	if r.leased(unit) {
		return lapseBound
	}
	return 0
}

// close ends the release. What it leaves behind is retired before the lane hears of the end: the next
// release may want the same revision, and must not have it taken away.
func (r *run) close(phase release.Phase, stable map[string]release.Revision, unneeded []release.Revision) (release.Outcome, error) {
	ctx := r.base
	outcome := release.Outcome{Release: r.in.Release, Phase: phase, Cause: r.status.Cause, Stable: stable}
	r.enter(phase)
	if r.in.Refused == nil {
		if phase == release.Completed || phase == release.RolledBack {
			if err := r.recordRoutes(ctx); err != nil {
				return outcome, err
			}
		}
		if phase == release.Completed {
			in := activities.StableInput{Release: r.in.Release, Stable: stable}
			if err := workflow.ExecuteActivity(quick(ctx, "Record what is stable"), records.Stable, in).Get(ctx, nil); err != nil {
				return outcome, err
			}
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
	out := r.routes(unit, version, release.FullWeight)
	for i := range out {
		out[i].Stable, out[i].Canary, out[i].Weight = out[i].Canary, nil, release.NoWeight
	}
	for _, gone := range r.removed() {
		key := release.RouteKey(r.in.Release.Lane, gone.Component)
		out = append(out, release.Route{Key: key, Ingress: gone.Ingress, Version: version})
	}
	return out
}

// recordRoutes stores what each unit's gateways serve now, for gateways that join later. Only states
// that hold without a lease are recorded: all at stable, or all at the candidate.
func (r *run) recordRoutes(ctx workflow.Context) error {
	for _, unit := range r.plan.Units {
		in := activities.RouteInput{Unit: unit, Routes: r.routes(unit, r.versions.last, r.status.Weight)}
		if r.status.Phase == release.Completed {
			in.Routes = r.finalRoutes(unit, r.versions.last)
		}
		if len(in.Routes) == 0 {
			continue
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
		if move.Replaces() {
			out = append(out, *move.Stable)
		}
	}
	return append(out, r.removed()...)
}

func (r *run) candidates() []release.Revision {
	if len(r.targets) == 0 {
		return nil
	}
	var out []release.Revision
	for _, move := range r.plan.Changed() {
		if move.Stable == nil || move.Replaces() {
			out = append(out, move.Candidate)
		}
	}
	return out
}
