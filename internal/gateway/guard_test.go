package gateway

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// guarded lets the route guard itself with a half of 1 %, over a ramp of five steps.
func guarded(r *release.Route) {
	r.Guard = &release.Guard{FalseRollback: 0.005, ErrorMargin: 0.0005, Steps: 5, Planned: release.Duration(10 * time.Minute)}
}

type answers = map[string]func(*http.Request) (*http.Response, error)

// fails answers a part of the requests with 500.
func fails(part float64) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		if rand.Float64() < part {
			return plainAnswer(500), nil
		}
		return plainAnswer(200), nil
	}
}

// badUntilCut sends requests until the guard has tripped, and counts what the canary answered badly. It gives up after
// as many as no test should need.
func badUntilCut(t *testing.T, g *Gateway) (bad int) {
	t.Helper()
	for range 100_000 {
		status, revision := ask(g, "/web")
		if revision == "web-2" && status >= 500 {
			bad++
		}
		if g.State().Routes[0].Tripped != nil {
			return bad
		}
	}
	t.Fatal("the guard has not tripped")
	return 0
}

// cutOff makes a gateway whose guard has tripped.
func cutOff(t *testing.T, g *Gateway) {
	t.Helper()
	mustApply(t, g, testRoute(1, weight(500), guarded))
	badUntilCut(t, g)
}

func TestGuardCutsADeadCanaryOffAfterAFewBadAnswers(t *testing.T) {
	for _, c := range []struct {
		weight release.Weight
		part   float64
		most   int // the median of the bad answers
	}{{500, 1, 4}, {2000, 1, 6}, {500, 0.05, 6}} {
		var all []int
		for range 51 {
			synctest.Test(t, func(t *testing.T) {
				g, err := New(Options{Name: "gw", Transport: instances(answers{"web-1": ok, "web-2": fails(c.part)})})
				if err != nil {
					t.Fatal(err)
				}
				mustApply(t, g, testRoute(1, weight(c.weight), guarded))
				all = append(all, badUntilCut(t, g))
				// From now on nobody is sent there, whatever comes.
				for range 200 {
					if _, revision := ask(g, "/web"); revision != "web-1" {
						t.Fatalf("a request went to %q after the guard tripped", revision)
					}
				}
			})
		}
		slices.Sort(all)
		if median := all[len(all)/2]; median > c.most {
			t.Errorf("at %s, with %.0f %% failing: a median of %d bad answers, want at most %d: %v", c.weight, 100*c.part, median, c.most, all)
		}
	}
}

func TestGuardLetsWhatHitsBothArmsAlone(t *testing.T) {
	tripped := 0
	const ramps = 100
	for range ramps {
		g, err := New(Options{Name: "gw", Transport: instances(answers{"web-1": fails(0.2), "web-2": fails(0.2)})})
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, g, testRoute(1, weight(2000), guarded))
		for range 1000 {
			ask(g, "/web")
		}
		if g.State().Routes[0].Tripped != nil {
			tripped++
		}
	}
	// 0.5 % of them may: 6 or more of 100 happen once in some 70,000 runs (binomial).
	if tripped > 5 {
		t.Errorf("the guard tripped in %d of %d ramps in which both fail alike", tripped, ramps)
	}
}

func TestWhatTheGuardFoundIsToldAtOnceAndStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := instances(answers{"web-1": ok, "web-2": fails(1)})
		dir := t.TempDir()
		g, err := New(Options{Name: "gw", Transport: transport, StateDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, g, testRoute(1, weight(500), guarded))
		reader := map[string]Cursor{testKey: g.Evidence(t.Context(), testRelease, nil, 0).Routes[0].Next}
		heard := make(chan Evidence, 1)
		var reading sync.WaitGroup
		reading.Go(func() { heard <- g.Evidence(t.Context(), testRelease, reader, 20*time.Second) })
		synctest.Wait()
		before := time.Now()
		badUntilCut(t, g)
		reading.Wait()
		for e := <-heard; e.Routes[0].Tripped == nil; {
			reader[testKey] = e.Routes[0].Next
			e = g.Evidence(t.Context(), testRelease, reader, 20*time.Second)
		}
		if took := time.Since(before); took != 0 {
			t.Errorf("a reader who waited heard of it after %s, want at once", took)
		}
		again := func(g *Gateway, when string) {
			t.Helper()
			for name, edit := range map[string]func(*release.Route){
				"more weight":     weight(1000),
				"a new ramp":      func(r *release.Route) { weight(500)(r); r.Fresh = true },
				"the whole of it": weight(10000),
			} {
				if _, err := g.Apply([]release.Route{testRoute(2, edit, guarded)}); !errors.Is(err, release.ErrLapsed) || !strings.Contains(err.Error(), "the guard") {
					t.Errorf("%s: %s was answered %v, want that the guard found it bad", when, name, err)
				}
			}
			if r := g.State().Routes[0]; r.Weight != 0 || r.Tripped == nil || !strings.Contains(r.Tripped.Sentence, "error: canary ") || r.Tripped.Verdict != release.VerdictFail {
				t.Errorf("%s: state %+v", when, r)
			}
			if err := g.Renew([]string{testKey}, 1, time.Minute); !errors.Is(err, release.ErrConflict) {
				t.Errorf("%s: the lease was renewed: %v", when, err)
			}
		}
		again(g, "running")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Run(ctx); err != nil { // writes what is unsaved
			t.Fatal(err)
		}
		restarted, err := New(Options{Name: "gw", Transport: transport, StateDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		again(restarted, "started again")
		mustApply(t, restarted, testRoute(3, weight(0), guarded))
		mustApply(t, restarted, testRoute(4, weight(500), guarded, func(r *release.Route) { r.Release, r.Fresh = "demo/hello/production/3", true }))
		if r := restarted.State().Routes[0]; r.Weight != 500 || r.Tripped != nil {
			t.Errorf("the next release has %+v, want its weight", r)
		}
	})
}

func TestGuardIsWrittenDownAsSoonAsItTrips(t *testing.T) {
	dir := t.TempDir()
	g := newTestGateway(t, Options{Transport: instances(answers{"web-1": ok, "web-2": fails(1)}), StateDir: dir})
	cutOff(t, g)
	deadline := time.After(10 * time.Second)
	for {
		content, err := g.disk.read()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(`"tripped":`)) {
			break
		}
		select {
		case <-deadline:
			t.Fatal("it is not on disk")
		default:
		}
	}
	// As after a kill: nothing of the process is left but the disk.
	restarted, err := New(Options{Name: "gw", Transport: everybody, StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if canaryServes(restarted) {
		t.Error("the canary serves again")
	}
}

func TestEveryRestartHalvesWhatTheGuardMaySpend(t *testing.T) {
	dir := t.TempDir()
	for runs := range 3 {
		g, err := New(Options{Name: "gw", Transport: everybody, StateDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if runs == 0 {
			mustApply(t, g, testRoute(1, weight(500), guarded, func(r *release.Route) { r.Lease = release.Duration(MaxLease) }))
		}
		guard := g.table.Load().routes[testKey].evidence.guard
		if want := 0.005 / float64(int(1)<<runs); guard.test.Alpha() != want {
			t.Errorf("after %d restarts the guard spends %v, want %v", runs, guard.test.Alpha(), want)
		}
		// Nothing runs here that would write it later.
	}
}

func TestGuardTakesTheTrafficBackAfterTheCutover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Options{Name: "gw", Transport: instances(answers{"web-1": ok, "web-2": fails(1)})})
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, g, testRoute(1, weight(10000), guarded))
		if bad := badUntilCut(t, g); bad > 10 {
			t.Errorf("%d bad answers, want at most 10 against the fixed bound", bad)
		}
		if _, revision := ask(g, "/web"); revision != "web-1" {
			t.Errorf("%q serves, want the predecessor, which is warm", revision)
		}
	})
}

func TestOneUnluckySessionDoesNotTripTheGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := instances(answers{"web-1": ok, "web-2": fails(1)})
		g, err := New(Options{Name: "gw", Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, g, testRoute(1, weight(5000), guarded, sticky))
		unlucky := ""
		for n := 0; unlucky == ""; n++ {
			user := strings.Repeat("u", n+1)
			if _, revision := ask(g, "/web", func(r *http.Request) { r.Header.Set("X-User", user) }); revision == "web-2" {
				unlucky = user
			}
		}
		for range 500 {
			ask(g, "/web", func(r *http.Request) { r.Header.Set("X-User", unlucky) })
		}
		if found := g.State().Routes[0].Tripped; found != nil {
			t.Errorf("the guard tripped over one user: %s", found.Sentence)
		}
	})
}

func TestGuardedRequestsFromManySidesAreCountedOnce(t *testing.T) {
	g := newTestGateway(t, Options{Transport: everybody})
	mustApply(t, g, testRoute(1, weight(5000), guarded))
	var sending sync.WaitGroup
	for range 8 {
		sending.Go(func() {
			for range 500 {
				ask(g, "/web")
			}
		})
	}
	sending.Wait()
	sum := total(t, g)
	e := sum.Streams[canary.StreamError]
	if sum.CanaryRequests+sum.StableRequests != 4000 || e.CanaryGood+e.StableGood != 4000 {
		t.Errorf("%d requests and %d verdicts, want 4000 of each", sum.CanaryRequests+sum.StableRequests, e.CanaryGood+e.StableGood)
	}
}

func TestGuardCountsWithoutAllocating(t *testing.T) {
	l := guardedLedger(t)
	tally := (*l.tallies.Load())[0]
	if n := testing.AllocsPerRun(1000, func() {
		tally.request(canary.Canary)
		for s := range canary.Stream(canary.Streams) {
			tally.mark(s, canary.Canary, canary.MarkGood)
		}
	}); n != 0 {
		t.Errorf("%v allocations a request, want none", n)
	}
}

func guardedLedger(t testing.TB) *ledger {
	t.Helper()
	g, err := New(Options{Name: "gw", Transport: everybody})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, g, testRoute(1, weight(500), guarded))
	return g.table.Load().routes[testKey].evidence
}

// BenchmarkGuard is what the guard costs a request, and one at which it judges.
func BenchmarkGuard(b *testing.B) {
	for _, c := range []struct {
		name  string
		arm   canary.Arm
		kind  canary.MarkKind
		judge bool
	}{{"stable", canary.Stable, canary.MarkGood, false}, {"canary", canary.Canary, canary.MarkGood, false}, {"judged", canary.Stable, canary.MarkBad, true}} {
		b.Run(c.name, func(b *testing.B) {
			l := guardedLedger(b)
			tally := (*l.tallies.Load())[0]
			now := time.Now()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					tally.request(c.arm)
					for s := range canary.Stream(canary.Streams) {
						tally.mark(s, c.arm, c.kind)
					}
					if c.judge {
						l.guard.judge(now)
					}
				}
			})
		})
	}
}
