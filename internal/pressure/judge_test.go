package pressure

import (
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const ms = release.Duration(time.Millisecond)

var spec = release.Pressure{Rate: 300, For: release.Duration(30 * time.Second), P99: 200 * ms, Errors: 0.001, Forecast: 900}

func TestJudge(t *testing.T) {
	good := Measured{Rate: 300, Planned: 9000, Answered: 9000, P99: 80 * ms}
	calm := spec
	calm.Forecast = 0
	for _, c := range []struct {
		name      string
		spec      release.Pressure
		load      Measured
		search    *Search
		instances int
		want      string
		pass      bool
	}{
		{"enough instances pass, with their head-room", spec, good, &Search{PerInstance: 450}, 4,
			"9000 requests at 300/s: p99 80ms, 0% failed; one instance holds 450/s at p99 ≤ 200ms; 900/s forecast needs 2 instances, there are 4 (head-room 100%)", true},
		{"just enough is enough", spec, good, &Search{PerInstance: 450}, 2,
			"9000 requests at 300/s: p99 80ms, 0% failed; one instance holds 450/s at p99 ≤ 200ms; 900/s forecast needs 2 instances, there are 2 (head-room 0%)", true},
		{"too few instances are refused with the numbers", spec, good, &Search{PerInstance: 300}, 2,
			"one instance holds 300/s at p99 ≤ 200ms; 900/s forecast needs 3 instances, there are 2", false},
		{"an instance that holds nothing", spec, good, &Search{}, 2,
			"one instance holds 0.0/s at p99 ≤ 200ms; no number of instances carries the 900/s forecast", false},
		{"a bound that the generator set is said", spec, good, &Search{PerInstance: 300, LowerBound: true, GeneratorBound: true}, 2,
			"one instance holds at least 300/s at p99 ≤ 200ms; 900/s forecast needs 3 instances, there are 2 (the load generator was at its own limit: an instance may hold more than this machine can prove)", false},
		{"without a forecast capacity is only told", calm, good, &Search{PerInstance: 10, LowerBound: true}, 1,
			"9000 requests at 300/s: p99 80ms, 0% failed; one instance holds at least 10/s at p99 ≤ 200ms", true},
		{"too slow", spec, Measured{Planned: 9000, Answered: 9000, P99: 201 * ms}, nil, 2,
			"p99 is 201ms at 300/s, the most is 200ms", false},
		{"failures at the bound pass", calm, Measured{Planned: 9000, Answered: 9000, Failed: 9, Failures: map[string]int{"status 500": 9}}, nil, 2,
			"9000 requests at 300/s: p99 0s, 0.1% failed", true},
		{"too many failures", spec, Measured{Planned: 9000, Answered: 9000, Failed: 90, Failures: map[string]int{"status 500": 80, "connection refused": 10}}, nil, 2,
			"1% of 9000 requests failed at 300/s (status 500: 80, connection refused: 10), the most is 0.1%", false},
		{"slow and failing says both", spec, Measured{Planned: 9000, Answered: 100, Cut: true, Failed: 50, P99: 3000 * ms, Failures: map[string]int{"no answer in time": 50}}, nil, 2,
			"50% of 100 requests failed at 300/s (no answer in time: 50), the most is 0.1%; p99 is 3s at 300/s, the most is 200ms", false},
		{"a generator that could not send proves nothing", spec, Measured{Planned: 9000, Answered: 5000, P99: ms}, nil, 2,
			"the load generator could send only 5000 of 9000 requests at 300/s, so nothing is proven: lower the rate, or press from a larger machine", false},
		{"too few answers prove nothing", calm, Measured{Planned: 99, Answered: 99, P99: ms}, nil, 2,
			"99 answers are too few to tell a 99th percentile: raise rate or for, to make at least 100 requests", false},
		{"no search proves no forecast", spec, good, nil, 2,
			"what one instance holds is unknown, so the 900/s forecast is unproven", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Judge(c.spec, c.load, c.search, c.instances)
			if got.Pass != c.pass || got.String() != c.want {
				t.Errorf("got %v %q\nwant %v %q", got.Pass, got, c.pass, c.want)
			}
			if (got.Capacity != nil) != (c.search != nil) {
				t.Errorf("capacity %+v for search %+v", got.Capacity, c.search)
			}
		})
	}
}

func TestWhoWasAtTheLimit(t *testing.T) {
	for _, c := range []struct {
		name                  string
		m                     Measured
		short, generatorBound bool
	}{
		{"all sent on time", Measured{Planned: 1000, Answered: 1000}, false, false},
		{"a few late", Measured{Planned: 1000, Answered: 1000, Late: 100}, false, false},
		{"many late", Measured{Planned: 1000, Answered: 1000, Late: 101}, false, true},
		{"too few sent", Measured{Planned: 1000, Answered: 899}, true, true},
		{"too few sent, as all were waiting for the function", Measured{Planned: 1000, Answered: 899, Late: 800, Full: true}, false, false},
		{"too few sent, as it was hopeless", Measured{Planned: 1000, Answered: 100, Cut: true}, false, false},
	} {
		if c.m.Short() != c.short || c.m.GeneratorBound() != c.generatorBound {
			t.Errorf("%s: short %v, generator bound %v", c.name, c.m.Short(), c.m.GeneratorBound())
		}
	}
}

// TestSearchFindsTheLimit walks the search with an instance that is a number.
func TestSearchFindsTheLimit(t *testing.T) {
	for _, c := range []struct {
		name           string
		limit, ceiling release.Rate
	}{
		{"above the beginning", 730, 10_000}, {"below the beginning", 33, 10_000}, {"over the ceiling", 5000, 400},
		{"nothing holds", 0, 1000}, {"exactly the beginning", 100, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &searcher{rate: 100}
			for n := 0; !s.done; n++ {
				if n > maxTries {
					t.Fatal("the search does not end")
				}
				if s.rate > c.ceiling {
					t.Fatalf("tried %s, over the ceiling", s.rate)
				}
				s.next(s.rate <= c.limit, c.ceiling)
			}
			want := min(c.limit, c.ceiling)
			if s.holds > want || s.holds < want/precision {
				t.Errorf("found %s, want %s within a tenth", s.holds, want)
			}
		})
	}
}

func TestKindsOfFailuresAreBounded(t *testing.T) {
	m := newMeter(spec, 300, 10)
	for i := range 50 {
		m.count(strings.Repeat("x", i))
	}
	if len(m.out.Failures) != maxKinds || m.out.Failures["other"] != 50-maxKinds+1 {
		t.Errorf("got %v", m.out.Failures)
	}
}
