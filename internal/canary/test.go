package canary

import (
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	stakeStart  = 0.4 // of the cash, at the start of the rollout
	stakeWarm   = 0.2 // at the end of the warm-up
	stakeSteps  = 0.2 // over the later weight increases
	stakeTime   = 0.2 // over the planned time
	maxWeights  = 128 // weight versions remembered; verdicts of older ones are ignored
	maxRestarts = 40

	// warmGrace is how long after the warm-up [Test.Tick] waits for its last verdicts before it takes
	// them for in.
	warmGrace = 10 * time.Second
)

// ErrWeightUnknown means that a batch names a weight version the test was not told of. The batch was not
// taken: register the version with [Test.AddWeight] and apply it again.
var ErrWeightUnknown = errors.New("weight version unknown")

// Phase is how far a test has come.
type Phase string

const (
	// PhaseRunning is a test that takes evidence.
	PhaseRunning Phase = "running"
	// PhaseRolledBack is a test that has decided against the canary, for good.
	PhaseRolledBack Phase = "rolled_back"
	// PhasePromoted is a test that was ended because the canary is stable now.
	PhasePromoted Phase = "promoted"
)

// weight is one weight version.
type weight struct {
	version int
	share   float64 // 0 to 1
	at      int64
	// canary and stable count the verdicts on the error stream, which every finished request gets.
	canary, stable int64
	table          table
}

// Test is the sequential test of one release attempt on one route, and all of its state. Feed it with
// [Test.AddWeight], [Test.Apply] and [Test.Tick], ask it for a [Verdict], keep its JSON. Times may not
// run backwards; one that does is taken for the latest seen. It is not safe for concurrent use.
type Test struct {
	cfg  Config
	hash string

	phase    Phase
	restarts int   // how often evidence was lost; each halves alpha
	anew     bool  // evidence was lost in this step, which therefore starts anew
	now      int64 // latest time seen, nanoseconds since the epoch

	weights  []weight // versions rising
	started  bool     // the canary has had weight, the starting stake is out
	since    int64    // when the canary last went from no weight to some
	injected int64    // up to when the stakes of time are out
	warmFrom int64    // when the canary first had weight
	warmDone bool

	wealth   wealth
	counts   PerStream[Counts] // verdicts seen, without sessions
	units    [Streams][2]int64 // bad units the bets took, by arm; fewer than seen on sticky routes
	maxLn    float64
	absolute absolute
	due      bool // a canary unit was bad since the last decision
	byAbs    bool // it was the absolute test that rolled back
	split    split
	finished recent // by stable
	lastSeen int64  // when the last canary verdict came
	sets     [Streams]sessions
	senders  map[string]*sender
}

// New returns a test that has seen nothing, or an error when the configuration is out of range.
func New(cfg Config, start time.Time) (*Test, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("canary configuration: %w", err)
	}
	if start.Before(time.Unix(0, 0)) {
		return nil, fmt.Errorf("canary test: start %v is before 1970", start)
	}
	t := &Test{cfg: cfg, hash: cfg.Hash(), phase: PhaseRunning, now: start.UnixNano(), senders: map[string]*sender{}}
	t.injected, t.lastSeen = t.now, t.now
	for s := range t.sets {
		t.sets[s] = sessions{}
	}
	t.forget()
	return t, nil
}

// forget puts all wealth and counts back to the start.
func (t *Test) forget() {
	t.wealth, t.absolute = newWealth(&t.cfg), newAbsolute()
	t.split = split{wrong: t.split.wrong}
	t.counts, t.units = PerStream[Counts]{}, [Streams][2]int64{}
	t.maxLn, t.started, t.warmDone, t.due = 0, false, false, false
	for i := range t.weights {
		t.weights[i].canary, t.weights[i].stable = 0, 0
	}
}

// Config returns the configuration the test was made with.
func (t *Test) Config() Config { return t.cfg }

// Phase returns how far the test has come.
func (t *Test) Phase() Phase { return t.phase }

// Alpha is the false-rollback probability in force: the configured one, halved for every [Test.Restart].
func (t *Test) Alpha() float64 { return math.Ldexp(t.cfg.Alpha, -t.restarts) }

func (t *Test) absoluteAlpha() float64 { return math.Ldexp(t.cfg.Absolute.Alpha, -t.restarts) }

// Restart begins a new run with half the alpha, because evidence was lost for good. Call it on a
// new Test that replaces one whose state is gone, once for every loss so far. A test whose gateway lost
// batches calls it itself. The current step starts anew and holds until it has its requests again, and
// gateways the test did not know may begin at any Seq.
func (t *Test) Restart(at time.Time) {
	now := t.clock(at)
	if t.phase != PhaseRunning {
		return
	}
	t.restarts = min(t.restarts+1, maxRestarts)
	t.anew = true
	t.forget()
	for _, s := range t.senders {
		s.gaps = nil
	}
	if w := t.current(); w != nil && w.share > 0 {
		t.start(now)
	}
}

// Lost begins a new run, see [Test.Restart], because batches of one gateway are gone for good. The next one
// it sends may have any Seq: what lies before it would be missed for ever.
func (t *Test) Lost(gateway string, at time.Time) error {
	if err := validGateway(gateway); err != nil {
		return err
	}
	s, err := t.sender(gateway, t.clock(at))
	if err != nil {
		return err
	}
	*s = sender{run: s.run, heard: s.heard, expected: s.expected, open: true}
	t.Restart(at)
	return nil
}

// Promote ends the test because the canary has become stable. What arrives later is ignored. A canary
// that was rolled back stays so.
func (t *Test) Promote(at time.Time) {
	t.clock(at)
	if t.phase == PhaseRunning {
		t.phase = PhasePromoted
	}
}

// AddWeight tells the test of a weight version: from 0 to 1, the canary's part of the traffic. Call it
// before any gateway routes by it. Versions must rise; the same version with the same weight again does
// nothing, so the call may be retried. A rise of the weight hands out fresh stakes.
func (t *Test) AddWeight(version int, share float64, at time.Time) error {
	if !inRange(share, 0, 1) {
		return fmt.Errorf("weight version %d: weight %v must be from 0 to 1", version, share)
	}
	before, last := 0.0, t.current()
	if last != nil {
		if known := t.weight(version); known != nil && known.share == share {
			return nil
		}
		if version <= last.version {
			return fmt.Errorf("weight version %d: version %d came before it, versions must rise", version, last.version)
		}
		before = last.share
	} else if version < 0 {
		return fmt.Errorf("weight version %d is negative", version)
	}
	now := t.tick(at)
	if len(t.weights) == maxWeights {
		t.weights = append(t.weights[:0], t.weights[1:]...)
	}
	t.weights = append(t.weights, weight{version: version, share: share, at: now, table: newTable(&t.cfg, share)})
	if share <= before || t.phase != PhaseRunning {
		return nil
	}
	t.anew = false
	if before == 0 {
		t.since, t.lastSeen = now, now
	}
	if !t.started {
		t.start(now)
	} else if t.cfg.Steps > 1 {
		t.wealth.inject(stakeSteps / float64(t.cfg.Steps-1))
	}
	return nil
}

// start hands out the first stakes; those of a warm-up or of later steps that will never come go along.
func (t *Test) start(now int64) {
	t.started, t.injected, t.warmFrom, t.since, t.lastSeen = true, now, now, now, now
	g := stakeStart
	if t.cfg.WarmUp == 0 {
		g += stakeWarm
		t.warmDone = true
	}
	if t.cfg.Steps == 1 {
		g += stakeSteps
	}
	t.wealth.inject(g)
	t.absolute.inject(absoluteStart)
}

// EndWarmUp hands out the stakes kept back for a warm canary. Call it when the last verdict on a request
// that arrived in the warm-up is in; further calls do nothing. Tick does it by itself 10 s after the
// warm-up.
func (t *Test) EndWarmUp(at time.Time) {
	t.clock(at)
	if t.started && !t.warmDone && t.phase == PhaseRunning {
		t.warmDone = true
		t.wealth.inject(stakeWarm)
	}
}

// Tick lets time pass. Call it every second: it hands out the stakes of time, while the canary has weight.
func (t *Test) Tick(at time.Time) { t.decide(t.tick(at)) }

func (t *Test) tick(at time.Time) int64 {
	now := t.clock(at)
	seconds := (now - t.injected) / int64(time.Second)
	if seconds <= 0 {
		return now
	}
	t.injected += seconds * int64(time.Second)
	if w := t.current(); w == nil || w.share == 0 || !t.started || t.phase != PhaseRunning {
		return now
	}
	part := float64(seconds) / t.cfg.Planned.Seconds()
	t.wealth.inject(stakeTime * part)
	t.absolute.inject((1 - absoluteStart) * part)
	if now-t.warmFrom >= int64(t.cfg.WarmUp+warmGrace) {
		t.EndWarmUp(at)
	}
	return now
}

// clock notes the time and keeps it from running backwards.
func (t *Test) clock(at time.Time) int64 {
	t.now = max(t.now, at.UnixNano())
	return t.now
}

// current returns the newest weight version, nil before the first.
func (t *Test) current() *weight {
	if len(t.weights) == 0 {
		return nil
	}
	return &t.weights[len(t.weights)-1]
}

// weight finds a version, nil if it is not known.
func (t *Test) weight(version int) *weight {
	for i := len(t.weights) - 1; i >= 0; i-- { // nearly always the newest
		if t.weights[i].version == version {
			return &t.weights[i]
		}
	}
	return nil
}
