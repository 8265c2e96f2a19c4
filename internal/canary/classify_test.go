package canary

import (
	"testing"
	"time"
)

var fixed = Thresholds{
	BodyStable: 100 * ms, BodyCanary: 120 * ms, BodyLive: true,
	TailStable: 200 * ms, TailCanary: 240 * ms, TailLive: true,
}

func guarded() Thresholds {
	th := fixed
	th.ErrorAge = 300 * ms
	return th
}

func TestMarks(t *testing.T) {
	young := Thresholds{BodyStable: 1, BodyCanary: 1, TailStable: 1, TailCanary: 1}
	good := func(age time.Duration) Mark { return Mark{MarkGood, age} }
	bad := func(age time.Duration) Mark { return Mark{MarkBad, age} }
	const body, tail, h = 120 * ms, 240 * ms, 300 * ms
	tests := []struct {
		name    string
		th      Thresholds
		arm     Arm
		result  Result
		latency time.Duration
		want    Marks
	}{
		{"a fast answer is good once it is as old as the thresholds", fixed, Canary, Answered, 5 * ms, Marks{good(5 * ms), good(5 * ms), good(body), good(tail)}},
		{"an answer between the body thresholds is slow for stable", fixed, Stable, Answered, 110 * ms, Marks{good(110 * ms), good(110 * ms), bad(body), good(tail)}},
		{"and not slow for the canary", fixed, Canary, Answered, 110 * ms, Marks{good(110 * ms), good(110 * ms), good(body), good(tail)}},
		{"a slow answer is slow for both", fixed, Canary, Answered, 250 * ms, Marks{good(250 * ms), good(250 * ms), bad(body), bad(tail)}},
		{"at the canary threshold itself it was unanswered", fixed, Canary, Answered, body, Marks{good(body), good(body), bad(body), good(tail)}},
		{"a fast failure is an error and not slow", fixed, Canary, Failed, 5 * ms, Marks{bad(5 * ms), good(5 * ms), good(body), good(tail)}},
		{"a refusal is the client's error", fixed, Stable, Refused, 5 * ms, Marks{good(5 * ms), bad(5 * ms), good(body), good(tail)}},
		{"a client that leaves early says nothing", fixed, Canary, Aborted, 50 * ms, Marks{}},
		{"a client that leaves late found it slow", fixed, Canary, Aborted, 130 * ms, Marks{StreamBody: bad(body)}},
		{"without a past there is no slow", young, Canary, Answered, time.Minute, Marks{good(time.Minute), good(time.Minute)}},
		{"guard: a fast failure waits for age h", guarded(), Canary, Failed, 5 * ms, Marks{bad(h), good(5 * ms), good(body), good(tail)}},
		{"guard: unanswered at age h is an error", guarded(), Stable, Answered, 400 * ms, Marks{bad(h), good(400 * ms), bad(body), bad(tail)}},
		{"guard: a failure after age h is the same", guarded(), Stable, Failed, 10 * time.Second, Marks{bad(h), good(10 * time.Second), bad(body), bad(tail)}},
		{"guard: an answer before age h is good then", guarded(), Canary, Answered, 50 * ms, Marks{good(h), good(50 * ms), good(body), good(tail)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.th.Marks(tt.arm, tt.result, tt.latency, 0); got != tt.want {
				t.Errorf("got  %v\nwant %v", got, tt.want)
			}
		})
	}
}

// TestHangingRequestIsMarkedAsItAges follows an unanswered request: what Overdue said as it aged must be
// what Marks says in the end, and nothing twice.
func TestHangingRequestIsMarkedAsItAges(t *testing.T) {
	th := guarded()
	var done StreamSet
	var ages []time.Duration
	for age, more := th.NextOverdue(0); more; age, more = th.NextOverdue(age) {
		ages = append(ages, age)
		if set := th.Overdue(age); set == done {
			t.Errorf("nothing becomes overdue at %v", age)
		} else {
			done = set
		}
		if th.Overdue(age-1) == done {
			t.Errorf("overdue before %v", age)
		}
	}
	if want := []time.Duration{120 * ms, 240 * ms, 300 * ms}; len(ages) != 3 || ages[0] != want[0] || ages[1] != want[1] || ages[2] != want[2] {
		t.Errorf("looked at %v, want %v", ages, want)
	}
	for _, arm := range []Arm{Stable, Canary} {
		all, rest := th.Marks(arm, Failed, time.Second, 0), th.Marks(arm, Failed, time.Second, done)
		for s := range all {
			switch {
			case done.Has(Stream(s)) && (all[s].Kind != MarkBad || rest[s].Kind != MarkNone):
				t.Errorf("%s %s: got %v then %v, want bad once", arm, Stream(s), all[s], rest[s])
			case !done.Has(Stream(s)) && rest[s] != all[s]:
				t.Errorf("%s %s: got %v, want %v", arm, Stream(s), rest[s], all[s])
			}
		}
	}
}

func TestResults(t *testing.T) {
	for status, want := range map[int]Result{
		101: Answered, 200: Answered, 304: Answered, 400: Refused, 404: Refused, 429: Answered, 499: Aborted, 500: Failed, 504: Failed,
	} {
		if got := HTTPResult(status); got != want {
			t.Errorf("HTTP %d: got %d, want %d", status, got, want)
		}
	}
	for code, want := range map[uint32]Result{
		0: Answered, 1: Aborted, 2: Failed, 3: Refused, 4: Failed, 5: Refused, 8: Answered, 12: Refused, 13: Failed, 14: Failed, 15: Failed, 16: Refused, 99: Failed,
	} {
		if got := GRPCResult(code); got != want {
			t.Errorf("gRPC %d: got %d, want %d", code, got, want)
		}
	}
}

func TestMarkingAllocatesNothing(t *testing.T) {
	th := guarded()
	var h Histogram
	var counts Counts
	if n := testing.AllocsPerRun(100, func() {
		m := th.Marks(Canary, Failed, 30*ms, th.Overdue(30*ms))
		counts.Count(Canary, m[StreamError].Kind)
		h.Add(BucketOf(30*ms), 1)
	}); n != 0 {
		t.Errorf("%v allocations a request, want none", n)
	}
}

func BenchmarkMarks(b *testing.B) {
	th := fixed
	for b.Loop() {
		m := th.Marks(Canary, Answered, 30*ms, 0)
		if m[StreamError].Kind != MarkGood {
			b.Fatal("not good")
		}
	}
}

func BenchmarkApply(b *testing.B) {
	r := newRig(b, worked())
	r.weight(1, 0.05)
	for b.Loop() {
		batch := r.batch()
		batch.Streams[StreamBody] = Counts{CanaryBad: 1, StableBad: 25, CanaryGood: 4, StableGood: 200}
		r.apply(batch)
	}
}
