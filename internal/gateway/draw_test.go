package gateway

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

func sticky(r *release.Route) { r.Sticky, r.UserHeader = release.StickyUser, "X-User" }

// routeInForce builds a route as Apply does.
func routeInForce(t testing.TB, r release.Route) *route {
	t.Helper()
	g := newTestGateway(t, Options{})
	mustApply(t, g, r)
	return g.table.Load().routes[r.Key]
}

func user(name string) *http.Request {
	req := httptest.NewRequest(http.MethodGet, "/web", nil)
	req.Header.Set("X-User", name)
	return req
}

func TestRaisingTheWeightOnlyAddsUsers(t *testing.T) {
	r := routeInForce(t, testRoute(1, sticky))
	for i := range 2000 {
		req := user(fmt.Sprint("user-", i))
		entered := release.Weight(-1)
		for w := release.Weight(1); w <= release.FullWeight; w += 101 {
			in := r.assign(req, w).arm == canary.Canary
			if in && entered < 0 {
				entered = w
			}
			if !in && entered >= 0 {
				t.Fatalf("user %d is in at %s and out at %s", i, entered, w)
			}
		}
	}
}

func TestTheEndsOfTheWeight(t *testing.T) {
	for _, edit := range []func(*release.Route){func(*release.Route) {}, sticky} {
		r := routeInForce(t, testRoute(1, edit))
		for i := range 20_000 {
			req := user(fmt.Sprint(i))
			if a := r.assign(req, 0); a.arm != canary.Stable || a.evidence {
				t.Fatal("weight 0 sends somebody, or takes evidence")
			}
			if a := r.assign(req, release.FullWeight); a.arm != canary.Canary || !a.evidence {
				t.Fatal("weight 10000 sends not everybody, or takes no evidence")
			}
		}
	}
}

func TestTheDrawMeetsTheWeight(t *testing.T) {
	const n = 100_000
	for _, test := range []struct {
		name string
		edit func(*release.Route)
	}{{"per request", func(*release.Route) {}}, {"per user", sticky}} {
		for _, w := range []release.Weight{1, 100, 500, 5000, 9999} {
			t.Run(fmt.Sprint(test.name, " at ", w), func(t *testing.T) {
				r := routeInForce(t, testRoute(1, test.edit))
				hits := 0
				for i := range n {
					if r.assign(user(fmt.Sprint(i)), w).arm == canary.Canary {
						hits++
					}
				}
				p := w.Fraction()
				if d := math.Abs(float64(hits) - n*p); d > 6*math.Sqrt(n*p*(1-p))+1 {
					t.Errorf("%d of %d, want about %.0f", hits, n, n*p)
				}
			})
		}
	}
}

func TestSaltsDrawIndependently(t *testing.T) {
	a, b := newDraw("release-1"), newDraw("release-2")
	again := newDraw("release-1")
	both, sessions := 0, map[uint64]bool{}
	const n, below = 20_000, 5000
	for i := range n {
		key := fmt.Sprint(i)
		x, session := a.bucket(key)
		y, _ := b.bucket(key)
		if z, _ := again.bucket(key); z != x {
			t.Fatal("the same salt draws differently in another gateway")
		}
		sessions[session] = true
		if x < below && y < below {
			both++
		}
	}
	if math.Abs(float64(both)-n/4) > 6*math.Sqrt(n*3./16) {
		t.Errorf("%d users are below half under both salts, want about %d", both, n/4)
	}
	if len(sessions) != n {
		t.Errorf("%d sessions of %d users", len(sessions), n)
	}
}

func TestTheDrawIsKnown(t *testing.T) {
	// Computed with: printf hhannah | openssl dgst -sha256 -hmac salt
	// Every gateway of every version has to draw alike.
	const wantBucket, wantSession = 1769, 0x2d84b75169240020
	bucket, session := newDraw("salt").bucket("hhannah")
	if bucket != wantBucket || session != wantSession {
		t.Errorf("bucket %d and session %d, want %d and %d", bucket, session, wantBucket, uint64(wantSession))
	}
}

func TestPins(t *testing.T) {
	pins := func(r *release.Route) {
		r.Ingress.Pins = []release.Pin{
			{Header: "X-Tester", Values: []string{"yes", "ja"}},
			{Cookie: "tester", Values: []string{"1"}},
		}
	}
	header := func(value string) *http.Request {
		req := user("somebody")
		req.Header.Set("X-Tester", value)
		return req
	}
	cookie := func(value string) *http.Request {
		req := user("somebody")
		req.AddCookie(&http.Cookie{Name: "tester", Value: value})
		return req
	}
	r := routeInForce(t, testRoute(1, pins, weight(0)))
	for _, test := range []struct {
		name string
		req  *http.Request
		want bool
	}{
		{"a header's value", header("yes"), true},
		{"another of its values", header("ja"), true},
		{"a value that is not listed", header("no"), false},
		{"a cookie's value", cookie("1"), true},
		{"a cookie's other value", cookie("2"), false},
		{"nothing", user("x"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := r.assign(test.req, 0)
			if a.pinned != test.want || (a.arm == canary.Canary) != test.want || a.evidence {
				t.Errorf("assigned %+v, want pinned %v and no evidence", a, test.want)
			}
		})
	}
	if a := r.assign(header("yes"), 500); !a.pinned || a.evidence {
		t.Error("a pin counts as evidence once the canary has weight")
	}
}

func TestAUserWithoutANameGetsACookieAndKeepsItsSide(t *testing.T) {
	answer := func(*http.Request) (*http.Response, error) {
		resp := plainAnswer(200)
		resp.Header.Add("Set-Cookie", UserCookie+"=chosen-by-the-release")
		resp.Header.Add("Set-Cookie", "mine=1")
		return resp, nil
	}
	g := newTestGateway(t, Options{Transport: inProcess(answer)})
	mustApply(t, g, testRoute(1, sticky, weight(5000)))
	for range 50 {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/web", nil))
		var cookie *http.Cookie
		for _, c := range w.Result().Cookies() {
			if c.Name == UserCookie {
				if cookie != nil {
					t.Fatal("two user cookies")
				}
				cookie = c
			}
		}
		if cookie == nil || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || len(cookie.Value) != userCookieSize {
			t.Fatalf("cookie %v", cookie)
		}
		if !strings.Contains(fmt.Sprint(w.Header()["Set-Cookie"]), "mine=1") {
			t.Fatal("the instance's own cookie is gone")
		}
		for range 5 {
			req := httptest.NewRequest(http.MethodGet, "/web", nil)
			req.AddCookie(cookie)
			again := httptest.NewRecorder()
			g.ServeHTTP(again, req)
			if again.Header().Get(RevisionHeader) != w.Header().Get(RevisionHeader) {
				t.Fatal("the user changed sides")
			}
			if strings.Contains(fmt.Sprint(again.Header()["Set-Cookie"]), UserCookie) {
				t.Fatal("a known user gets another cookie")
			}
		}
	}
}

func BenchmarkAssign(b *testing.B) {
	for _, test := range []struct {
		name string
		edit func(*release.Route)
	}{{"request", func(*release.Route) {}}, {"user", sticky}} {
		b.Run(test.name, func(b *testing.B) {
			r := routeInForce(b, testRoute(1, test.edit))
			req := user("hannah")
			b.ReportAllocs()
			for b.Loop() {
				r.assign(req, 500)
			}
		})
	}
}
