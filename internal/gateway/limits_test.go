package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// from sends a request of an address and returns its answer.
func from(g *Gateway, address string, edit ...func(*http.Request)) *http.Response {
	req := httptest.NewRequest(http.MethodGet, "/web", nil)
	req.RemoteAddr = address
	for _, e := range edit {
		e(req)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, req)
	return w.Result()
}

func limits(list ...release.RateLimit) func(*release.Route) {
	return func(r *release.Route) { r.Ingress.Limits = list }
}

func TestTooManyRequestsAreToldWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Options{Name: "gw", Transport: everybody})
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, g, testRoute(1, weight(0), limits(release.RateLimit{Per: release.PerRoute, Rate: 0.25, Burst: 2})))
		for i, want := range []int{200, 200, 429} {
			resp := from(g, "192.0.2.1:4000")
			if resp.StatusCode != want {
				t.Fatalf("request %d got %d, want %d", i, resp.StatusCode, want)
			}
			if after := resp.Header.Get("Retry-After"); want == 429 && after != "4" {
				t.Errorf("Retry-After %q, want 4", after)
			}
		}
		time.Sleep(4 * time.Second) //nolint:forbidigo // in a bubble
		if resp := from(g, "192.0.2.1:4000"); resp.StatusCode != http.StatusOK {
			t.Errorf("when it was told to come back it got %d", resp.StatusCode)
		}
		// A new version of the route is no new allowance.
		mustApply(t, g, testRoute(2, weight(0), limits(release.RateLimit{Per: release.PerRoute, Rate: 0.25, Burst: 2})))
		if resp := from(g, "192.0.2.1:4000"); resp.StatusCode != http.StatusTooManyRequests {
			t.Errorf("after a change of the route it got %d", resp.StatusCode)
		}
		s := g.Stats()
		if s.Refused["rate-route"] != 2 || statsOf(g, "web-1").Requests != 3 {
			t.Errorf("refused %v, served %d", s.Refused, statsOf(g, "web-1").Requests)
		}
	})
}

func TestWhoseRequestsCountTogether(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	cookie := func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: UserCookie, Value: strings.Repeat("a", userCookieSize)})
	}
	for _, test := range []struct {
		name         string
		per          release.Per
		trust        bool
		first, other *http.Request
		same         bool
	}{
		{"one address on two ports", release.PerAddress, false, request("192.0.2.1:1"), request("192.0.2.1:2"), true},
		{"two addresses", release.PerAddress, false, request("192.0.2.1:1"), request("192.0.2.2:1"), false},
		{"one network of IPv6", release.PerAddress, false, request("[2001:db8::1]:1"), request("[2001:db8::ffff:2]:1"), true},
		{"two networks of IPv6", release.PerAddress, false, request("[2001:db8:0:1::1]:1"), request("[2001:db8:0:2::1]:1"), false},
		{"IPv4 in the clothes of IPv6", release.PerAddress, false, request("192.0.2.1:1"), request("[::ffff:192.0.2.1]:1"), true},
		{"what a client says of its address", release.PerAddress, false,
			request("192.0.2.1:1", header("X-Forwarded-For", "1.1.1.1")), request("192.0.2.1:1", header("X-Forwarded-For", "2.2.2.2")), true},
		{"what the proxy before the gateway says", release.PerAddress, true,
			request("10.0.0.1:1", header("X-Forwarded-For", "9.9.9.9, 1.1.1.1")), request("10.0.0.1:1", header("X-Forwarded-For", "9.9.9.9, 2.2.2.2")), false},
		{"what a client says to that proxy", release.PerAddress, true,
			request("10.0.0.1:1", header("X-Forwarded-For", "9.9.9.9, 1.1.1.1")), request("10.0.0.1:1", header("X-Forwarded-For", "8.8.8.8, 1.1.1.1")), true},
		{"a user from two addresses", release.PerUser, false,
			request("192.0.2.1:1", header("X-User", "ada")), request("192.0.2.2:1", header("X-User", "ada")), true},
		{"two users from one address", release.PerUser, false,
			request("192.0.2.1:1", header("X-User", "ada")), request("192.0.2.1:1", header("X-User", "bob")), false},
		{"a user known by cookie from two addresses", release.PerUser, false, request("192.0.2.1:1", cookie), request("192.0.2.2:1", cookie), true},
		{"nobody in particular from one address", release.PerUser, false, request("192.0.2.1:1"), request("192.0.2.1:1"), true},
		{"a user named like an address", release.PerUser, false, request("192.0.2.1:1"), request("192.0.2.2:1", header("X-User", "192.0.2.1")), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, err := New(Options{Name: "gw", Transport: everybody, TrustForwarded: test.trust})
			if err != nil {
				t.Fatal(err)
			}
			mustApply(t, g, testRoute(1, weight(0), limits(release.RateLimit{Per: test.per, Rate: 0.001, Burst: 1}),
				func(r *release.Route) { r.UserHeader = "X-User" }))
			for i, req := range []*http.Request{test.first, test.other} {
				w := httptest.NewRecorder()
				g.ServeHTTP(w, req)
				want := http.StatusOK
				if i == 1 && test.same {
					want = http.StatusTooManyRequests
				}
				if w.Code != want {
					t.Errorf("request %d got %d, want %d", i, w.Code, want)
				}
			}
		})
	}
}

func request(address string, edit ...func(*http.Request)) *http.Request {
	req := httptest.NewRequest(http.MethodGet, "/web", nil)
	req.RemoteAddr = address
	for _, e := range edit {
		e(req)
	}
	return req
}

func TestRoutesOfATenantShareALimit(t *testing.T) {
	g := newTestGateway(t, Options{Transport: everybody})
	limit := release.RateLimit{Per: release.PerTenant, Rate: 0.001, Burst: 2}
	at := func(key, path string, l release.RateLimit) release.Route {
		return testRoute(1, weight(0), limits(l), func(r *release.Route) { r.Key, r.Ingress.Path = key, path })
	}
	more := limit
	more.Burst = 5
	mustApply(t, g, at("a/x/prod/one", "/one", limit), at("a/y/prod/two", "/two", limit), at("b/x/prod/three", "/three", limit), at("a/z/prod/four", "/four", more))
	for _, step := range []struct {
		path string
		want int
	}{{"/one", 200}, {"/two", 200}, {"/one", 429}, {"/two", 429}, {"/three", 200}, {"/four", 200}} {
		if status, _ := ask(g, step.path); status != step.want {
			t.Errorf("%s got %d, want %d", step.path, status, step.want)
		}
	}
	mustApply(t, g, testRoute(2, weight(0), func(r *release.Route) { r.Key, r.Ingress.Path = "b/x/prod/three", "/three" }))
	if n := len(g.tenantLimits); n != 2 {
		t.Errorf("%d limits of tenants are kept, want those two that routes have", n)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	reads := instance(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	})
	g := newTestGateway(t, Options{MaxBody: 100 << 10})
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Stable, r.Ingress.MaxBody = target("web-1", reads), 64<<10 }))
	base := serve(t, g)
	for _, test := range []struct {
		name string
		body io.Reader
		want int
	}{
		{"as large as it may be", strings.NewReader(strings.Repeat("x", 64<<10)), 200},
		{"a byte more", strings.NewReader(strings.Repeat("x", 64<<10+1)), 413},
		{"a byte more, in chunks", io.MultiReader(strings.NewReader(strings.Repeat("x", 64<<10+1))), 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, err := http.Post(base+"/web", "text/plain", test.body)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != test.want {
				t.Errorf("got %d, want %d", resp.StatusCode, test.want)
			}
		})
	}
	eventually(t, "every request has ended", func() bool { return statsOf(g, "web-1").InFlight == 0 })
	if s := statsOf(g, "web-1"); s.Classes["broken"] > 0 || s.Classes["2xx"] != 1 {
		t.Errorf("what a client sends too much of is the client's: %v", s.Classes)
	}
}

func TestAClientThatStopsInItsBodyIsLetGo(t *testing.T) {
	for _, test := range []struct{ name, header, begin string }{
		{"a small body", "Content-Length: 10\r\n", "12345"},
		{"a large body", "Content-Length: 100000\r\n", "12345"},
		{"chunks", "Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWire(t, Options{ClientIdle: 50 * time.Millisecond}, func(c *wireConn) { _, _ = io.Copy(io.Discard, c.in) })
			c := w.dial(t)
			c.say("POST /web HTTP/1.1\r\nHost: x\r\n" + test.header + "\r\n" + test.begin)
			resp, _, err := c.answer(http.MethodPost)
			if err != nil || resp.StatusCode != http.StatusRequestTimeout || !resp.Close {
				t.Fatalf("got %v (%v), want 408 and the end of the connection", resp, err)
			}
			if s := w.settled(t); s.Classes["aborted"] != 1 || s.Requests != 1 {
				t.Errorf("counted %v, want one that its client broke off", s.Classes)
			}
		})
	}
}

func TestMoreRequestsThanMayBeUnderWayAreRefused(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	g := newTestGateway(t, Options{MaxRequests: 1, Transport: inProcess(func(*http.Request) (*http.Response, error) {
		arrived <- struct{}{}
		<-finish
		return plainAnswer(http.StatusOK), nil
	})})
	mustApply(t, g, testRoute(1, weight(0)))
	first := make(chan int)
	go func() {
		status, _ := ask(g, "/web")
		first <- status
	}()
	<-arrived
	if status, _ := ask(g, "/web"); status != http.StatusServiceUnavailable {
		t.Errorf("the second got %d, want 503", status)
	}
	close(finish)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first got %d", status)
	}
}
