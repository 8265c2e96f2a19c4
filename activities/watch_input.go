package activities

import (
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
	Moves  []release.Move
	Config canary.Config
	// State is what the watcher before left; empty for the first.
	State json.RawMessage
	// Weights are all the weights of the release so far, the goal's included.
	Weights []release.WeightVersion
	// Goal is the version whose step is judged. The bake begins when every gateway has applied it.
	Goal int64
	Bake release.Duration
	// Patience is the longest time at the goal without enough evidence; 0 is no bound.
	Patience release.Duration
	// Over marks the time after the cutover: it ends well with time alone, if nothing speaks against it.
	Over bool
	// Lease is how long a renewal lasts.
	Lease release.Duration
	// Blind and BlindBack are how long the canary may be without requests before that is said, and
	// before the ramp steps back. BlindSince is set when it was said already.
	Blind      release.Duration
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
	State json.RawMessage
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

// WatchBeat is a watcher's heartbeat: what people see, and what the next attempt goes on with.
type WatchBeat struct {
	Evidence release.Evidence
	Result   WatchResult
	// Cursors are the last batches taken from each gateway's routes, by unit and gateway.
	Cursors map[string]map[string]uint64
}
