package pressure

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// bubble runs a test whose job presses one instance over a network and by a clock of their own: what is measured is the
// instance, and never the machine that the test runs on.
func bubble(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, j Job)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: handler}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(l) })
		j := job("instance")
		j.dial = l.dial
		test(t, j)
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock: a generator that was stopped is asleep until its next request
		_ = server.Close()
		serving.Wait()
	})
}

// pipes is a network with one address.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements [net.Listener].
func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener]. The server calls it once.
func (p pipes) Close() error {
	close(p.closed)
	return nil
}

// Addr implements [net.Listener].
func (pipes) Addr() net.Addr { return &net.UnixAddr{Name: "instance", Net: "pipe"} }

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
	j.Spec.P99 = 10_000 * ms // how fast the machine is decides nothing: all is sent
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
	bubble(t, limited(limit), func(t *testing.T, j Job) {
		j.Spec.Forecast, j.Spec.P99 = 20*limit, 120*ms
		report := run(t, j)
		if report.Search == nil {
			t.Fatal("no search")
		}
		// What is over the limit by less than a tenth is not seen within a try, and halving ends at a tenth.
		if found := report.Search.PerInstance; report.Search.GeneratorBound || found < limit*9/10 || found > limit*12/10 {
			t.Errorf("found %s, the instance is made for %d/s: %+v", found, limit, report.Search)
		}
		if report.Verdict.Pass || !strings.Contains(report.Verdict.String(), "forecast needs") {
			t.Errorf("20 times the limit of one instance passed: %s", report.Verdict)
		}
		enough := Judge(j.Spec, report.Load, report.Search, report.Verdict.Capacity.Needed)
		if !enough.Pass || enough.Capacity.HeadRoom < 0 {
			t.Errorf("as many as needed are not enough: %+v", enough)
		}
	})
}

func TestAQuickInstancePassesWithALowerBound(t *testing.T) {
	bubble(t, func(http.ResponseWriter, *http.Request) {}, func(t *testing.T, j Job) {
		j.Spec.Forecast = 60
		var said []string
		j.OnProgress = func(s string) { said = append(said, s) }
		report := run(t, j)
		if report.Search == nil {
			t.Fatalf("no search: %+v", report)
		}
		if !report.Verdict.Pass || !report.Search.LowerBound {
			t.Errorf("got %+v", report)
		}
		if report.Search.PerInstance != 2*j.Spec.Rate {
			t.Errorf("tried %s, want up to twice of what is asked", report.Search.PerInstance)
		}
		if report.Load.Answered != 110 || report.Load.Late > 0 {
			t.Errorf("%d requests were sent, %d of them late; want 110 on time", report.Load.Answered, report.Load.Late)
		}
		if len(said) < 4 || !strings.Contains(said[0], "warming up at 100/s") {
			t.Errorf("progress: %v", said)
		}
	})
}

func TestAnInstanceThatIsTooSlowIsRefusedBeforeAnySearch(t *testing.T) {
	bubble(t, limited(20), func(t *testing.T, j Job) {
		report := run(t, j)
		if report.Verdict.Pass || report.Search != nil || !strings.Contains(report.Verdict.String(), "p99 is") {
			t.Errorf("got %+v", report)
		}
	})
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
	hangs := func(_ http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		<-r.Context().Done()
	}
	bubble(t, hangs, func(t *testing.T, j Job) {
		j.Spec.For = 600 * ms
		report := run(t, j)
		if report.Verdict.Pass || report.Load.Failures["no answer in time"] == 0 {
			t.Errorf("got %+v", report.Load)
		}
		// 5 come to warm it up. A generator that waits for answers would have sent none of the others in time.
		if hits.Load() != 5+60 || report.Load.Late > 0 {
			t.Errorf("%d requests came while none was answered, %d late: the load was not open", hits.Load(), report.Load.Late)
		}
	})
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
