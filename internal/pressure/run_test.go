package pressure

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// serve starts an instance and gives its endpoint.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// limited is an instance that works off so many requests a second, one after the other; more than
// that wait.
func limited(perSecond int) http.HandlerFunc {
	var mu sync.Mutex
	var free time.Time
	return func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if now := time.Now(); free.Before(now) {
			free = now
		}
		free = free.Add(time.Second / time.Duration(perSecond))
		wait := time.Until(free)
		mu.Unlock()
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
}

// job is a short one whose bounds leave room for a busy machine.
func job(endpoints ...string) Job {
	return Job{
		Endpoints: endpoints,
		Requests:  []Request{{Path: "/"}},
		Spec:      release.Pressure{Rate: 100, For: 1100 * ms, P99: 250 * ms, Errors: 0.05},
		Limits:    Limits{WarmUp: 50 * time.Millisecond, Window: 500 * time.Millisecond, Search: 15 * time.Second},
	}
}

func run(t *testing.T, j Job) Report {
	t.Helper()
	report, err := Run(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", report.Verdict)
	return report
}

func TestTheLoadGoesEvenlyToAllInstances(t *testing.T) {
	var hits [2]atomic.Int64
	var wrong atomic.Int64
	instance := func(n int) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			hits[n].Add(1)
			body, _ := io.ReadAll(r.Body)
			get := r.Method == http.MethodGet && r.URL.String() == "/a?b=c" && r.Header.Get("X-Kind") == "get"
			post := r.Method == http.MethodPost && r.URL.Path == "/p" && string(body) == "body"
			if (!get && !post) || r.Host != "rail.example.com" || r.UserAgent() != "skyisland-pressure" {
				wrong.Add(1)
			}
		}
	}
	j := job(serve(t, instance(0)), serve(t, instance(1)))
	j.Host = "rail.example.com"
	j.Requests = []Request{
		{Path: "/a?b=c", Header: http.Header{"X-Kind": {"get"}}}, {Method: "POST", Path: "/p", Body: []byte("body")},
	}
	m, err := j.attack(t.Context(), j.Endpoints, 200, 500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	a, b := hits[0].Load(), hits[1].Load()
	if m.Answered == 0 || int(a+b) != m.Answered || a-b > 1 || b-a > 1 {
		t.Errorf("%d and %d hits for %d answers", a, b, m.Answered)
	}
	if wrong.Load() > 0 || m.Failed > 0 {
		t.Errorf("%d requests were not as asked, %d failed (%s)", wrong.Load(), m.Failed, m.why())
	}
}

func TestAnInstanceIsPressedUpToItsLimitAndItsNumberDecides(t *testing.T) {
	const limit = 250
	endpoint := serve(t, limited(limit))
	j := job(endpoint)
	j.Spec.Forecast, j.Spec.P99 = 20*limit, 120*ms
	j.Limits.Search = 6 * time.Second
	report := run(t, j)
	if report.Search == nil {
		t.Fatal("no search")
	}
	if found := report.Search.PerInstance; !report.Search.GeneratorBound && (found < limit/3 || found > limit*3/2) {
		t.Errorf("found %s, the instance is made for %d/s", found, limit)
	}
	if report.Verdict.Pass || !strings.Contains(report.Verdict.String(), "forecast needs") {
		t.Errorf("20 times the limit of one instance passed: %s", report.Verdict)
	}
	enough := Judge(j.Spec, report.Load, report.Search, report.Verdict.Capacity.Needed)
	if !enough.Pass || enough.Capacity.HeadRoom < 0 {
		t.Errorf("as many as needed are not enough: %+v", enough)
	}
}

func TestAQuickInstancePassesWithALowerBound(t *testing.T) {
	j := job(serve(t, func(http.ResponseWriter, *http.Request) {}))
	j.Spec.Forecast = 60
	var said []string
	j.OnProgress = func(s string) { said = append(said, s) }
	report := run(t, j)
	if !report.Verdict.Pass || !report.Search.LowerBound {
		t.Errorf("got %+v", report)
	}
	if report.Search.PerInstance > 2*j.Spec.Rate {
		t.Errorf("tried %s, more than twice of what is asked", report.Search.PerInstance)
	}
	if len(said) < 4 || !strings.Contains(said[0], "warming up at 100/s") {
		t.Errorf("progress: %v", said)
	}
}

func TestAnInstanceThatIsTooSlowIsRefusedBeforeAnySearch(t *testing.T) {
	j := job(serve(t, limited(20)))
	report := run(t, j)
	if report.Verdict.Pass || report.Search != nil || !strings.Contains(report.Verdict.String(), "p99 is") {
		t.Errorf("got %+v", report)
	}
}

func TestFailuresOfEveryKindCount(t *testing.T) {
	status := func(code int) string {
		return serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, c := range []struct{ name, endpoint, want string }{
		{"a server error", status(500), "status 500"},
		{"a client error", status(404), "status 404"},
		{"nobody there", strings.TrimPrefix(gone.URL, "http://"), "connection refused"},
		{"an answer that breaks off", serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "connection closed"},
		{"an answer without end", serve(t, func(w http.ResponseWriter, _ *http.Request) {
			for block := make([]byte, 1<<20); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}), "other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			report := run(t, job(c.endpoint))
			if report.Verdict.Pass || report.Load.Failures[c.want] == 0 || !report.Load.Cut {
				t.Errorf("got %+v, want failures of kind %s and an early end", report.Load, c.want)
			}
		})
	}
}

func TestAHangingInstanceIsStillSentEveryRequestOnTime(t *testing.T) {
	var hits atomic.Int64
	j := job(serve(t, func(_ http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		<-r.Context().Done()
	}))
	j.Spec.For = 600 * ms
	report := run(t, j)
	if report.Verdict.Pass || report.Load.Failures["no answer in time"] == 0 {
		t.Errorf("got %+v", report.Load)
	}
	// A generator that waits for answers would have sent no more than it has workers at first.
	if hits.Load() < 60 {
		t.Errorf("%d requests came while none was answered: the load was not open", hits.Load())
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	j := job(serve(t, func(_ http.ResponseWriter, r *http.Request) {
		once.Do(cancel)
		<-r.Context().Done()
	}))
	j.Spec.For = release.Duration(time.Hour)
	if _, err := Run(ctx, j); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAJobThatMakesNoSenseIsAnError(t *testing.T) {
	for name, spoil := range map[string]func(*Job){
		"no instances":      func(j *Job) { j.Endpoints = nil },
		"no requests":       func(j *Job) { j.Requests = nil },
		"too low a rate":    func(j *Job) { j.Spec.Rate = 0.5 },
		"no time":           func(j *Job) { j.Spec.For = 0 },
		"too many requests": func(j *Job) { j.Spec.Rate, j.Spec.For = 20_000, release.Duration(24*time.Hour) },
	} {
		j := job("127.0.0.1:1")
		spoil(&j)
		if _, err := Run(t.Context(), j); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
