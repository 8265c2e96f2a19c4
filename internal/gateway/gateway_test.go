package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const testKey = "demo/hello/production/web"

// newTestGateway returns a gateway whose Run ends with the test.
func newTestGateway(t testing.TB, opts Options) *Gateway {
	t.Helper()
	if opts.Name == "" {
		opts.Name = "gw"
	}
	g, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return g
}

// serve puts a gateway on a loopback port with the server it is served with in production.
func serve(t testing.TB, g *Gateway) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := g.NewServer("")
	server.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(panics{t}, nil), slog.LevelError)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}

// instance starts a real HTTP server and returns its host:port.
func instance(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func answerWith(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// refused returns an address at which nobody listens, and nobody can while the test runs: the port is that of a
// connection's other end.
func refused(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().String()
}

// panics fails a test for what net/http would only log.
type panics struct{ t testing.TB }

func (p panics) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("panic")) {
		p.t.Errorf("%s", line)
	}
	return len(line), nil
}

func target(revision string, endpoints ...string) *release.Target {
	if len(endpoints) == 0 {
		endpoints = []string{"127.0.0.1:9"}
	}
	return &release.Target{Revision: revision, Endpoints: endpoints}
}

// testRoute is a route with both arms at 5 %; edit changes it.
func testRoute(version int64, edit ...func(*release.Route)) release.Route {
	r := release.Route{
		Key: testKey, Ingress: release.Ingress{Path: "/web"}, Version: version,
		Stable: target("web-1"), Canary: target("web-2"), Weight: 500,
		Lease: release.Duration(30 * time.Second), Release: "demo/hello/production/2", Salt: "salt",
	}
	for _, e := range edit {
		e(&r)
	}
	return r
}

func weight(w release.Weight) func(*release.Route) {
	return func(r *release.Route) {
		r.Weight = w
		if !needsLease(w) {
			r.Lease = 0
		}
	}
}

func mustApply(t testing.TB, g *Gateway, routes ...release.Route) release.Receipt {
	t.Helper()
	receipt, err := g.Apply(routes)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// inProcess is a transport that answers without a network, for tests that own the clock.
type inProcess func(*http.Request) (*http.Response, error)

func (f inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := f(req)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

func plainAnswer(status int) *http.Response {
	return &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader("ok")), ContentLength: 2,
	}
}

// ask sends one request through the handler and returns the revision that answered.
func ask(g *Gateway, path string, edit ...func(*http.Request)) (status int, revision string) {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	for _, e := range edit {
		e(req)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, req)
	return w.Code, w.Header().Get(RevisionHeader)
}

func get(t testing.TB, url string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// pass lets time pass in a synctest bubble.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the clock is the bubble's: no time is lost, and nothing is raced
}

// eventually waits for a condition that a goroutine brings about, and fails the test when it does not.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	for !ok() {
		select {
		case <-every.C:
		case <-deadline.C:
			t.Fatalf("never came: %s", what)
		}
	}
}

func statsOf(g *Gateway, revision string) RevisionStats {
	for _, s := range g.Stats().Revisions {
		if s.Revision == revision {
			return s
		}
	}
	return RevisionStats{}
}

func TestNewRefusesNamesThatNoBatchCanCarry(t *testing.T) {
	for _, name := range []string{"", "A", "a/b", strings.Repeat("a", 49), "-a"} {
		if _, err := New(Options{Name: name}); err == nil {
			t.Errorf("name %q: want an error", name)
		}
	}
	longest := SenderName(strings.Repeat("a", 48), testKey)
	if len(longest) > 64 {
		t.Errorf("sender name %q has %d bytes, batches carry 64", longest, len(longest))
	}
}

func TestProblemsNameNothingThatLiesBehind(t *testing.T) {
	g := newTestGateway(t, Options{})
	mustApply(t, g,
		testRoute(1, weight(0)),
		testRoute(1, weight(0), func(r *release.Route) {
			r.Key, r.Ingress.Path, r.Stable = "demo/hello/production/none", "/none", nil
		}))
	base := serve(t, g)
	for _, test := range []struct {
		name, path string
		status     int
	}{
		{"an unknown path is not found", "/elsewhere", 404},
		{"a longer segment is another path", "/website", 404},
		{"a route whose only revision has no weight serves nothing", "/none/x", 503},
		{"an instance that refuses is a bad gateway", "/web", 502},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := get(t, base+test.path)
			if resp.StatusCode != test.status {
				t.Errorf("status %d, want %d", resp.StatusCode, test.status)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
			if strings.Contains(body, "demo") || strings.Contains(body, "127.0.0.1") || len(body) > 200 {
				t.Errorf("body says too much: %s", body)
			}
		})
	}
	stats := g.Stats()
	if stats.Unrouted != 2 || stats.Unserved != 1 {
		t.Errorf("unrouted %d, unserved %d, want 2 and 1", stats.Unrouted, stats.Unserved)
	}
	if got := fmt.Sprint(statsOf(g, "web-1").Classes); got != "map[connect:1]" {
		t.Errorf("classes of web-1: %s", got)
	}
}
