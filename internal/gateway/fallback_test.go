package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

func fallback(f release.Fallback) func(*release.Route) {
	return func(r *release.Route) { r.Ingress.Fallback = &f }
}

func TestStableAnswersForACandidateThatDoesNot(t *testing.T) {
	for _, test := range []struct {
		name, method, body string
		canary             string // its endpoint; empty is one that breaks off
		want               int
	}{
		{"nobody accepts connections", http.MethodGet, "", "refused", 200},
		{"nobody accepts the connection of a POST", http.MethodPost, "once", "refused", 200},
		{"the answer breaks off", http.MethodGet, "", "", 200},
		{"the answer to a POST breaks off", http.MethodPost, "once", "", 502},
	} {
		t.Run(test.name, func(t *testing.T) {
			stable := instance(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
			endpoint := refused(t)
			if test.canary == "" {
				endpoint = instance(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			}
			g := newTestGateway(t, Options{})
			mustApply(t, g, testRoute(1, weight(release.FullWeight), fallback(release.Fallback{Stable: true}), func(r *release.Route) {
				r.Stable, r.Canary = target("web-1", stable), target("web-2", endpoint)
			}))
			req, err := http.NewRequestWithContext(t.Context(), test.method, serve(t, g)+"/web", strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if test.body == "" {
				req.Body = http.NoBody
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != test.want {
				t.Fatalf("got %d, want %d", resp.StatusCode, test.want)
			}
			if test.want == 200 && (resp.Header.Get(FallbackHeader) != "stable" || resp.Header.Get(RevisionHeader) != "web-1" || string(body) != test.body) {
				t.Errorf("got %q of %v", body, resp.Header)
			}
			eventually(t, "the request has ended", func() bool { return statsOf(g, "web-2").InFlight == 0 })
			if e := total(t, g).Streams[canary.StreamError]; e.CanaryBad != 1 || e.CanaryGood+e.StableGood+e.StableBad != 0 {
				t.Errorf("evidence %+v, want the one that the client did not see", e)
			}
			if s := statsOf(g, "web-2"); s.Requests != 1 || s.Classes["2xx"] != 0 {
				t.Errorf("counted %v", s.Classes)
			}
			if s := statsOf(g, "web-1"); s.Requests != 0 || s.InFlight != 0 {
				t.Errorf("stable counted %v, %d in flight: what it did for another is no request of its own", s.Classes, s.InFlight)
			}
		})
	}
}

func TestAnotherUnitAnswers(t *testing.T) {
	there := newTestGateway(t, Options{Name: "gw-b", Units: map[string]string{"a": "http://127.0.0.1:9"}})
	mustApply(t, there, testRoute(1, weight(0), fallback(release.Fallback{Unit: "a"}), func(r *release.Route) {
		r.Stable = target("web-b", instance(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Method+" "+r.Host+" "+r.URL.RequestURI()+" ")
			_, _ = io.Copy(w, r.Body)
		}))
	}))
	entry := serve(t, there)
	here := newTestGateway(t, Options{Name: "gw-a", Units: map[string]string{"b": entry}})
	mustApply(t, here, testRoute(1, weight(0), fallback(release.Fallback{Unit: "b"}), func(r *release.Route) { r.Stable = target("web-a", refused(t)) }))
	base := serve(t, here)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/web/x?y=%2F", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if want := "POST shop.example /web/x?y=%2F body"; string(body) != want || resp.Header.Get(FallbackHeader) != "unit" || resp.Header.Get(RevisionHeader) != "web-b" {
		t.Errorf("got %q of %v, want %q", body, resp.Header, want)
	}
	// A unit that is asked for another does not ask on: two that are down would ask each other for ever.
	mustApply(t, there, testRoute(2, weight(0), fallback(release.Fallback{Unit: "a"}), func(r *release.Route) { r.Stable = target("web-b", refused(t)) }))
	if resp, _ := get(t, base+"/web"); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("with both down the client gets %d, want 502", resp.StatusCode)
	}
}

func TestAnAnswerThatNeedsNobody(t *testing.T) {
	g := newTestGateway(t, Options{})
	mustApply(t, g, testRoute(1, weight(0),
		fallback(release.Fallback{Unit: "unknown", Answer: &release.StaticAnswer{Status: 203, Type: "application/json", Body: `{"items":[]}`}}),
		func(r *release.Route) { r.Stable = target("web-1", refused(t)) }))
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/web", strings.NewReader("x")))
	if w.Code != 203 || w.Body.String() != `{"items":[]}` || w.Header().Get("Content-Type") != "application/json" || w.Header().Get(FallbackHeader) != "answer" {
		t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
	}
	if s := statsOf(g, "web-1"); s.Classes["connect"] != 1 || s.InFlight != 0 {
		t.Errorf("counted %v", s.Classes)
	}
}

func TestUnitsNeedAnEntry(t *testing.T) {
	for _, entry := range []string{"", "b:80", "ftp://b", "http://b/path", "http://user:word@b"} {
		if _, err := New(Options{Name: "gw", Units: map[string]string{"b": entry}}); err == nil || strings.Contains(err.Error(), "word") {
			t.Errorf("%q: %v", entry, err)
		}
	}
}
