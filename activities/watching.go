package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// watching is one watcher at work. Its loop owns everything in it; the goroutines that speak with
// the gateways only send what they heard.
type watching struct {
	in        WatchInput
	test      *canary.Test
	observers []Observer
	cursors   map[string]map[string]Cursor
	// routes is what each observer said last of each route, renewed when its leases were.
	routes  map[string]map[string]Observation
	renewed map[string]time.Time
	// spoke is when each observer was heard last, here what the test expects now.
	spoke map[string]time.Time
	here  []string
	// judged are the routes whose evidence counts.
	judged map[string]bool
	// applied is when every gateway had the goal; blind since when the canary has had no requests.
	applied time.Time
	blind   time.Time
	// tripped is what a gateway's guard found against the canary; nil while none has.
	tripped *release.Evidence
}

// heard is an answer of one gateway.
type heard struct {
	observer     Observer
	observations []Observation
}

// newWatching goes on from the last heartbeat, or from what the watcher before left.
func newWatching(in WatchInput, beat *WatchBeat, now time.Time) (*watching, error) {
	w := &watching{
		in: in, cursors: map[string]map[string]Cursor{}, routes: map[string]map[string]Observation{},
		renewed: map[string]time.Time{}, spoke: map[string]time.Time{}, judged: map[string]bool{},
		applied: in.Applied, blind: in.BlindSince,
	}
	for _, move := range in.Moves {
		key := release.RouteKey(in.Release.Lane, move.Component)
		w.judged[key] = move.Stable != nil || !in.Compared
	}
	state := in.State
	if beat != nil {
		state, w.applied, w.blind = beat.Result.State, beat.Result.Applied, beat.Result.BlindSince
	}
	var err error
	if state == nil || len(state.Test) == 0 {
		w.test, err = canary.New(in.Config, now)
	} else {
		w.test, err = canary.Restore(in.Config, state.Test)
		w.cursors = maps.Clone(state.Cursors)
	}
	if err != nil {
		return nil, fmt.Errorf("take up the test: %w", err)
	}
	if w.cursors == nil {
		w.cursors = map[string]map[string]Cursor{}
	}
	for _, given := range in.Weights {
		if err := w.test.AddWeight(int(given.Version), given.Weight.Fraction(), now); err != nil {
			return nil, fmt.Errorf("tell the test of weight %s at version %d: %w", given.Weight, given.Version, err)
		}
	}
	return w, nil
}

// run listens to the gateways until there is something to say, or ctx ends.
func (w *watching) run(ctx context.Context, beat func(WatchBeat)) (WatchResult, error) {
	for _, observer := range w.observers {
		w.spoke[observer.Name()] = time.Now()
	}
	listening, stop := context.WithCancel(ctx)
	var speaking sync.WaitGroup
	defer speaking.Wait()
	defer stop()
	news := make(chan heard)
	for _, observer := range w.observers {
		after := maps.Clone(w.cursors[observer.Name()])
		speaking.Go(func() { listen(listening, observer, w.in.Release.String(), after, news) })
	}
	tick := time.NewTicker(watchTick)
	defer tick.Stop()
	var beaten time.Time
	for {
		select {
		case <-ctx.Done():
			return w.result(WatchStopped, time.Now())
		case h := <-news:
			if err := w.take(h, time.Now()); err != nil {
				return WatchResult{}, err
			}
		case <-tick.C:
			w.test.Tick(time.Now())
		}
		now := time.Now()
		if err := w.expect(now); err != nil {
			return WatchResult{}, err
		}
		w.renew(listening, &speaking, now)
		if end := w.judge(now); end != "" {
			return w.result(end, now)
		}
		if now.Sub(beaten) >= beatEvery {
			result, err := w.result("", now)
			if err != nil {
				return WatchResult{}, err
			}
			beat(WatchBeat{Evidence: result.Evidence, Result: result})
			beaten = now
		}
	}
}

// expect tells the test which gateways to hear from. The evidence of one that is silent is missed for
// as long as its lease lasts. After that it has returned to stable by itself, or is gone: it must
// not keep what the others saw from being judged.
func (w *watching) expect(now time.Time) error {
	var here []string
	for _, observer := range w.observers {
		if now.Sub(w.spoke[observer.Name()]) > w.in.Lease.Std() {
			continue
		}
		for _, key := range w.keys() {
			if w.judged[key] {
				here = append(here, sender(observer, key))
			}
		}
	}
	if slices.Equal(here, w.here) {
		return nil
	}
	w.here = here
	if err := w.test.Expect(here, now); err != nil {
		return fmt.Errorf("name the gateways to the test: %w", err)
	}
	return nil
}

// senderLength is the most bytes that the test takes for a name.
const senderLength = 64

// sender is the name under which a gateway's evidence on a route enters the test: batches are counted
// per route. One that is too long keeps its beginning, for people, and is told apart by its hash.
func sender(observer Observer, key string) string {
	name := observer.Name() + " " + key[strings.LastIndex(key, "/")+1:]
	if len(name) <= senderLength {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	tail := "~" + hex.EncodeToString(sum[:6])
	return strings.ToValidUTF8(name[:senderLength-len(tail)], "") + tail
}

// keys are the routes that move.
func (w *watching) keys() []string {
	out := make([]string, len(w.in.Moves))
	for i, move := range w.in.Moves {
		out[i] = release.RouteKey(w.in.Release.Lane, move.Component)
	}
	return out
}

// take counts what a gateway said.
func (w *watching) take(h heard, now time.Time) error {
	name := h.observer.Name()
	w.spoke[name] = now
	if w.cursors[name] == nil {
		w.cursors[name] = map[string]Cursor{}
	}
	routes := map[string]Observation{}
	for _, o := range h.observations {
		if o.Lost && w.judged[o.Key] {
			if err := w.test.Lost(sender(h.observer, o.Key), now); err != nil {
				return fmt.Errorf("begin without lost evidence: %w", err)
			}
		}
		for _, batch := range o.Batches {
			if !w.judged[o.Key] {
				break
			}
			batch.Gateway = sender(h.observer, o.Key)
			if _, err := w.test.Apply(batch, now); err != nil && !errors.Is(err, canary.ErrWeightUnknown) {
				return fmt.Errorf("count evidence: %w", err)
			}
		}
		if o.Tripped != nil && w.tripped == nil {
			found := *o.Tripped
			found.Sentence = "found at the gateway " + name + ": " + found.Sentence
			w.tripped = &found
		}
		w.cursors[name][o.Key] = o.Next
		o.Batches = nil
		routes[o.Key] = o
	}
	w.routes[name] = routes
	w.noteApplied(now)
	return nil
}

// noteApplied notes the moment from which every gateway has the goal.
func (w *watching) noteApplied(now time.Time) {
	if !w.applied.IsZero() || !w.everywhere(func(o Observation) bool { return o.Version >= w.in.Goal }) {
		return
	}
	w.applied = now
}

// everywhere says whether something holds for each route that moves in each gateway.
func (w *watching) everywhere(holds func(Observation) bool) bool {
	for _, observer := range w.observers {
		for _, key := range w.keys() {
			o, known := w.routes[observer.Name()][key]
			if !known || !holds(o) {
				return false
			}
		}
	}
	return true
}

// renew renews leases when a third of one has passed. A route begins its lease by itself when it is applied.
// A gateway that was not heard since the last time gets none: nobody would watch what it was renewed for.
func (w *watching) renew(ctx context.Context, speaking *sync.WaitGroup, now time.Time) {
	ttl := w.in.Lease.Std()
	for _, observer := range w.observers {
		name := observer.Name()
		if now.Sub(w.renewed[name]) < ttl/3 || !w.spoke[name].After(w.renewed[name]) {
			continue
		}
		versions := map[int64][]string{}
		for _, key := range w.keys() {
			o, known := w.routes[name][key]
			if known && !o.Lapsed && o.Weight > release.NoWeight && o.Weight < release.FullWeight {
				versions[o.Version] = append(versions[o.Version], key)
			}
		}
		if len(versions) == 0 {
			continue
		}
		w.renewed[name] = now
		for version, keys := range versions {
			speaking.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, renewTimeout)
				defer cancel()
				// A renewal that fails shows in what the gateway says next, or in its silence.
				_ = observer.Renew(ctx, keys, version, ttl)
			})
		}
	}
}

// judge says how the watch ends now; empty when it goes on.
func (w *watching) judge(now time.Time) WatchEnd {
	verdict := w.test.Verdict(now)
	if verdict.Decision == canary.Fail || w.tripped != nil {
		return WatchFailed
	}
	if w.lapsed() {
		return WatchLapsed
	}
	if w.applied.IsZero() {
		return ""
	}
	baked := now.Sub(w.applied) >= w.in.Bake.Std()
	if w.in.Over {
		if baked {
			return WatchPassed
		}
		return ""
	}
	// A gateway that is away has not seen this step to its end.
	if baked && verdict.Decision == canary.Pass && w.all() {
		return WatchPassed
	}
	if w.in.Patience > 0 && now.Sub(w.applied) >= w.in.Patience.Std() {
		return WatchPatience
	}
	return w.judgeBlind(verdict.Decision == canary.Blind, now)
}

// judgeBlind says it once when the canary gets no requests, and again when that lasts.
func (w *watching) judgeBlind(blind bool, now time.Time) WatchEnd {
	switch {
	case !blind:
		w.blind = time.Time{}
	case w.blind.IsZero():
		w.blind = now
		return WatchBlind
	case w.in.BlindBack > 0 && now.Sub(w.blind) >= w.in.BlindBack.Std():
		return WatchBlindBack
	}
	return ""
}

// all says whether every gateway is heard.
func (w *watching) all() bool {
	judged := 0
	for _, counts := range w.judged {
		if counts {
			judged++
		}
	}
	return len(w.here) == len(w.observers)*judged
}

// lapsed says whether a gateway has returned to stable by itself: its lease ran out, or it serves this
// release no longer, because it was made anew and was given what is stored.
func (w *watching) lapsed() bool {
	for _, observer := range w.observers {
		routes, heard := w.routes[observer.Name()]
		if !heard {
			continue
		}
		for _, key := range w.keys() {
			// After the cutover what is stored is what was given, and the reconciler gives it again.
			if o, serves := routes[key]; !w.applied.IsZero() && !w.in.Over && (!serves || o.Version < w.in.Goal) {
				return true
			}
		}
		for _, o := range routes {
			if o.Lapsed && o.Version >= w.in.Since {
				return true
			}
		}
	}
	return false
}

// result is the state at an end, or between.
func (w *watching) result(end WatchEnd, now time.Time) (WatchResult, error) {
	test, err := w.test.MarshalJSON()
	if err != nil {
		return WatchResult{}, fmt.Errorf("write the test down: %w", err)
	}
	verdict := w.test.Verdict(now)
	found := verdict.Words(now)
	if w.tripped != nil && verdict.Decision != canary.Fail {
		found = *w.tripped
	}
	return WatchResult{
		End: end, Evidence: found, Applied: w.applied, BlindSince: w.blind,
		State: &WatchState{Test: test, Cursors: w.cursors},
	}, nil
}
