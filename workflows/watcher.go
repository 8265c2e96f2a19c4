package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// goal is what a watcher waits for: the step or the watch at this version.
type goal struct {
	version  int64
	bake     release.Duration
	patience release.Duration
	// blindBack is how long a step may be blind before the ramp steps back; 0 is for ever.
	blindBack release.Duration
	// over marks the time after the cutover, again a watcher that goes on with the goal of the one
	// before it.
	over, again bool
}

// knownWeights is how many of the last weights a watcher is told of. The test keeps 128, and no
// gateway has evidence under a weight that was given so many steps ago.
const knownWeights = 100

// watcher is the activity that renews the leases and judges the evidence. One follows the other
// without a gap for as long as a release moves traffic.
type watcher struct {
	cancel workflow.CancelFunc
	// calledOff says that the release needs it no longer.
	calledOff bool
	done      bool
	result    activities.WatchResult
}

// startWatcher lets the next watcher go on with the state of the last.
func (r *run) startWatcher(ctx workflow.Context, g goal) {
	weights := r.versions.weights
	in := activities.WatchInput{
		Release: r.in.Release, Units: r.plan.Units, Moves: r.plan.Changed(), Compared: r.plan.Compared(), Config: r.watched(),
		Weights: weights[max(0, len(weights)-knownWeights):], Goal: g.version, Since: r.liveSince, Bake: g.bake, Patience: g.patience, Over: g.over,
		Lease: release.Duration(lease), BlindBack: g.blindBack,
	}
	if r.watcher != nil {
		in.State = r.watcher.result.State
		if g.again {
			in.Applied, in.BlindSince = r.watcher.result.Applied, r.watcher.result.BlindSince
		}
	}
	// Until a watcher has a state of its own, it leaves the one it began with.
	w := &watcher{result: activities.WatchResult{State: in.State}}
	ctx, w.cancel = workflow.WithCancel(ctx)
	r.watcher = w
	summary := fmt.Sprintf("Watch the canary, towards version %d", g.version)
	if g.over {
		summary = "Watch over the cutover"
	}
	future := workflow.ExecuteActivity(watching(ctx, summary), watch.Watch, in)
	workflow.Go(r.base, func(base workflow.Context) { r.follow(base, w, future) })
}

// follow takes a watcher's result, and stops the release when it is against the canary.
func (r *run) follow(ctx workflow.Context, w *watcher, future workflow.Future) {
	var result activities.WatchResult
	err := future.Get(ctx, &result)
	w.done = true
	if err != nil {
		if !w.calledOff {
			// Whatever ended it, the canary is unwatched now.
			r.interrupt(stop(release.Broke, release.CauseInternal, "the watcher ended: "+rootMessage(err)))
		}
		return
	}
	w.result = result
	evidence := result.Evidence
	r.status.Evidence = &evidence
	r.show()
	switch result.End {
	case activities.WatchFailed:
		if r.plan.First() {
			return
		}
		r.interrupt(stop(release.Broke, release.CauseEvidence, evidence.Sentence))
	case activities.WatchPatience:
		r.interrupt(stop(release.Broke, release.CausePatience,
			"not enough evidence to go on within "+r.plan.Ramp.Patience.String()+": "+evidence.Sentence))
	}
}

// unwatched says that the lease ran out while the release waits to move traffic on.
func (r *run) unwatched() bool {
	return r.watcher.done && r.watcher.result.End == activities.WatchLapsed
}

// stopWatcher ends a watcher early and waits for its state.
func (r *run) stopWatcher(ctx workflow.Context) error {
	w := r.watcher
	w.calledOff = true
	w.cancel()
	return r.await(ctx, func() bool { return w.done })
}
