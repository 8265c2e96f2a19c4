package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/skyisland/skyisland/internal/release"
)

const (
	// observeFor is how long a gateway may keep a question for evidence when there is none.
	observeFor = time.Second
	// watchTick is how often the watcher looks at its clock between observations.
	watchTick = 200 * time.Millisecond
	// renewTimeout bounds one renewal: a slow gateway must not hold up the next.
	renewTimeout = 2 * time.Second
)

// errInterrupted makes Temporal start the watcher again, with its last heartbeat.
var errInterrupted = errors.New("the watch was interrupted: its worker stops, or reaches no server")

// Watch holds the watcher.
type Watch struct {
	// Observers are the gateways of a unit.
	Observers func(unit string) []Observer
}

// Watch renews the leases and judges the evidence of all gateways until there is something to say.
// It heartbeats the state of the test, and a new attempt goes on from there: the gateways keep what
// was not taken in. Called off, it returns its state as [WatchStopped]. It fails finally as [TypeEvidence]
// when it cannot go on with the state or the evidence it has.
func (w *Watch) Watch(ctx context.Context, in WatchInput) (WatchResult, error) {
	watch, err := newWatching(in, lastBeat(ctx), time.Now())
	if err != nil {
		return WatchResult{}, unusable(in.Release, err)
	}
	for _, unit := range in.Units {
		watch.observers = append(watch.observers, w.Observers(unit)...)
	}
	running, leave := context.WithCancel(ctx)
	defer leave()
	stopping := activity.GetWorkerStopChannel(ctx)
	go func() {
		select {
		case <-stopping:
			leave()
		case <-running.Done():
		}
	}()
	result, err := watch.run(running, func(beat WatchBeat) { activity.RecordHeartbeat(ctx, beat) })
	if err != nil {
		return result, unusable(in.Release, err)
	}
	if result.End == WatchStopped && !temporal.IsCanceledError(context.Cause(ctx)) {
		// Nobody called the watch off. The worker goes, or a heartbeat did not get through in time, for
		// which the SDK ends the context as well. What was judged last goes along.
		activity.RecordHeartbeat(ctx, WatchBeat{Evidence: result.Evidence, Result: result})
		return result, errInterrupted
	}
	return result, nil
}

// unusable ends the watch for good: the same state and the same evidence would end it again, and a
// watcher that fails over and over renews no lease and tells nobody.
func unusable(id release.ID, err error) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf("watch release %s: %s", id, err), TypeEvidence, err)
}

// lastBeat is what the attempt before said last; nil when there was none.
func lastBeat(ctx context.Context) *WatchBeat {
	var beat WatchBeat
	if !activity.HasHeartbeatDetails(ctx) || activity.GetHeartbeatDetails(ctx, &beat) != nil {
		return nil
	}
	return &beat
}
