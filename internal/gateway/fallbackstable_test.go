package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// TestADrainedRevisionIsNoFallback retires stable while a request of the candidate is under way.
func TestADrainedRevisionIsNoFallback(t *testing.T) {
	g := newTestGateway(t, Options{})
	var asked atomic.Int64
	stable := instance(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	began, breakOff := make(chan struct{}), make(chan struct{})
	candidate := instance(t, func(http.ResponseWriter, *http.Request) {
		close(began)
		<-breakOff
		panic(http.ErrAbortHandler)
	})
	r := testRoute(1, weight(10000))
	r.Ingress.Fallback = &release.Fallback{Stable: true}
	r.Stable, r.Canary = target("web-1", stable), target("web-2", candidate)
	mustApply(t, g, r)
	status := make(chan int, 1)
	go func() {
		got, _ := ask(g, "/web")
		status <- got
	}()
	await(t, began)
	promoted := testRoute(2, weight(0))
	promoted.Stable, promoted.Canary = target("web-2", candidate), nil
	mustApply(t, g, promoted)
	lane := release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}
	if err := g.Drain(t.Context(), lane, "web-1"); err != nil {
		t.Fatal(err)
	}
	close(breakOff)
	if got := await(t, status); got != http.StatusBadGateway || asked.Load() != 0 {
		t.Errorf("status %d, and the drained revision was asked %d times; want 502 and never", got, asked.Load())
	}
}

// TestAnotherUnitHearsNoCallerFromAClient falls back to a unit with headers that must not leave the gateway.
func TestAnotherUnitHearsNoCallerFromAClient(t *testing.T) {
	var got http.Header
	unit := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	t.Cleanup(unit.Close)
	g := newTestGateway(t, Options{Units: map[string]string{"b": unit.URL}})
	r := testRoute(1, weight(0))
	r.Ingress.Fallback = &release.Fallback{Unit: "b"}
	r.Stable, r.Canary = target("web-1", refused(t)), nil
	mustApply(t, g, r)
	req, err := http.NewRequest(http.MethodPost, serve(t, g)+"/web", strings.NewReader("a"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{CallerHeader: {"root"}, "X-Own": {"1"}, "Connection": {"X-Own"}, "Authorization": {"Bearer x"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || got.Get("Authorization") != "Bearer x" {
		t.Fatalf("status %d, headers %v", resp.StatusCode, got)
	}
	for _, name := range []string{CallerHeader, "X-Own"} {
		if got[name] != nil {
			t.Errorf("the other unit got %s: %v", name, got[name])
		}
	}
}
