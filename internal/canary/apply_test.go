package canary

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// randomBatches returns harmless traffic, so that no order of it rolls back.
func randomBatches(rng *rand.Rand, n int) []Batch {
	batches := make([]Batch, n)
	for i := range batches {
		b := &batches[i]
		b.Gateway, b.Seq, b.WeightVersion = "g", uint64(i+1), 1
		for s := range b.Streams {
			b.Streams[s] = Counts{
				CanaryBad: rng.Int64N(2) * rng.Int64N(2), StableBad: rng.Int64N(30),
				CanaryGood: rng.Int64N(20), StableGood: rng.Int64N(400),
			}
		}
	}
	return batches
}

func TestOrderAndSizeOfBatchesDoNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	batches := randomBatches(rng, 60)
	logs := func(batches []Batch) [Streams][]float64 {
		r := newRig(t, worked())
		r.weight(1, 0.05)
		for i, b := range batches {
			b.Seq = uint64(i + 1)
			r.apply(b)
		}
		if r.test.Phase() != PhaseRunning {
			t.Fatal("rolled back: the batches are meant to be harmless")
		}
		return r.test.wealth.logs
	}
	want := logs(batches)
	shuffled := append([]Batch(nil), batches...)
	rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	merged, split := []Batch{{Gateway: "g", WeightVersion: 1}}, []Batch{}
	for _, b := range batches {
		first := b
		for s, c := range b.Streams {
			m := &merged[0].Streams[s]
			m.CanaryBad, m.StableBad = m.CanaryBad+c.CanaryBad, m.StableBad+c.StableBad
			m.CanaryGood, m.StableGood = m.CanaryGood+c.CanaryGood, m.StableGood+c.StableGood
			half := Counts{StableBad: c.StableBad / 2, StableGood: c.StableGood / 3}
			first.Streams[s] = half
			b.Streams[s].StableBad -= half.StableBad
			b.Streams[s].StableGood -= half.StableGood
		}
		split = append(split, first, b)
	}
	for name, other := range map[string][]Batch{"shuffled": shuffled, "merged": merged, "split": split} {
		got := logs(other)
		for s := range want {
			for j := range want[s] {
				if math.Abs(got[s][j]-want[s][j]) > 1e-9 {
					t.Errorf("%s: L of %s bettor %d is %v, want %v", name, Stream(s), j, got[s][j], want[s][j])
				}
			}
		}
	}
}

func TestVerdictOfAnOlderWeightCountsUnderThatWeight(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	r.weight(2, 0.50)
	before := r.test.wealth.logs[StreamError][4]
	b := r.batch()
	b.WeightVersion = 1
	b.Streams[StreamError].CanaryBad = 1
	r.apply(b)
	if got := six(r.test.wealth.logs[StreamError][4] - before); got != "2.606760" {
		t.Errorf("the bettor on 40 gained %s, want 2.606760 as at weight 0.05", got)
	}
	if got := r.verdict().Step.CanaryRequests; got != 0 {
		t.Errorf("the step at 0.50 has %d canary requests, want 0", got)
	}
}

func TestBatchTwiceCountsOnce(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	b := r.batch()
	b.Streams[StreamError] = Counts{CanaryBad: 2}
	if !r.apply(b) || r.apply(b) || r.apply(b) {
		t.Error("a batch must count the first time only")
	}
	if v := r.verdict(); v.Decision == Fail || v.Streams[StreamError].CanaryBad != 2 {
		t.Errorf("got %s", v.Sentence)
	}
}

func TestApplyRefusesWithoutSideEffects(t *testing.T) {
	tests := []struct {
		name string
		edit func(*Batch)
		want string
	}{
		{"no gateway", func(b *Batch) { b.Gateway = "" }, "gateway"},
		{"long gateway", func(b *Batch) { b.Gateway = strings.Repeat("g", 257) }, "gateway"},
		{"no sequence number", func(b *Batch) { b.Seq = 0 }, "seq"},
		{"negative version", func(b *Batch) { b.WeightVersion = -1 }, "weight_version"},
		{"unknown version", func(b *Batch) { b.WeightVersion = 9; b.StableRequests = 1 }, "weight version unknown"},
		{"negative count", func(b *Batch) { b.Streams[StreamTail].StableBad = -1 }, "streams.tail"},
		{"impossible count", func(b *Batch) { b.Streams[StreamBody].CanaryGood = math.MaxInt64 }, "streams.body"},
		{"negative requests", func(b *Batch) { b.CanaryRequests = -1 }, "requests"},
		{"sessions without bads", func(b *Batch) { b.Streams[StreamError].CanarySessions = []uint64{1} }, "sessions"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, worked())
			r.weight(1, 0.05)
			before, _ := r.test.MarshalJSON()
			b := r.batch()
			tt.edit(&b)
			_, err := r.test.Apply(b, r.now)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one that speaks of %q", err, tt.want)
			}
			if after, _ := r.test.MarshalJSON(); !bytes.Equal(after, before) {
				t.Errorf("the refused batch changed the state:\n%s\n%s", before, after)
			}
		})
	}
}

func TestBatchWaitsForItsWeightVersion(t *testing.T) {
	r := newRig(t, worked())
	b := r.batch()
	b.WeightVersion, b.Streams[StreamError].StableGood = 1, 5
	if _, err := r.test.Apply(b, r.now); !errors.Is(err, ErrWeightUnknown) {
		t.Fatalf("got %v, want ErrWeightUnknown", err)
	}
	r.weight(1, 0.05)
	if !r.apply(b) {
		t.Error("the batch must count once its version is known")
	}
}

func TestDecisionLatches(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	r.errors(5, 0, 0)
	b := r.batch()
	b.Streams[StreamError] = Counts{StableBad: 1000, StableGood: 1000}
	if r.apply(b) {
		t.Error("a batch after the rollback was counted")
	}
	r.test.Promote(r.now)
	r.weight(2, 0)
	r.test.Restart(r.now)
	r.restore()
	if v := r.verdict(); v.Decision != Fail {
		t.Errorf("got %s, want fail for good", v.Decision)
	}
}

func TestPromotionEndsTheTest(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	r.test.Promote(r.now)
	b := r.batch()
	b.Streams[StreamError].CanaryBad = 50
	if r.apply(b) || r.verdict().Decision != Pass {
		t.Errorf("got %+v, want pass whatever comes later", r.verdict())
	}
}

func TestStakesAreHandedOutOnTime(t *testing.T) {
	cash := func(want float64, r *rig, when string) {
		t.Helper()
		if got := r.test.wealth.cash; math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: cash is %v, want %v", when, got, want)
		}
	}
	r := newRig(t, worked())
	r.pass(time.Minute)
	cash(1, r, "before the rollout")
	r.weight(1, 0.01)
	cash(0.6, r, "at the start")
	r.pass(39 * time.Second)
	cash(0.6-39*0.2/1800, r, "in the warm-up")
	r.pass(time.Second)
	cash(0.4-40*0.2/1800, r, "10 s after the warm-up")
	r.test.EndWarmUp(r.now)
	cash(0.4-40*0.2/1800, r, "at a second end of the warm-up")
	r.weight(2, 0.05)
	cash(0.36-40*0.2/1800, r, "after a rise")
	r.weight(3, 0.02)
	cash(0.36-40*0.2/1800, r, "after a cut")
	r.weight(4, 0)
	r.pass(time.Hour)
	cash(0.36-40*0.2/1800, r, "in a pause")
	r.weight(5, 0.05)
	r.pass(30 * time.Minute)
	cash(0.12-40*0.2/1800, r, "after the planned time once more")
	r.pass(10 * time.Hour)
	cash(0, r, "when all is handed out")

	cfg := worked()
	cfg.WarmUp, cfg.Steps = 0, 1
	r = newRig(t, cfg)
	r.weight(1, 0.5)
	cash(0.2, r, "with neither warm-up nor later steps")
}

func TestSessionSetIsBounded(t *testing.T) {
	cfg := worked()
	cfg.Sticky = true
	r := newRig(t, cfg)
	r.weight(1, 0.05)
	for i := range uint64(3) {
		b := r.batch()
		for j := range uint64(1000) {
			b.Streams[StreamBody].CountSession(Stable, MarkBad, i*1000+j)
		}
		r.apply(b)
	}
	if got := r.test.units[StreamBody][Stable]; got != maxSessions {
		t.Errorf("%d sessions counted, want the cap of %d", got, maxSessions)
	}
	if got := r.verdict().Streams[StreamBody].StableBad; got != 3000 {
		t.Errorf("%d bad requests reported, want all 3000", got)
	}
}

func TestAFullSetOfSessionsTakesBothArmsAlike(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 25))
	for name, bad := range map[string]int{
		"a set that is full in the middle of a batch": 3 * maxSessions,
		"a batch that is full before its set":         3 * MaxBatchSessions,
	} {
		t.Run(name, func(t *testing.T) {
			cfg := worked()
			cfg.Sticky = true
			r := newRig(t, cfg)
			r.weight(1, 0.05)
			b := r.batch() // a watcher was away while something failed for everybody
			for range bad {
				arm := Stable
				if rng.Float64() < 0.05 {
					arm = Canary
				}
				b.Streams[StreamError].CountSession(arm, MarkBad, rng.Uint64())
			}
			r.apply(b)
			units := r.test.units[StreamError]
			if sum := units[Canary] + units[Stable]; sum != maxSessions {
				t.Errorf("%d sessions counted, want the cap of %d", sum, maxSessions)
			}
			if share := float64(units[Canary]) / maxSessions; share > 0.08 {
				t.Errorf("the canary has %.3f of the sessions that counted, it had 0.05 of those that failed", share)
			}
			if v := r.verdict(); v.Decision == Fail {
				t.Errorf("an outage of everything rolled back: %s", v.Sentence)
			}
		})
	}
}

func TestWeightVersionsRiseAndRepeat(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	r.weight(1, 0.05) // a retry
	for _, tt := range []struct {
		version int
		share   float64
	}{{1, 0.06}, {0, 0.05}, {2, 1.01}, {2, -0.1}, {2, math.NaN()}} {
		if err := r.test.AddWeight(tt.version, tt.share, r.now); err == nil {
			t.Errorf("version %d with weight %v was taken", tt.version, tt.share)
		}
	}
	for v := 2; v < 2+maxWeights; v++ {
		r.weight(v, 0.05)
	}
	b := r.batch()
	b.WeightVersion, b.Streams[StreamError].CanaryBad = 1, 9
	if !r.apply(b) || r.verdict().Decision == Fail || r.verdict().Streams[StreamError].CanaryBad != 0 {
		t.Error("verdicts of a version long outlived are to be ignored")
	}
}
