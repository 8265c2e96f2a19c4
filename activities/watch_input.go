package activities

import (
	"context"
	"encoding/json"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// WatchType is the name under which the watcher is registered; its heartbeat is a [WatchBeat].
const WatchType = "Watch"

// WatchInput is what a watcher watches and what it waits for.
type WatchInput struct {
	Release release.ID
	Units   []string
	// Moves are the components whose traffic moves.
	Moves []release.Move
	// Compared says that there are predecessors to judge by. The evidence is then theirs: a component
	// without one is served whole from the first step on, and has nothing to be compared with.
	Compared bool
	Config   canary.Config
	// State is what the watcher before left; nil for the first.
	State *WatchState
	// Weights are all the weights of the release so far, the goal's included.
	Weights []release.WeightVersion
	// Goal is the version whose step is judged. The bake begins when every gateway has applied it.
	Goal int64
	// Since is the first version whose lease matters: those before it ran out already.
	Since int64
	Bake  release.Duration
	// Patience is the longest time at the goal without enough evidence; 0 is no bound.
	Patience release.Duration
	// Over marks the time after the cutover: it ends well with time alone, if nothing speaks against it.
	Over bool
	// Lease is how long a renewal lasts.
	Lease release.Duration
	// BlindBack is how long the canary may be known to be without requests before the ramp steps back; 0
	// is for ever. BlindSince is set when it was said already that it is blind.
	BlindBack  release.Duration
	BlindSince time.Time
	// Applied is when every gateway had applied the goal, if that was seen already.
	Applied time.Time
}

// WatchResult is how a watcher ended.
type WatchResult struct {
	End      WatchEnd
	Evidence release.Evidence
	// State is for the next watcher.
	State *WatchState
	// Applied is when every gateway had applied the goal; zero while one has not.
	Applied    time.Time
	BlindSince time.Time
}

// WatchEnd is why a watcher ended.
type WatchEnd string

// The ends of a watcher.
const (
	// WatchPassed: the bake is over and the evidence is for the canary.
	WatchPassed WatchEnd = "passed"
	// WatchFailed: the evidence is against the canary.
	WatchFailed WatchEnd = "failed"
	// WatchBlind: the canary gets no requests. The watch goes on in the next watcher.
	WatchBlind WatchEnd = "blind"
	// WatchBlindBack: it was blind for too long.
	WatchBlindBack WatchEnd = "blind-back"
	// WatchPatience: there was not enough evidence for too long.
	WatchPatience WatchEnd = "patience"
	// WatchLapsed: a gateway's lease ran out, and it returned to stable by itself.
	WatchLapsed WatchEnd = "lapsed"
	// WatchStopped: it was called off.
	WatchStopped WatchEnd = "stopped"
)

// WatchState is the state of the test and how far each gateway's evidence was taken in.
type WatchState struct {
	Test json.RawMessage
	// Cursors are by observer and route.
	Cursors map[string]map[string]Cursor
}

// WatchBeat is a watcher's heartbeat: what people see, and what the next attempt goes on with.
type WatchBeat struct {
	Evidence release.Evidence
	Result   WatchResult
}

// Observer is one gateway, as a watcher needs it.
type Observer interface {
	// Name is unique in the installation: the unit and the gateway.
	Name() string
	// Observe returns the evidence on a release after the cursors, by route. It answers at once
	// after a bad canary, and after wait in any case.
	Observe(ctx context.Context, release string, after map[string]Cursor, wait time.Duration) ([]Observation, error)
	// Renew lets the leases of these routes, at this version, last for ttl from now.
	Renew(ctx context.Context, keys []string, version int64, ttl time.Duration) error
}

// Observation is what a gateway says of one route.
type Observation struct {
	Key string
	// Version is in force, Weight is the canary's part right now; Lapsed says that the lease ran out.
	Version int64
	Weight  release.Weight
	Lapsed  bool
	// Tripped is what the gateway's guard has found against the canary, which has no weight there any more.
	Tripped *release.Evidence
	Batches []canary.Batch
	Next    Cursor
	// Lost says that batches after the cursor are gone.
	Lost bool
}

// Cursor is a place in the evidence on a route.
type Cursor struct {
	Run uint64
	Seq uint64
}
