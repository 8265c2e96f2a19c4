package gateway

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

var errReset = errors.New("connection reset")

func TestRequestsThatAreSafeToRepeatAreSentAgain(t *testing.T) {
	for _, test := range []struct {
		name, method, body string
		answers            []int // 0 is none
		want, asked        int
	}{
		{"the first broke off", http.MethodGet, "", []int{0, 200}, 200, 2},
		{"the first is not there", http.MethodHead, "", []int{503, 200}, 200, 2},
		{"two failed", http.MethodOptions, "", []int{502, 504, 200}, 200, 3},
		{"all fail", http.MethodGet, "", []int{503, 503, 503, 200}, 503, 3},
		{"an error of the function's own", http.MethodGet, "", []int{500, 200}, 500, 1},
		{"it may have been done", http.MethodPost, "", []int{0, 200}, 502, 1},
		{"it may have been done, and says so", http.MethodPost, "x", []int{503, 200}, 503, 1},
		{"its body is gone", http.MethodGet, "x", []int{0, 200}, 502, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			var asked atomic.Int64
			g := newTestGateway(t, Options{Transport: inProcess(func(*http.Request) (*http.Response, error) {
				status := test.answers[asked.Add(1)-1]
				if status == 0 {
					return nil, errReset
				}
				return plainAnswer(status), nil
			})})
			mustApply(t, g, testRoute(1, weight(release.FullWeight), func(r *release.Route) { r.Ingress.Retries = 2 }))
			w := httptest.NewRecorder()
			req := httptest.NewRequest(test.method, "/web", strings.NewReader(test.body))
			if test.body == "" {
				req = httptest.NewRequest(test.method, "/web", nil)
			}
			g.ServeHTTP(w, req)
			if w.Code != test.want || asked.Load() != int64(test.asked) {
				t.Errorf("got %d after %d, want %d after %d", w.Code, asked.Load(), test.want, test.asked)
			}
			if s := statsOf(g, "web-2"); s.Requests != 1 {
				t.Errorf("counted %v, want one request", s.Classes)
			}
			if e := total(t, g).Streams[canary.StreamError]; e.CanaryBad != 1 || e.CanaryGood != 0 {
				t.Errorf("evidence %+v: what was sent again failed all the same, and counts once", e)
			}
		})
	}
}

func TestRepeatingStopsBeforeItDoublesTheLoad(t *testing.T) {
	var asked atomic.Int64
	g := newTestGateway(t, Options{Transport: inProcess(func(*http.Request) (*http.Response, error) {
		asked.Add(1)
		return plainAnswer(http.StatusServiceUnavailable), nil
	})})
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Ingress.Retries = 3 }))
	const requests = 500
	for range requests {
		ask(g, "/web")
	}
	if again := asked.Load() - requests; again < requests/retryShare || again > requests/retryShare+retryBurst {
		t.Errorf("%d of %d were sent again, want one in %d and %d at once", again, requests, retryShare, retryBurst)
	}
}

func TestAnotherInstanceIsAskedFirst(t *testing.T) {
	var bad, good atomic.Int64
	first := instance(t, func(w http.ResponseWriter, _ *http.Request) {
		bad.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	second := instance(t, func(http.ResponseWriter, *http.Request) { good.Add(1) })
	g := newTestGateway(t, Options{})
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) {
		r.Stable, r.Ingress.Retries = target("web-1", first, second), 1
	}))
	base := serve(t, g)
	for range 10 {
		if resp, _ := get(t, base+"/web"); resp.StatusCode != http.StatusOK {
			t.Fatalf("got %d", resp.StatusCode)
		}
	}
	if bad.Load() == 0 || good.Load() != 10 {
		t.Errorf("the bad instance had %d and the good one %d", bad.Load(), good.Load())
	}
}
