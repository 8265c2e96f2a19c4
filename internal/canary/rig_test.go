package canary

import (
	"math"
	"testing"
	"time"
)

// rig drives a test with one gateway.
type rig struct {
	t       testing.TB
	test    *Test
	now     time.Time
	seq     uint64
	version int
}

// worked is the configuration of the worked numbers: six steps over half an hour.
func worked() Config {
	cfg := DefaultConfig()
	cfg.Steps, cfg.Planned = 6, 1800*time.Second
	return cfg
}

func newRig(t testing.TB, cfg Config) *rig {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	test, err := New(cfg, now)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, test: test, now: now}
}

func (r *rig) weight(version int, w float64) {
	r.t.Helper()
	r.version = version
	if err := r.test.AddWeight(version, w, r.now); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) pass(d time.Duration) {
	r.now = r.now.Add(d)
	r.test.Tick(r.now)
}

func (r *rig) batch() Batch {
	r.seq++
	return Batch{Gateway: "g", Seq: r.seq, WeightVersion: r.version}
}

func (r *rig) apply(b Batch) bool {
	r.t.Helper()
	counted, err := r.test.Apply(b, r.now)
	if err != nil {
		r.t.Fatal(err)
	}
	return counted
}

// errors applies a batch with counts on the error stream only.
func (r *rig) errors(canaryBad, stableBad, stableGood int64) {
	r.t.Helper()
	b := r.batch()
	b.Streams[StreamError] = Counts{CanaryBad: canaryBad, StableBad: stableBad, StableGood: stableGood}
	r.apply(b)
}

func (r *rig) goods(canary, stable int64) {
	r.t.Helper()
	b := r.batch()
	b.Streams[StreamError] = Counts{CanaryGood: canary, StableGood: stable}
	r.apply(b)
}

// assigned applies a batch that says only how many requests were drawn into each arm.
func (r *rig) assigned(canary, stable int64) {
	r.t.Helper()
	b := r.batch()
	b.CanaryRequests, b.StableRequests = canary, stable
	r.apply(b)
}

func (r *rig) verdict() Verdict { return r.test.Verdict(r.now) }

func (r *rig) m() float64 {
	lnM, _ := r.test.wealth.evidence(&r.test.cfg)
	return math.Exp(lnM)
}

// restore replaces the test with one read from its own state.
func (r *rig) restore() {
	r.t.Helper()
	state, err := r.test.MarshalJSON()
	if err != nil {
		r.t.Fatal(err)
	}
	if r.test, err = Restore(r.test.Config(), state); err != nil {
		r.t.Fatal(err)
	}
}
