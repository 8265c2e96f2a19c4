package gateway

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func TestABreakerOpensTriesAndCloses(t *testing.T) {
	b := newBreaker(release.Breaker{Failures: 0.5, Requests: 4, Within: release.Duration(10 * time.Second), Open: release.Duration(5 * time.Second)})
	at := time.Minute
	answer := func(o outcome) {
		t.Helper()
		if err := b.admit(at); err != nil {
			t.Fatalf("at %s: %v", at, err)
		}
		b.report(o, at, at)
	}
	refuses := func(want time.Duration) {
		t.Helper()
		var open *openError
		if err := b.admit(at); !errors.As(err, &open) || open.wait != want {
			t.Fatalf("at %s: %v, want it open for %s", at, err, want)
		}
	}
	answer(bad)
	answer(bad)
	answer(bad) // three are no evidence where four are wanted
	at += 20 * time.Second
	answer(good)
	answer(good)
	answer(bad)
	answer(bad) // those of 20 s ago do not count; two of four are half
	refuses(5 * time.Second)
	at += 4 * time.Second
	refuses(time.Second)
	at += time.Second
	if err := b.admit(at); err != nil {
		t.Fatal("no trial once the time is over")
	}
	refuses(time.Second) // one at a time
	b.report(bad, at, at)
	refuses(5 * time.Second)
	at += 5 * time.Second
	if err := b.admit(at); err != nil {
		t.Fatal(err)
	}
	b.report(unknown, at, at) // its client went away, so it says nothing
	for range goodTrials {
		answer(good)
	}
	if open, opened := b.state(); open || opened != 2 {
		t.Errorf("open %v after %d times, want closed after two", open, opened)
	}
	answer(bad) // and what was before is forgotten
	answer(good)
}

func TestRequestsFromBeforeABreakerOpenedAreNoTrials(t *testing.T) {
	b := newBreaker(release.Breaker{Failures: 0.5, Requests: 1, Within: release.Duration(time.Second), Open: release.Duration(time.Second)})
	_ = b.admit(1) // slow
	_ = b.admit(1)
	b.report(bad, 1, 2)
	trial := 2 + time.Second
	if err := b.admit(trial); err != nil {
		t.Fatal(err)
	}
	b.report(good, 1, trial+1) // the slow one
	if err := b.admit(trial + 1); err == nil {
		t.Error("a second trial while the first is under way")
	}
}

func TestABreakerKeepsRequestsFromAFailingRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, failing atomic.Int64
		failing.Store(1)
		g, err := New(Options{Name: "gw", Transport: inProcess(func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			if failing.Load() == 1 {
				return plainAnswer(http.StatusInternalServerError), nil
			}
			return plainAnswer(http.StatusOK), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		route := func(version int64) release.Route {
			return testRoute(version, weight(0), func(r *release.Route) {
				r.Ingress.Breaker = &release.Breaker{Failures: 0.5, Requests: 5, Within: release.Duration(10 * time.Second), Open: release.Duration(5 * time.Second)}
			})
		}
		mustApply(t, g, route(1))
		for range 5 {
			ask(g, "/web")
		}
		mustApply(t, g, route(2)) // a new version is the same breaker
		resp := from(g, "192.0.2.1:1")
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "5" || asked.Load() != 5 {
			t.Fatalf("got %d with Retry-After %q after %d requests", resp.StatusCode, resp.Header.Get("Retry-After"), asked.Load())
		}
		if s := statsOf(g, "web-1"); s.Classes["open"] != 1 || s.Classes["5xx"] != 5 {
			t.Errorf("counted %v", s.Classes)
		}
		failing.Store(0)
		time.Sleep(5 * time.Second) //nolint:forbidigo // in a bubble
		for range goodTrials + 3 {
			if status, _ := ask(g, "/web"); status != http.StatusOK {
				t.Errorf("a revision that is well again answers %d", status)
			}
		}
	})
}
