package canary

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const releases = 2000

// mostFalse is the number of false rollbacks in that many harmless releases that three standard
// deviations above 1 % allow.
var mostFalse = int(releases*0.01 + 3*math.Sqrt(releases*0.01*0.99))

// binomial draws the number of hits among n, by skipping from hit to hit.
func binomial(rng *rand.Rand, n int64, p float64) int64 {
	if p <= 0 {
		return 0
	}
	if p >= 1 {
		return n
	}
	hits, ln := int64(0), math.Log1p(-p)
	for at := int64(rng.ExpFloat64() / -ln); at < n; at += 1 + int64(rng.ExpFloat64()/-ln) {
		hits++
	}
	return hits
}

// traffic is what one batch of a simulated release holds.
type traffic struct {
	requests int64
	weight   float64
	stable   [Streams]float64 // bad rates
	canary   [Streams]float64
}

func (tr *traffic) batch(rng *rand.Rand, r *rig) Batch {
	b := r.batch()
	b.CanaryRequests = binomial(rng, tr.requests, tr.weight)
	b.StableRequests = tr.requests - b.CanaryRequests
	for s := range b.Streams {
		c := &b.Streams[s]
		c.CanaryBad = binomial(rng, b.CanaryRequests, tr.canary[s])
		c.StableBad = binomial(rng, b.StableRequests, tr.stable[s])
		c.CanaryGood, c.StableGood = b.CanaryRequests-c.CanaryBad, b.StableRequests-c.StableBad
	}
	return b
}

// boundary returns rates of which the canary's are exactly at the edge of the null hypothesis, on every
// stream.
func boundary(rng *rand.Rand, cfg *Config) (tr traffic) {
	tr.stable = [Streams]float64{math.Exp(-8 + 5*rng.Float64()), 0.1 * rng.Float64(), 0.1, 0.002 + 0.006*rng.Float64()}
	for s, sc := range cfg.Streams {
		tr.canary[s] = sc.Factor*tr.stable[s] + sc.Margin
	}
	return tr
}

// simulate runs one release over four weights and returns its last verdict.
func simulate(t testing.TB, rng *rand.Rand, batches int, shape func(batch int, tr *traffic), tr traffic) Verdict {
	cfg := worked()
	cfg.Steps, cfg.Planned = 4, time.Duration(4*batches)*100*time.Millisecond
	r := newRig(t, cfg)
	for step, w := range []float64{0.02, 0.05, 0.2, 0.5} {
		r.weight(step+1, w)
		for i := range batches {
			now := tr
			now.weight = w
			if shape != nil {
				shape(step*batches+i, &now)
			}
			r.pass(100 * time.Millisecond)
			r.apply(now.batch(rng, r))
			if r.test.Phase() != PhaseRunning {
				return r.verdict()
			}
		}
	}
	return r.verdict()
}

func TestCanaryAtTheBoundaryIsRarelyRolledBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 1))
	cfg := DefaultConfig()
	failed, split := 0, 0
	for range releases {
		tr := boundary(rng, &cfg)
		tr.requests = 40
		v := simulate(t, rng, 75, nil, tr)
		if v.Decision == Fail {
			failed++
		}
		for _, h := range v.Holds {
			if h == HoldSplit {
				split++
			}
		}
	}
	t.Logf("%d of %d rolled back, %d split alarms", failed, releases, split)
	if failed > mostFalse {
		t.Errorf("%d of %d harmless releases rolled back, want at most %d", failed, releases, mostFalse)
	}
	if split > 3 {
		t.Errorf("%d split alarms on a right split, want hardly any", split)
	}
}

func TestCanaryBeyondTheBoundaryIsRolledBack(t *testing.T) {
	// The counterpart of the test above: it shows that the simulation could fail.
	for s, worse := range map[Stream]float64{StreamError: 0.1, StreamClientError: 0.5, StreamBody: 0.6, StreamTail: 0.2} {
		t.Run(s.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(11, uint64(s)))
			cfg := DefaultConfig()
			failed := 0
			for range 50 {
				tr := boundary(rng, &cfg)
				tr.requests, tr.canary[s] = 40, worse
				if v := simulate(t, rng, 75, nil, tr); v.Decision == Fail && v.Lead == s {
					failed++
				}
			}
			if failed < 48 {
				t.Errorf("%d of 50 bad releases rolled back, want nearly all", failed)
			}
		})
	}
}

func TestBurstOnBothArmsIsNotHeldAgainstTheCanary(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	failed := 0
	for range releases {
		// The same version on both arms; from the middle of one weight to the middle of the next, half of
		// all requests fail and most are slow.
		tr := traffic{requests: 40, stable: [Streams]float64{0.001, 0.02, 0.1, 0.005}}
		tr.canary = tr.stable
		v := simulate(t, rng, 60, func(batch int, tr *traffic) {
			if batch >= 90 && batch < 150 {
				tr.stable = [Streams]float64{0.5, 0.3, 0.8, 0.4}
				tr.canary = tr.stable
			}
		}, tr)
		if v.Decision == Fail {
			failed++
		}
	}
	t.Logf("%d of %d rolled back", failed, releases)
	if failed > mostFalse {
		t.Errorf("%d of %d rolled back, want at most %d", failed, releases, mostFalse)
	}
}

func TestDeadCanaryIsRolledBackAfterAHandfulOfFailures(t *testing.T) {
	for w, want := range map[float64]int64{.01: 3, .05: 3, .10: 4, .20: 5, .30: 6, .40: 8, .50: 11} {
		for _, between := range []bool{false, true} {
			t.Run(fmt.Sprintf("weight %v, stable goods between: %v", w, between), func(t *testing.T) {
				r := newRig(t, worked())
				r.weight(1, w)
				for r.test.Phase() == PhaseRunning && r.seq < 100 {
					goods := int64(0)
					if between {
						goods = int64(math.Round((1 - w) / w))
					}
					r.errors(1, 0, goods)
				}
				if got := r.verdict().Streams[StreamError].CanaryBad; got != want {
					t.Errorf("rolled back after %d failures, want %d", got, want)
				}
			})
		}
	}
}

// stickyRelease simulates 200 sessions of which a few always fail, whatever their arm.
func stickyRelease(t testing.TB, rng *rand.Rand, sticky bool) Decision {
	cfg := worked()
	cfg.Sticky = sticky
	r := newRig(t, cfg)
	r.weight(1, 0.1)
	type session struct {
		arm   Arm
		key   uint64
		fails bool
	}
	sessions := make([]session, 200)
	for i := range sessions {
		sessions[i] = session{key: rng.Uint64(), fails: rng.Float64() < 0.05}
		if rng.Float64() < 0.1 {
			sessions[i].arm = Canary
		}
	}
	for range 60 {
		b := r.batch()
		for _, s := range sessions {
			switch {
			case rng.IntN(2) == 0:
			case s.fails && sticky:
				b.Streams[StreamError].CountSession(s.arm, MarkBad, s.key)
			case s.fails:
				b.Streams[StreamError].Count(s.arm, MarkBad)
			default:
				b.Streams[StreamError].Count(s.arm, MarkGood)
			}
		}
		r.pass(time.Second)
		r.apply(b)
	}
	return r.verdict().Decision
}

func TestUnluckySessionsCountOnce(t *testing.T) {
	failed := map[bool]int{}
	for _, sticky := range []bool{true, false} {
		rng := rand.New(rand.NewPCG(9, 1))
		for range releases / 4 {
			if stickyRelease(t, rng, sticky) == Fail {
				failed[sticky]++
			}
		}
	}
	t.Logf("rolled back: %d with the rule, %d without", failed[true], failed[false])
	n := releases / 4.0
	if most := int(n*0.01 + 3*math.Sqrt(n*0.01*0.99)); failed[true] > most {
		t.Errorf("%d rolled back with the rule, want at most %d", failed[true], most)
	}
	if failed[false] < releases/4/10 {
		t.Errorf("%d rolled back without the rule, want far more than with it: the simulation does not show the rule", failed[false])
	}
}
