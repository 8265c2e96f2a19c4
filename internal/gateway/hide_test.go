package gateway

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// TestWhatHidesErrorsFromPeopleHidesNoneFromTheJudge has candidates that fail behind retries and fallbacks.
func TestWhatHidesErrorsFromPeopleHidesNoneFromTheJudge(t *testing.T) {
	always := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	first := func() http.HandlerFunc {
		var n atomic.Int64
		return func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1)%2 == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
	}
	breaks := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for _, test := range []struct {
		name    string
		ingress release.Ingress
		handler http.HandlerFunc
		status  int
		class   string
	}{
		{"a second try that is answered", release.Ingress{Retries: 1}, first(), 200, "2xx"},
		{"tries that all fail", release.Ingress{Retries: 3}, always, 503, "5xx"},
		{"stable answers instead", release.Ingress{Fallback: &release.Fallback{Stable: true}}, breaks, 200, "broken"},
		{"a fixed answer", release.Ingress{Fallback: &release.Fallback{Answer: &release.StaticAnswer{Status: 203, Type: "text/plain"}}}, breaks, 203, "broken"},
		{"retries, and then stable", release.Ingress{Retries: 2, Fallback: &release.Fallback{Stable: true}}, breaks, 200, "broken"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWire(t, Options{}, echoes)
			r := testRoute(2, weight(10000))
			r.Ingress = test.ingress
			r.Ingress.Path = "/web"
			r.Stable, r.Canary = target("web-1", w.instance), target("web-2", instance(t, test.handler))
			mustApply(t, w.g, r)
			c := w.dial(t)
			c.say("GET /web/a HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, _, err := c.answer(http.MethodGet)
			if err != nil || resp.StatusCode != test.status {
				t.Fatalf("%v (%v), want %d", resp, err, test.status)
			}
			eventually(t, "the request is counted", func() bool { return statsOf(w.g, "web-2").Requests == 1 })
			if got := newClass(RevisionStats{}, statsOf(w.g, "web-2")); got != test.class {
				t.Errorf("class %s, want %s", got, test.class)
			}
			if bad, good := w.evidence(t); bad != 1 || good != 0 {
				t.Errorf("evidence of %d bad and %d good requests, want 1 bad", bad, good)
			}
			if s := statsOf(w.g, "web-1"); s.Requests != 0 || s.InFlight != 0 {
				t.Errorf("stable was counted: %+v", s)
			}
		})
	}
}
