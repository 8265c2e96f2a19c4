package gateway

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

const testRelease = "demo/hello/production/2"

// instances answers in process: each revision as its function says.
func instances(byRevision map[string]func(*http.Request) (*http.Response, error)) inProcess {
	return func(req *http.Request) (*http.Response, error) {
		return byRevision[exchangeOf(req.Context()).to.revision.name](req)
	}
}

func ok(*http.Request) (*http.Response, error) { return plainAnswer(200), nil }

func after(d time.Duration, status int) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return plainAnswer(status), nil
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
}

// bubble returns a gateway on fake time whose Run ends with the returned function.
func bubble(t *testing.T, transport http.RoundTripper) (*Gateway, func()) {
	t.Helper()
	g, err := New(Options{Name: "gw", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- g.Run(ctx) }()
	return g, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// total reads everything and adds it up.
func total(t *testing.T, g *Gateway) (sum canary.Batch) {
	t.Helper()
	next := Cursor{}
	for {
		e := g.Evidence(t.Context(), testRelease, map[string]Cursor{testKey: next}, 0)
		if len(e.Routes) != 1 {
			t.Fatalf("evidence of %d routes", len(e.Routes))
		}
		r := e.Routes[0]
		for _, b := range r.Batches {
			if err := b.Validate(); err != nil {
				t.Fatal(err)
			}
			sum.CanaryRequests += b.CanaryRequests
			sum.StableRequests += b.StableRequests
			sum.CanaryDrawn += b.CanaryDrawn
			sum.StableDrawn += b.StableDrawn
			for s := range b.Streams {
				sum.Streams[s].CanaryBad += b.Streams[s].CanaryBad
				sum.Streams[s].CanaryGood += b.Streams[s].CanaryGood
				sum.Streams[s].StableBad += b.Streams[s].StableBad
				sum.Streams[s].StableGood += b.Streams[s].StableGood
				sum.Streams[s].CanarySessions = append(sum.Streams[s].CanarySessions, b.Streams[s].CanarySessions...)
				sum.Streams[s].StableSessions = append(sum.Streams[s].StableSessions, b.Streams[s].StableSessions...)
			}
		}
		if len(r.Batches) == 0 {
			return sum
		}
		next = r.Next
	}
}

func TestEvidenceCountsEveryDrawnRequestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){
			"web-1": after(time.Millisecond, 200), "web-2": after(time.Millisecond, 500),
		}))
		defer stop()
		pin := func(r *release.Route) { r.Ingress.Pins = []release.Pin{{Header: "X-Pin", Values: []string{"1"}}} }
		mustApply(t, g, testRoute(1, weight(5000), pin))
		var byRevision = map[string]int64{}
		for range 400 {
			_, revision := ask(g, "/web")
			byRevision[revision]++
		}
		for range 50 {
			ask(g, "/web", func(r *http.Request) { r.Header.Set("X-Pin", "1") })
		}
		pass(flushEvery)
		sum := total(t, g)
		if sum.StableRequests != byRevision["web-1"] || sum.CanaryRequests != byRevision["web-2"] {
			t.Errorf("assigned %d and %d, want %v", sum.StableRequests, sum.CanaryRequests, byRevision)
		}
		e := sum.Streams[canary.StreamError]
		if e.StableGood != byRevision["web-1"] || e.CanaryBad != byRevision["web-2"] || e.StableBad+e.CanaryGood != 0 {
			t.Errorf("verdicts %+v, want %v; pins must not count", e, byRevision)
		}
		mustApply(t, g, testRoute(2, weight(0), pin))
		for range 20 {
			ask(g, "/web")
		}
		pass(flushEvery)
		if again := total(t, g); again.StableRequests != sum.StableRequests {
			t.Error("requests at weight 0 count as evidence")
		}
	})
}

func TestVerdictsCarryTheWeightVersionOfTheirAssignment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){
			"web-1": ok, "web-2": after(10*time.Second, 500),
		}))
		defer stop()
		mustApply(t, g, testRoute(1, weight(release.FullWeight)))
		go ask(g, "/web")
		synctest.Wait()
		mustApply(t, g, testRoute(2, weight(0)))
		pass(11 * time.Second)
		e := g.Evidence(t.Context(), testRelease, nil, 0)
		bad := int64(0)
		for _, b := range e.Routes[0].Batches {
			if b.Streams[canary.StreamError].CanaryBad > 0 && b.WeightVersion != 1 {
				t.Errorf("a verdict of version 1 is in a batch of version %d", b.WeightVersion)
			}
			bad += b.Streams[canary.StreamError].CanaryBad
		}
		if bad != 1 || e.Routes[0].Version != 2 {
			t.Errorf("%d bad at version %d", bad, e.Routes[0].Version)
		}
	})
}

func TestABadCanaryWakesWhoeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := make(chan struct{})
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){
			"web-2": func(*http.Request) (*http.Response, error) { <-fail; return plainAnswer(503), nil },
		}))
		defer stop()
		mustApply(t, g, testRoute(1, weight(release.FullWeight)))
		go ask(g, "/web")
		pass(flushEvery)
		first := g.Evidence(t.Context(), testRelease, nil, 0) // the request's arrival
		answers := make(chan Evidence)
		began := time.Now()
		go func() {
			answers <- g.Evidence(t.Context(), testRelease, map[string]Cursor{testKey: first.Routes[0].Next}, 900*time.Millisecond)
		}()
		synctest.Wait()
		close(fail)
		e := <-answers
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the reader waited %s of fake time", waited)
		}
		if b := e.Routes[0].Batches; len(b) != 1 || b[0].Streams[canary.StreamError].CanaryBad != 1 {
			t.Errorf("batches %+v", b)
		}
	})
}

func TestABadCanaryOnAnyRouteOfAGroupWakesWhoeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){"web-2": after(0, 503)}))
		defer stop()
		group := make([]release.Route, 4)
		for i := range group {
			group[i] = testRoute(1, weight(release.FullWeight))
			group[i].Key, group[i].Ingress.Path = fmt.Sprintf("demo/hello/production/web%d", i), fmt.Sprintf("/web%d", i)
		}
		mustApply(t, g, group...)
		for _, route := range group {
			pass(flushEvery)
			next := map[string]Cursor{}
			for _, r := range g.Evidence(t.Context(), testRelease, nil, 0).Routes {
				next[r.Key] = r.Next
			}
			answers := make(chan Evidence)
			go func() { answers <- g.Evidence(t.Context(), testRelease, next, 900*time.Millisecond) }()
			synctest.Wait()
			began := time.Now()
			ask(g, route.Ingress.Path)
			<-answers
			if waited := time.Since(began); waited != 0 {
				t.Errorf("%s: the reader waited %s of fake time", route.Key, waited)
			}
		}
	})
}

func TestGoodNewsAndSignsOfLifeComeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){"web-2": ok}))
		defer stop()
		mustApply(t, g, testRoute(1, weight(release.FullWeight)))
		read := func(next Cursor) (RouteEvidence, time.Duration) {
			began := time.Now()
			e := g.Evidence(t.Context(), testRelease, map[string]Cursor{testKey: next}, 2*time.Second)
			return e.Routes[0], time.Since(began)
		}
		r, _ := read(Cursor{})
		r, waited := read(r.Next)
		if len(r.Batches) != 1 || !r.Batches[0].Empty() || waited > heartbeatEvery+flushEvery {
			t.Errorf("sign of life after %s: %+v", waited, r.Batches)
		}
		ask(g, "/web")
		r, waited = read(r.Next)
		if len(r.Batches) != 1 || r.Batches[0].Empty() || waited > 2*flushEvery {
			t.Errorf("good news after %s: %+v", waited, r.Batches)
		}
	})
}

func TestALapseWakesWhoeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, everybody)
		defer stop()
		mustApply(t, g, testRoute(1))
		pass(30*time.Second - 50*time.Millisecond)
		e := g.Evidence(t.Context(), testRelease, nil, 0)
		e = g.Evidence(t.Context(), testRelease, map[string]Cursor{testKey: e.Routes[0].Next}, 900*time.Millisecond)
		if r := e.Routes[0]; !r.Lapsed || r.Weight != 0 || len(r.Batches) == 0 {
			t.Errorf("evidence %+v", r)
		}
	})
}

func TestCursors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, everybody)
		defer stop()
		mustApply(t, g, testRoute(1, weight(release.FullWeight)))
		read := func(c Cursor) RouteEvidence {
			ask(g, "/web")
			pass(flushEvery)
			return g.Evidence(t.Context(), testRelease, map[string]Cursor{testKey: c}, 0).Routes[0]
		}
		var runs []RouteEvidence
		next := Cursor{}
		for i := range keepRead + 200 {
			r := read(next)
			if len(r.Batches) != 1 || r.Batches[0].Seq != uint64(i+1) || r.Lost != nil {
				t.Fatalf("read %d: %+v", i, r)
			}
			next = r.Next
			runs = append(runs, r)
		}
		old := runs[len(runs)-500]
		again := g.Evidence(t.Context(), testRelease, map[string]Cursor{testKey: old.Next}, 0).Routes[0]
		if again.Lost != nil || len(again.Batches) != 499 || fmt.Sprint(again.Batches[0]) != fmt.Sprint(runs[len(runs)-499].Batches[0]) {
			t.Errorf("an old cursor reads %d batches, lost %v", len(again.Batches), again.Lost)
		}
		gone := g.Evidence(t.Context(), testRelease, map[string]Cursor{testKey: {Run: next.Run, Seq: 5}}, 0).Routes[0]
		if gone.Lost == nil || gone.Lost.From != 6 || gone.Batches[0].Seq != gone.Lost.To+1 {
			t.Errorf("lost %+v, then batch %d", gone.Lost, gone.Batches[0].Seq)
		}
		other := g.Evidence(t.Context(), testRelease, map[string]Cursor{testKey: {Run: 1, Seq: 7}}, 0).Routes[0]
		if other.Lost == nil || other.Lost.From != 1 || other.Next.Run != next.Run {
			t.Errorf("a cursor of another life: %+v", other.Lost)
		}
		mustApply(t, g, testRoute(2, weight(release.FullWeight), func(r *release.Route) { r.Release = "demo/hello/production/3" }))
		fresh := g.Evidence(t.Context(), "demo/hello/production/3", nil, time.Second).Routes[0]
		if fresh.Batches[0].Seq != 1 || fresh.Next.Run <= next.Run {
			t.Errorf("another release begins with batch %d of run %d", fresh.Batches[0].Seq, fresh.Next.Run)
		}
		if e := g.Evidence(t.Context(), testRelease, nil, 0); len(e.Routes) != 0 {
			t.Error("a release that has left still has evidence")
		}
	})
}

func TestNothingIsLostWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){"web-2": after(time.Millisecond, 500)}))
		defer stop()
		mustApply(t, g, testRoute(1, weight(release.FullWeight)))
		const n = 3 * keepUnread
		for range n {
			ask(g, "/web")
		}
		if sum := total(t, g); sum.Streams[canary.StreamError].CanaryBad != n || sum.CanaryRequests != n {
			t.Errorf("%d bad of %d", sum.Streams[canary.StreamError].CanaryBad, n)
		}
	})
}

// warmed returns a gateway whose stable revision is known to answer in 10 ms, and the canary's limits.
func warmed(t *testing.T, g *Gateway, edit ...func(*release.Route)) *canary.Thresholds {
	t.Helper()
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Canary, r.Release = nil, "" }))
	for range 1100 {
		ask(g, "/web")
	}
	mustApply(t, g, testRoute(2, edit...))
	limits := &g.table.Load().routes[testKey].evidence.limits.Load().warm
	if !limits.BodyLive || !limits.TailLive || limits.BodyCanary < 11*time.Millisecond || limits.BodyCanary > 14*time.Millisecond {
		t.Fatalf("limits %+v", limits)
	}
	return limits
}

func TestAHangingCanaryIsSlowAtTheThresholdAndNotLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){
			"web-1": after(10*time.Millisecond, 200), "web-2": after(40*time.Second, 200),
		}))
		defer stop()
		limits := warmed(t, g, weight(release.FullWeight))
		go ask(g, "/web")
		pass(limits.BodyCanary - time.Nanosecond)
		synctest.Wait()
		if s := total(t, g).Streams[canary.StreamBody]; s.CanaryBad != 0 {
			t.Error("judged before its age")
		}
		pass(time.Nanosecond)
		synctest.Wait()
		if s := total(t, g).Streams[canary.StreamBody]; s.CanaryBad != 1 {
			t.Errorf("not judged at its age: %+v", s)
		}
		pass(limits.TailCanary)
		synctest.Wait()
		pass(time.Minute)
		sum := total(t, g)
		if b, tail, e := sum.Streams[canary.StreamBody], sum.Streams[canary.StreamTail], sum.Streams[canary.StreamError]; b.CanaryBad != 1 || tail.CanaryBad != 1 || e.CanaryGood != 1 {
			t.Errorf("body %+v, tail %+v, error %+v: want one verdict on each", b, tail, e)
		}
	})
}

func TestAFastAnswerIsGoodAtTheSameAgeOnBothArms(t *testing.T) {
	for _, w := range []release.Weight{release.FullWeight, 1} {
		synctest.Test(t, func(t *testing.T) {
			g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){
				"web-1": after(10*time.Millisecond, 200), "web-2": after(5*time.Millisecond, 200),
			}))
			defer stop()
			limits := warmed(t, g, weight(w))
			good := func() int64 {
				s := total(t, g).Streams[canary.StreamBody]
				return s.CanaryGood + s.StableGood
			}
			arrived := time.Now()
			ask(g, "/web")
			pass(limits.BodyCanary - time.Since(arrived) - time.Nanosecond)
			synctest.Wait()
			pass(0)
			if n := good(); n != 0 {
				t.Errorf("weight %s: judged before its age", w)
			}
			pass(time.Second)
			if n := good(); n != 1 {
				t.Errorf("weight %s: %d good", w, n)
			}
		})
	}
}

func TestARouteSaysHowSlowTheCanaryMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){"web-1": after(10*time.Millisecond, 200)}))
		defer stop()
		usual := warmed(t, g, weight(release.FullWeight))
		mustApply(t, g, testRoute(3, weight(release.FullWeight), func(r *release.Route) {
			r.Release = testRelease + "0"
			r.Latency = &release.LatencyBound{Quantile: 95, Margin: 1}
		}))
		limits := &g.table.Load().routes[testKey].evidence.limits.Load().warm
		if limits.BodyCanary < usual.BodyCanary*3/2 || limits.TailStable >= usual.TailStable {
			t.Errorf("with a margin of 100 %% the limits are %+v, and were %+v with 20 %%", limits, usual)
		}
	})
}

func TestTheWarmUpIsLenient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){
			"web-1": after(10*time.Millisecond, 200), "web-2": after(20*time.Millisecond, 200),
		}))
		defer stop()
		warmed(t, g, weight(release.FullWeight), func(r *release.Route) { r.WarmUp = release.Duration(30 * time.Second) })
		ask(g, "/web")
		pass(29 * time.Second)
		ask(g, "/web")
		pass(time.Second)
		if s := total(t, g).Streams[canary.StreamBody]; s.CanaryBad != 0 || s.CanaryGood != 2 {
			t.Errorf("in the warm-up %+v", s)
		}
		ask(g, "/web")
		pass(time.Second)
		if s := total(t, g).Streams[canary.StreamBody]; s.CanaryBad != 1 {
			t.Errorf("after the warm-up %+v", s)
		}
	})
}

func TestTheSlowErrorGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := 200
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){
			"web-1": func(r *http.Request) (*http.Response, error) {
				if status == 200 {
					return after(10*time.Millisecond, 200)(r)
				}
				return after(10*time.Second, 504)(r)
			},
			"web-2": after(5*time.Millisecond, 502),
		}))
		defer stop()
		mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Canary, r.Release = nil, "" }))
		for range 300 {
			ask(g, "/web")
		}
		status = 504
		for range 6 {
			ask(g, "/web")
		}
		mustApply(t, g, testRoute(2, weight(release.FullWeight)))
		h := g.table.Load().routes[testKey].evidence.errorAge
		if h < 18*time.Millisecond || h > 22*time.Millisecond {
			t.Fatalf("errors are judged at age %s, want about 20 ms", h)
		}
		ask(g, "/web")
		if e := total(t, g).Streams[canary.StreamError]; e.CanaryBad != 0 {
			t.Error("a fast failure counts before the age at which slow ones do")
		}
		pass(h)
		synctest.Wait()
		if e := total(t, g).Streams[canary.StreamError]; e.CanaryBad != 1 {
			t.Errorf("verdicts %+v", e)
		}
	})
}

func TestStickyVerdictsNameTheirSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){"web-2": after(time.Millisecond, 500)}))
		defer stop()
		mustApply(t, g, testRoute(1, sticky, weight(release.FullWeight)))
		for i := range 30 {
			ask(g, "/web", func(r *http.Request) { r.Header.Set("X-User", fmt.Sprint("user", i%3)) })
		}
		e := total(t, g).Streams[canary.StreamError]
		distinct := map[uint64]bool{}
		for _, s := range e.CanarySessions {
			distinct[s] = true
		}
		if e.CanaryBad != 30 || len(e.CanarySessions) != 30 || len(distinct) != 3 {
			t.Errorf("%d bad of %d sessions listed, %d distinct", e.CanaryBad, len(e.CanarySessions), len(distinct))
		}
	})
}

func TestNewSessionsAreCountedOnceWhereTheyCanBeTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, everybody)
		defer stop()
		mustApply(t, g, testRoute(1, weight(5000), func(r *release.Route) { r.Sticky = release.StickyUser }))
		for range 40 {
			ask(g, "/web") // every one a new user
		}
		ask(g, "/web", func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: UserCookie, Value: newUserKey()})
		})
		pass(flushEvery)
		if sum := total(t, g); sum.CanaryDrawn+sum.StableDrawn != 40 || sum.CanaryRequests+sum.StableRequests != 41 {
			t.Errorf("%d sessions drawn in %d requests", sum.CanaryDrawn+sum.StableDrawn, sum.CanaryRequests+sum.StableRequests)
		}
	})
}

func TestTheGatewaysBatchesAreWhatTheTestWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := bubble(t, instances(map[string]func(*http.Request) (*http.Response, error){
			"web-1": after(time.Millisecond, 200), "web-2": after(time.Millisecond, 500),
		}))
		defer stop()
		mustApply(t, g, testRoute(1))
		cfg := canary.DefaultConfig()
		test, err := canary.New(cfg, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := test.Expect([]string{SenderName("gw", testKey)}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := test.AddWeight(1, 0.05, time.Now()); err != nil {
			t.Fatal(err)
		}
		next, failed := Cursor{}, 0
		for test.Phase() == canary.PhaseRunning {
			if _, revision := ask(g, "/web"); revision == "web-2" {
				failed++
			}
			r := g.Evidence(t.Context(), testRelease, map[string]Cursor{testKey: next}, 0).Routes[0]
			next = r.Next
			for _, b := range r.Batches {
				if _, err := test.Apply(b, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			if failed > 10 {
				t.Fatalf("%d canary requests failed without a verdict: %+v", failed, test.Verdict(time.Now()))
			}
		}
		if failed != 3 {
			t.Errorf("%d bad requests until the rollback, want 3", failed)
		}
	})
}
