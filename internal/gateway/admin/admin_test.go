package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	token       = "a-long-and-secret-token"
	testKey     = "demo/hello/production/web"
	testRelease = "demo/hello/production/2"
)

func testRoute(version int64, w release.Weight) release.Route {
	r := release.Route{
		Key: testKey, Ingress: release.Ingress{Path: "/web"}, Version: version, Weight: w,
		Stable:  &release.Target{Revision: "web-1", Endpoints: []string{"127.0.0.1:9"}},
		Canary:  &release.Target{Revision: "web-2", Endpoints: []string{"127.0.0.1:9"}},
		Release: testRelease, Salt: "salt",
	}
	if w > 0 && w < release.FullWeight {
		r.Lease = release.Duration(30 * time.Second)
	}
	return r
}

// start returns a gateway and a client that reaches it over a real connection.
func start(t testing.TB, name string, opts gateway.Options) (*gateway.Gateway, *Client) {
	t.Helper()
	opts.Name = name
	g, err := gateway.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(Handler(g, token))
	t.Cleanup(server.Close)
	return g, dial(t, name, server.URL)
}

func dial(t testing.TB, name, url string) *Client {
	t.Helper()
	c, err := NewClient(name, url, token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestOnlyTheTokenLetsIn(t *testing.T) {
	g, err := gateway.New(gateway.Options{Name: "gw"})
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{
		"PUT /v1/routes", "POST /v1/routes/check", "GET /v1/routes", "DELETE /v1/routes", "POST /v1/leases",
		"GET /v1/evidence", "POST /v1/revisions/a/drain", "GET /v1/stats", "GET /metrics", "GET /elsewhere",
	}
	for _, test := range []struct{ name, token, header string }{
		{"no header", token, ""},
		{"another token", token, "Bearer nonsense"},
		{"the token's beginning", token, "Bearer " + token[:5]},
		{"another scheme", token, "Basic " + token},
		{"no scheme", token, token},
		{"an empty token is nobody's", "", "Bearer "},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := Handler(g, test.token)
			for _, path := range paths {
				method, url, _ := strings.Cut(path, " ")
				req := httptest.NewRequest(method, url, nil)
				if test.header != "" {
					req.Header.Set("Authorization", test.header)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, req)
				if w.Code != http.StatusUnauthorized {
					t.Errorf("%s: status %d", path, w.Code)
				}
			}
		})
	}
	w := httptest.NewRecorder()
	Handler(g, token).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	if w.Code != http.StatusOK {
		t.Errorf("health needs a token: %d", w.Code)
	}
}

func TestARoundOfTheProtocol(t *testing.T) {
	_, c := start(t, "gw", gateway.Options{})
	ctx := t.Context()
	if err := c.Health(ctx); err != nil {
		t.Fatal(err)
	}
	route := testRoute(3, 500)
	if err := c.Check(ctx, []release.Route{route}); err != nil {
		t.Fatal(err)
	}
	receipt, err := c.Apply(ctx, []release.Route{route})
	if err != nil {
		t.Fatal(err)
	}
	want, err := gateway.Digest([]release.Route{route})
	if err != nil || receipt.Gateway != "gw" || receipt.Versions[testKey] != 3 || receipt.Digest != want {
		t.Errorf("receipt %+v, want digest %s (%v)", receipt, want, err)
	}
	state, err := c.State(ctx)
	if err != nil || state.Digest != want || len(state.Routes) != 1 || state.Routes[0].Route.Salt != "" || state.Routes[0].Weight != 500 {
		t.Errorf("state %+v: %v", state, err)
	}
	if err := c.Renew(ctx, []string{testKey}, 3, time.Minute); err != nil {
		t.Error(err)
	}
	e, err := c.Evidence(ctx, testRelease, nil, 0)
	if err != nil || len(e.Routes) != 1 || e.Routes[0].Version != 3 || e.Routes[0].Sender != gateway.SenderName("gw", testKey) {
		t.Errorf("evidence %+v: %v", e, err)
	}
	again, err := c.Evidence(ctx, testRelease, map[string]gateway.Cursor{testKey: e.Routes[0].Next}, 0)
	if err != nil || len(again.Routes[0].Batches) != 0 || again.Routes[0].Next != e.Routes[0].Next {
		t.Errorf("evidence after the cursor %+v: %v", again, err)
	}
	if stats, err := c.Stats(ctx); err != nil || stats.Gateway != "gw" {
		t.Errorf("stats %+v: %v", stats, err)
	}
	lane := release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}
	if err := c.Drain(ctx, lane, "web-2"); !errors.Is(err, release.ErrConflict) || !strings.Contains(err.Error(), testKey) {
		t.Errorf("drain of a target: %v", err)
	}
	if err := c.Drain(ctx, lane, "web/0"); err != nil {
		t.Errorf("drain of what nobody knows: %v", err)
	}
	if err := c.Remove(ctx, testKey, 3); err != nil {
		t.Error(err)
	}
}

func TestErrorsComeBackAsWhatTheyWere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	_, c := start(t, "gw", gateway.Options{StateDir: dir})
	ctx := t.Context()
	if _, err := c.Apply(ctx, []release.Route{testRoute(5, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	apply := func(c *Client, r release.Route) error {
		_, err := c.Apply(ctx, []release.Route{r})
		return err
	}
	stranger, err := NewClient("gw", c.base, "another token")
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	for _, test := range []struct {
		name string
		err  error
		want error
	}{
		{"an older version", apply(c, testRoute(4, 0)), release.ErrConflict},
		{"an invalid route", apply(c, release.Route{Key: "x"}), gateway.ErrInvalid},
		{"a disk that fails", apply(c, testRoute(6, 500)), gateway.ErrNotSaved},
		{"an unknown route", c.Remove(ctx, "a/b/c/d", 1), release.ErrNotFound},
		{"a token it does not take", apply(stranger, testRoute(6, 0)), ErrUnauthorized},
		{"nobody there", apply(dial(t, "gone", "http://127.0.0.1:1"), testRoute(6, 0)), ErrUnreachable},
		{"somebody else there", apply(dial(t, "web", web.URL), testRoute(6, 0)), ErrUnreachable},
		{"a lane that is none", c.Drain(ctx, release.Lane{}, "web-1"), gateway.ErrInvalid},
	} {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, test.err, test.want)
		}
		if test.err != nil && strings.Contains(test.err.Error(), token) {
			t.Errorf("%s: the token is in the error", test.name)
		}
	}
}

func TestBadRequestsAreRefusedWithAReason(t *testing.T) {
	g, c := start(t, "gw", gateway.Options{})
	if _, err := c.Apply(t.Context(), []release.Route{testRoute(1, 0)}); err != nil {
		t.Fatal(err)
	}
	before := g.State().Digest
	for _, test := range []struct{ name, method, path, body, says string }{
		{"no JSON", "PUT", "/v1/routes", "no", "read body"},
		{"an unknown field", "PUT", "/v1/routes", `{"routes":[],"more":1}`, `unknown field \"more\"`},
		{"an unknown field in a route", "PUT", "/v1/routes", `{"routes":[{"wait":"5%"}]}`, "unknown field"},
		{"two values", "PUT", "/v1/routes", `{"routes":[]}{}`, "more than one"},
		{"a weight that is none", "PUT", "/v1/routes", `{"routes":[{"weight":"500%"}]}`, "outside"},
		{"too much", "PUT", "/v1/routes", strings.Repeat(" ", maxRequest+1), "large"},
		{"no release", "GET", "/v1/evidence", "", "release"},
		{"a wait that is too long", "GET", "/v1/evidence?release=a&wait=1h", "", "wait"},
		{"a cursor without a key", "GET", "/v1/evidence?release=a&after=1.2", "", "run.seq.key"},
		{"a cursor of words", "GET", "/v1/evidence?release=a&after=a.2.k", "", "no number"},
		{"a version of words", "DELETE", "/v1/routes?key=a&version=b", "", "version"},
		{"a lease of nothing", "POST", "/v1/leases", `{"keys":[],"version":1,"ttl":"0s"}`, "lease"},
	} {
		t.Run(test.name, func(t *testing.T) {
			req := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			req.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			Handler(g, token).ServeHTTP(w, req)
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), test.says) {
				t.Errorf("status %d, body %.200s; want 400 that says %s", w.Code, w.Body, test.says)
			}
		})
	}
	if g.State().Digest != before {
		t.Error("a refused request changed the routes")
	}
}

func FuzzRoutes(f *testing.F) {
	f.Add([]byte(`{"routes":[{"key":"demo/hello/production/web","ingress":{"path":"/web"},"version":2,"stable":{"revision":"a","endpoints":["127.0.0.1:1"]},"weight":"0%"}]}`))
	f.Add([]byte(`{"routes":[{"key":"///","ingress":{"path":"/"},"version":9,"canary":{"revision":"a","endpoints":["[::1]:1"]},"weight":"100%","sticky":"user","lease":"1s"}]}`))
	f.Add([]byte(`{"routes":null}`))
	f.Add([]byte(`{"routes":[{"key":"a/b/c/d","ingress":{"path":"/x","pins":[{"header":"a","values":["b"]}]},"version":1,"weight":"5%","lease":"7d"}]}`))
	old := testRoute(1, 0)
	f.Fuzz(func(t *testing.T, body []byte) {
		g, err := gateway.New(gateway.Options{Name: "gw", Transport: refuse{}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Apply([]release.Route{old}); err != nil {
			t.Fatal(err)
		}
		before := g.State().Digest
		req := httptest.NewRequest(http.MethodPut, "/v1/routes", bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		Handler(g, token).ServeHTTP(w, req)
		if w.Code != http.StatusOK && g.State().Digest != before {
			t.Errorf("refused with %d, but the routes changed", w.Code)
		}
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest && w.Code != http.StatusConflict {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		// Whatever was taken can be served.
		for _, path := range []string{"/web", "/", "/x/y", "*"} {
			req := httptest.NewRequest(http.MethodGet, "/", nil)
			req.URL.Path = path
			g.ServeHTTP(httptest.NewRecorder(), req)
		}
	})
}

// refuse is a transport whose instances are all gone.
type refuse struct{}

func (refuse) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("gone") }

func TestAFleetSaysWhoDidNotApply(t *testing.T) {
	_, a := start(t, "gw-a", gateway.Options{})
	_, b := start(t, "gw-b", gateway.Options{})
	fleet, err := NewFleet(
		Unit{Name: "one", Gateways: []*Client{a, dial(t, "gw-gone", "http://127.0.0.1:1"), b}},
		Unit{Name: "two", Gateways: []*Client{b}})
	if err != nil {
		t.Fatal(err)
	}
	receipts, err := fleet.Apply(t.Context(), "one", []release.Route{testRoute(1, 500)})
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "gw-gone") || len(receipts) != 2 {
		t.Errorf("%d receipts: %v", len(receipts), err)
	}
	if err := fleet.Check(t.Context(), "two", []release.Route{testRoute(1, 700)}); !errors.Is(err, release.ErrConflict) {
		t.Errorf("check: %v", err)
	}
	if err := fleet.Renew(t.Context(), "two", []string{testKey}, 1, time.Second); err != nil {
		t.Error(err)
	}
	if _, err := fleet.State(t.Context(), "three"); !errors.Is(err, release.ErrNotFound) || !strings.Contains(err.Error(), "one") {
		t.Errorf("an unknown unit: %v", err)
	}
	if got := fmt.Sprint(fleet.Units()); got != "[one two]" {
		t.Errorf("units %s", got)
	}
	if err := fleet.Remove(t.Context(), "two", testKey, 1); err != nil {
		t.Error(err)
	}
	if err := fleet.Remove(t.Context(), "two", testKey, 1); err != nil {
		t.Errorf("removing twice: %v", err)
	}
}

func TestALapsedLeaseReachesTheCallerThroughAFleet(t *testing.T) {
	var later atomic.Int64
	clock := func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(later.Load())) }
	_, lapsed := start(t, "gw-lapsed", gateway.Options{Now: clock})
	_, other := start(t, "gw-other", gateway.Options{})
	fleet, err := NewFleet(Unit{Name: "one", Gateways: []*Client{other, lapsed}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := fleet.Apply(ctx, "one", []release.Route{testRoute(1, 500)}); err != nil {
		t.Fatal(err)
	}
	later.Store(int64(time.Minute))
	raise := testRoute(2, 2000)
	receipts, err := fleet.Apply(ctx, "one", []release.Route{raise})
	if !errors.Is(err, release.ErrLapsed) || errors.Is(err, release.ErrConflict) || !strings.Contains(err.Error(), testKey) || len(receipts) != 1 {
		t.Errorf("a raise over a lapsed lease: %d receipts, %v; want ErrLapsed that names the route", len(receipts), err)
	}
	if err := lapsed.Check(ctx, []release.Route{raise}); !errors.Is(err, release.ErrLapsed) {
		t.Errorf("check: %v", err)
	}
	raise.Version, raise.Fresh = 3, true
	if _, err := fleet.Apply(ctx, "one", []release.Route{raise}); err != nil {
		t.Errorf("a new ramp: %v", err)
	}
}

func TestASlowGatewayDelaysNobodysEvidence(t *testing.T) {
	g, quick := start(t, "quick", gateway.Options{Transport: refuse{}})
	if _, err := g.Apply([]release.Route{testRoute(1, release.FullWeight)}); err != nil {
		t.Fatal(err)
	}
	// A gateway that takes connections and says nothing.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	slow := dial(t, "slow", "http://"+listener.Addr().String())
	fleet, err := NewFleet(Unit{Name: "one", Gateways: []*Client{slow, quick}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	answers, err := fleet.Evidence(ctx, "one", testRelease, nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if first := <-answers; first.Gateway != "quick" || first.Err != nil {
		t.Errorf("first answer %+v", first)
	}
	var bad atomic.Int64
	err = fleet.Follow(ctx, "one", testRelease, nil, time.Second, func(e GatewayEvidence) {
		if e.Err != nil {
			return
		}
		for _, r := range e.Evidence.Routes {
			for _, b := range r.Batches {
				bad.Add(b.Streams[0].CanaryBad)
			}
		}
		if bad.Load() >= 5 {
			cancel()
			return
		}
		g.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/web", nil))
	})
	if err != nil || bad.Load() != 5 {
		t.Errorf("followed to %d: %v", bad.Load(), err)
	}
}
