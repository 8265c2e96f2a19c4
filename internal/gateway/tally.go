package gateway

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/skyisland/skyisland/internal/canary"
)

// The tally of one weight version is in as many parts, so that processors seldom write to the same one.
const tallyParts = 8

// mostTallies bounds the weight versions that a ledger counts, as the test does: what is older is ignored there.
const mostTallies = 128

// tally counts the verdicts on requests that were assigned under one weight version. Counting takes no lock, but for
// bad units of sticky routes, whose sessions go along. Two read it, each by what it has taken already: the ledger for the
// batches, and the guard.
type tally struct {
	version int
	share   float64 // the canary's part, 0 to 1
	parts   [tallyParts]tallyPart

	// mu orders bad units with sessions against readers, so that no session is read without its unit, and guards what
	// follows. sent and judged are what the ledger and the guard have taken.
	mu           sync.Mutex
	sessions     [canary.Streams]sessionLists
	sent, judged taken
}

// tallyPart has three cache lines to itself.
type tallyPart struct {
	marks    [canary.Streams][4]atomic.Int64
	requests [2]atomic.Int64
	drawn    [2]atomic.Int64
	_        [32]byte
}

type sessionLists struct{ canary, stable []uint64 }

// taken is how much of a tally a reader has.
type taken struct {
	counts   counted
	sessions [canary.Streams]struct{ canary, stable int }
}

// counted are the sums of all parts.
type counted struct {
	marks           [canary.Streams][4]int64
	requests, drawn [2]int64
}

func newTally(version int, share float64) *tally { return &tally{version: version, share: share} }

// part is one of the parts, by chance.
func (t *tally) part() *tallyPart { return &t.parts[rand.Uint32()%tallyParts] } //nolint:gosec // which part counts it says nothing

// The places of a stream's marks.
const (
	canaryBad = iota
	stableBad
	canaryGood
	stableGood
)

func place(arm canary.Arm, kind canary.MarkKind) int {
	switch {
	case kind == canary.MarkBad && arm == canary.Canary:
		return canaryBad
	case kind == canary.MarkBad:
		return stableBad
	case arm == canary.Canary:
		return canaryGood
	default:
		return stableGood
	}
}

// mark counts one unit on a stream; a kind of none is nothing.
func (t *tally) mark(s canary.Stream, arm canary.Arm, kind canary.MarkKind) {
	if kind != canary.MarkNone {
		t.part().marks[s][place(arm, kind)].Add(1)
	}
}

// markSession is mark on a sticky route.
func (t *tally) markSession(s canary.Stream, arm canary.Arm, kind canary.MarkKind, session uint64) {
	if kind != canary.MarkBad {
		t.mark(s, arm, kind)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mark(s, arm, kind)
	lists := &t.sessions[s]
	// The bound of a batch: beyond it units are counted, and ignored by the test.
	if len(lists.canary)+len(lists.stable) >= canary.MaxBatchSessions {
		return
	}
	if arm == canary.Canary {
		lists.canary = append(lists.canary, session)
	} else {
		lists.stable = append(lists.stable, session)
	}
}

// request counts a request that was assigned to an arm, and drew a session that was.
func (t *tally) request(arm canary.Arm) { t.part().requests[arm].Add(1) }
func (t *tally) drew(arm canary.Arm)    { t.part().drawn[arm].Add(1) }

// sum adds the parts up. Units that are counted meanwhile are in it or in the next.
func (t *tally) sum() counted {
	var c counted
	for i := range t.parts {
		part := &t.parts[i]
		for s := range part.marks {
			for k := range part.marks[s] {
				c.marks[s][k] += part.marks[s][k].Load()
			}
		}
		for arm := range part.requests {
			c.requests[arm] += part.requests[arm].Load()
			c.drawn[arm] += part.drawn[arm].Load()
		}
	}
	return c
}

// take returns what a reader has not had yet, and counts it as had. The lists of sessions are the tally's own.
func (t *tally) take(had *taken) canary.Batch {
	b := canary.Batch{WeightVersion: t.version}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.sum()
	b.CanaryRequests = now.requests[canary.Canary] - had.counts.requests[canary.Canary]
	b.StableRequests = now.requests[canary.Stable] - had.counts.requests[canary.Stable]
	b.CanaryDrawn = now.drawn[canary.Canary] - had.counts.drawn[canary.Canary]
	b.StableDrawn = now.drawn[canary.Stable] - had.counts.drawn[canary.Stable]
	for s := range now.marks {
		marks, before := &now.marks[s], &had.counts.marks[s]
		lists, seen := &t.sessions[s], &had.sessions[s]
		b.Streams[s] = canary.Counts{
			CanaryBad: marks[canaryBad] - before[canaryBad], StableBad: marks[stableBad] - before[stableBad],
			CanaryGood: marks[canaryGood] - before[canaryGood], StableGood: marks[stableGood] - before[stableGood],
		}
		if seen.canary < len(lists.canary) {
			b.Streams[s].CanarySessions = lists.canary[seen.canary:]
		}
		if seen.stable < len(lists.stable) {
			b.Streams[s].StableSessions = lists.stable[seen.stable:]
		}
		seen.canary, seen.stable = len(lists.canary), len(lists.stable)
	}
	had.counts = now
	return b
}

// forget drops the sessions that its readers have: the ledger, and the guard where there is one.
func (t *tally) forget(guarded bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !guarded {
		t.judged = t.sent
	}
	for s := range t.sessions {
		lists, sent, judged := &t.sessions[s], &t.sent.sessions[s], &t.judged.sessions[s]
		if n := min(sent.canary, judged.canary); n == len(lists.canary) {
			lists.canary, sent.canary, judged.canary = nil, 0, 0
		}
		if n := min(sent.stable, judged.stable); n == len(lists.stable) {
			lists.stable, sent.stable, judged.stable = nil, 0, 0
		}
	}
}
