package canary

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const ms = time.Millisecond

// steady is a stable whose latencies are even between 1 and 100 ms: q90 is 90 ms, q99 is 99 ms.
func steady(n int) *Latencies {
	l := &Latencies{}
	for i := range n {
		l.Observe(Answered, ms+time.Duration(float64(99*ms)*(float64(i)+0.5)/float64(n)))
	}
	return l
}

// about allows for the width of a bucket.
func about(got, want time.Duration) bool {
	return math.Abs(float64(got-want)) <= 0.02*float64(want)
}

func TestQuantileIsWithinABucket(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	var h Histogram
	for range 50_000 {
		h.Observe(time.Duration(float64(20*ms) * math.Exp(rng.NormFloat64())))
	}
	for q, z := range map[float64]float64{0.5: 0, 0.9: 1.2816, 0.99: 2.3263} {
		want := float64(20*ms) * math.Exp(z)
		if got := h.Quantile(q); math.Abs(float64(got)-want) > 0.06*want {
			t.Errorf("quantile %v is %v, want about %v", q, got, time.Duration(want))
		}
	}
	var empty Histogram
	if empty.Quantile(0.9) != 0 {
		t.Error("an empty histogram has no quantile")
	}
}

func TestBucketsCoverAllLatencies(t *testing.T) {
	before := 0
	for d := time.Duration(0); d < 2*time.Minute; d += max(10*time.Microsecond, d/100) {
		b := BucketOf(d)
		if b < before || b > before+1 {
			t.Fatalf("%v is in bucket %d after bucket %d", d, b, before)
		}
		before = b
		if d >= lowest && d < highest && !about(between(b, 0.5), d) {
			t.Fatalf("%v is in bucket %d around %v", d, b, between(b, 0.5))
		}
	}
	if before != Buckets-1 || BucketOf(-1) != 0 || BucketOf(highest-1) != Buckets-2 {
		t.Errorf("two minutes are in bucket %d of %d", before, Buckets)
	}
}

func TestObservationsCountHalfAfterTheHalfLife(t *testing.T) {
	var h Histogram
	now := time.Unix(1000, 0)
	h.Decay(now)
	for range 800 {
		h.Observe(10 * ms)
	}
	for range 300 {
		now = now.Add(time.Second)
		h.Decay(now)
	}
	if got := h.Count(); math.Abs(got-400) > 1e-6 {
		t.Errorf("count is %v after 300 s, want 400", got)
	}
	h.Decay(now.Add(300*time.Second + 9*time.Second))
	if got := h.Count(); math.Abs(got-200) > 1e-6 {
		t.Errorf("count is %v after 609 s, want 200", got)
	}
}

func TestHistogramSurvivesJSON(t *testing.T) {
	l := steady(777)
	l.Observe(Failed, 2*time.Minute)
	l.Decay(time.Unix(1000, 0))
	l.Decay(time.Unix(1033, 0))
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	var back Latencies
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if back.Answers.weight != l.Answers.weight || back.Errors.weight != l.Errors.weight || !back.Answers.decayed.Equal(l.Answers.decayed) {
		t.Error("the histogram changes on its way")
	}
	for _, bad := range []string{`{"buckets":[[-1,1]]}`, `{"buckets":[[558,1]]}`, `{"buckets":[[1.5,1]]}`, `{"buckets":[[1,-1]]}`, `{"buckets":[[1,1],[1,1]]}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), &Histogram{}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestThresholds(t *testing.T) {
	cfg := DefaultConfig().Latency
	th := steady(2000).Thresholds(cfg, false, 0)
	if !about(th.BodyStable, 90*ms) || !about(th.BodyCanary, 108*ms) || !about(th.TailStable, 165*ms) || !about(th.TailCanary, 198*ms) {
		t.Errorf("got %+v, want body 90/108 ms, tail 165/198 ms", th)
	}
	warm := steady(2000).Thresholds(cfg, true, 0)
	if !about(warm.BodyCanary, 270*ms) || !about(warm.TailCanary, 495*ms) || warm.BodyStable != th.BodyStable || warm.TailStable != th.TailStable {
		t.Errorf("in the warm-up: got %+v, want the canary's at 270 and 495 ms and stable's unmoved", warm)
	}
	fast := &Latencies{}
	for range 2000 {
		fast.Observe(Answered, 1500*time.Microsecond)
	}
	if th := fast.Thresholds(cfg, false, 0); th.BodyCanary != th.BodyStable+2*ms || th.TailCanary != th.TailStable+2*ms {
		t.Errorf("a fast service: got %+v, want 2 ms of margin", th)
	}
	for n, want := range map[int][2]bool{199: {false, false}, 200: {true, false}, 999: {true, false}, 1000: {true, true}} {
		if th := steady(n).Thresholds(cfg, false, 0); th.BodyLive != want[0] || th.TailLive != want[1] {
			t.Errorf("%d observations: body %v, tail %v, want %v", n, th.BodyLive, th.TailLive, want)
		}
	}
}

func TestSlowErrorGuard(t *testing.T) {
	cfg := DefaultConfig().Latency
	tests := []struct {
		name   string
		errors int
		age    time.Duration
		on     bool
	}{
		{"stable fails at its timeout", 6, 10 * time.Second, true},
		{"too few errors to tell", 4, 10 * time.Second, false},
		{"stable fails fast", 50, 5 * ms, false},
	}
	for _, tt := range tests {
		l := steady(2000)
		for range tt.errors {
			l.Observe(Failed, tt.age)
		}
		if h := l.SlowErrorAge(cfg); (h > 0) != tt.on || tt.on && !about(h, 198*ms) {
			t.Errorf("%s: h is %v, want on: %v (at 198 ms)", tt.name, h, tt.on)
		}
	}
}
