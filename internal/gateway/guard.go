package gateway

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// guardSender is the guard's name for the batches that it makes for its own test.
const guardSender = "guard"

// guard is the sequential test of one release on one route, on what this gateway sees of it. Requests count into the
// ledger's tallies, without a lock; the guard looks at them when a canary was bad, for only then can a test decide against
// it, and every second. What it decides is final for the release.
type guard struct {
	key, release string
	ledger       *ledger
	log          *slog.Logger
	// unsaved lets what was found be written down.
	unsaved func()
	// trip is what the guard has found against the canary; nil while it has nothing. Every request reads it.
	trip atomic.Pointer[release.Evidence]
	// runs is how often the gateway has lost the guard's state, by a restart. Each halves what it may spend.
	runs int

	mu   sync.Mutex
	test *canary.Test
	seq  uint64
}

// newGuard begins a guard; nil for a route without one.
func newGuard(d *document, l *ledger, on *Gateway, now time.Time) *guard {
	config, ok := canary.ForRoute(d.Route)
	if !ok {
		return nil
	}
	test, err := canary.New(config, now)
	if err != nil {
		// The document was checked; what is left is a release that is judged by the control plane alone.
		on.opts.Log.Error("the guard cannot begin", "route", d.Key, "release", d.Release, "error", err)
		return nil
	}
	return &guard{key: d.Key, release: d.Release, ledger: l, log: on.opts.Log, unsaved: on.unsaved, test: test}
}

// resume goes on after a restart, which lost the evidence but not what was found.
func (g *guard) resume(runs int, trip *release.Evidence, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.runs < runs {
		g.runs++
		g.test.Restart(now)
	}
	g.trip.Store(trip)
}

// weigh tells the test of a weight version before anything counts under it.
func (g *guard) weigh(t *tally, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.test.AddWeight(t.version, t.share, now); err != nil {
		g.log.Error("the guard does not know a weight, and ignores what counts under it", "route", g.key, "release", g.release, "error", err)
	}
}

// judge takes in what has counted, and decides.
func (g *guard) judge(now time.Time) {
	if g.trip.Load() != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count(now)
	g.decide(now)
}

// tick does the same, and lets time pass for the test.
func (g *guard) tick(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count(now)
	g.test.Tick(now)
	g.decide(now)
}

// count takes in what has come. The caller holds mu.
func (g *guard) count(now time.Time) {
	for _, t := range *g.ledger.tallies.Load() {
		b := t.take(&t.judged)
		if b.Empty() {
			continue
		}
		g.seq++
		b.Gateway, b.Seq = guardSender, g.seq
		if _, err := g.test.Apply(b, now); err != nil {
			g.log.Error("the guard cannot count", "route", g.key, "release", g.release, "error", err)
		}
	}
}

// decide trips the guard when its test has decided. The caller holds mu.
func (g *guard) decide(now time.Time) {
	if g.trip.Load() != nil || g.test.Phase() != canary.PhaseRolledBack {
		return
	}
	found := g.test.Verdict(now).Words(now)
	g.trip.Store(&found)
	g.log.Warn("the guard found the canary bad, traffic is back on stable", "route", g.key, "release", g.release, "evidence", found.Sentence)
	g.unsaved()
	g.ledger.nudge()
}
