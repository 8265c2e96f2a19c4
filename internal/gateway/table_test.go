package gateway

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func placed(component, host, path string) release.Route {
	return release.Route{
		Key: "demo/hello/production/" + component, Version: 1,
		Ingress: release.Ingress{Host: host, Path: path}, Stable: target(component + "-1"),
	}
}

func TestLookup(t *testing.T) {
	g := newTestGateway(t, Options{})
	mustApply(t, g,
		placed("root", "", "/"), placed("rail", "", "/rail"), placed("times", "", "/rail/times/"),
		placed("shop", "shop.example", "/rail"), placed("shop-only", "shop.example", "/basket"))
	for _, test := range []struct{ name, host, path, want string }{
		{"the whole path", "x", "/rail", "rail"},
		{"a path below", "x", "/rail/a/b", "rail"},
		{"the longest prefix wins", "x", "/rail/times/7", "times"},
		{"a trailing slash in the route is the same place", "x", "/rail/times", "times"},
		{"a segment must match whole", "x", "/railway", "root"},
		{"two slashes are an empty segment", "x", "/rail//times", "rail"},
		{"a named host comes before any host", "shop.example", "/rail/a", "shop"},
		{"a host is matched without its port and case", "Shop.Example:8080", "/rail", "shop"},
		{"a longer path beats a named host", "shop.example", "/rail/times", "times"},
		{"a named host keeps others out", "x", "/basket", "root"},
		{"the root takes the rest", "x", "/", "root"},
		{"an IPv6 host is no name", "[::1]:80", "/basket", "root"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := g.table.Load().lookup(test.host, test.path)
			if r == nil || r.doc.Key != "demo/hello/production/"+test.want {
				t.Errorf("got %v, want %s", r, test.want)
			}
		})
	}
	if r := g.table.Load().lookup("x", "*"); r != nil {
		t.Errorf("OPTIONS * has a route: %s", r.doc.Key)
	}
}

func TestLookupOfAPathOfSlashesIsCheap(t *testing.T) {
	g := newTestGateway(t, Options{})
	mustApply(t, g, placed("web", "", "/web"))
	path := strings.Repeat("/", 60_000)
	table := g.table.Load()
	// Hashing every prefix of this path once would take seconds; the test's deadline would find it.
	for range 100 {
		if table.lookup("x", path) != nil {
			t.Fatal("found a route")
		}
	}
}

func TestConflicts(t *testing.T) {
	for _, test := range []struct {
		name string
		next release.Route
		kind error
		says string
	}{
		{"the same again is no change", testRoute(5), nil, ""},
		{"a higher version is a change", testRoute(6, weight(700)), nil, ""},
		{"an older version comes too late", testRoute(4), release.ErrConflict, "at version 5"},
		{"other content needs a higher version", testRoute(5, weight(700)), release.ErrConflict, "higher version"},
		{"a path has one owner", placed("other", "", "/web/"), release.ErrConflict, "belongs to route " + testKey},
		{"another host is another place", placed("other", "h", "/web"), nil, ""},
		{"a weight needs a lease", testRoute(6, func(r *release.Route) { r.Lease = 0 }), ErrInvalid, "lease"},
		{"a lease is bounded", testRoute(6, func(r *release.Route) { r.Lease = release.Duration(2 * time.Hour) }), ErrInvalid, "at most"},
		{"an endpoint has a port", testRoute(6, func(r *release.Route) { r.Stable = target("a", "host") }), ErrInvalid, "host:port"},
		{"a pin is a header or a cookie", testRoute(6, func(r *release.Route) {
			r.Ingress.Pins = []release.Pin{{Header: "a", Cookie: "b", Values: []string{"c"}}}
		}), ErrInvalid, "pin 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newTestGateway(t, Options{})
			before := mustApply(t, g, testRoute(5))
			checked := g.Check([]release.Route{placed("free", "", "/free"), test.next})
			if after := g.State().Digest; after != before.Digest {
				t.Error("a check changed the routes")
			}
			receipt, err := g.Apply([]release.Route{placed("free", "", "/free"), test.next})
			if (checked == nil) != (err == nil) {
				t.Errorf("check says %v, apply %v", checked, err)
			}
			if test.kind == nil {
				if err != nil {
					t.Fatal(err)
				}
				if got := receipt.Versions[test.next.Key]; got != test.next.Version {
					t.Errorf("receipt has version %d, want %d", got, test.next.Version)
				}
				return
			}
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want %v that says %q", err, test.kind, test.says)
			}
			if after := g.State().Digest; after != before.Digest {
				t.Error("a refused list was applied in part")
			}
		})
	}
}

func TestRoutesMayTradePlacesInOneApply(t *testing.T) {
	g := newTestGateway(t, Options{})
	a, b := placed("a", "", "/a"), placed("b", "", "/b")
	mustApply(t, g, a, b)
	a.Version, b.Version = 2, 2
	a.Ingress.Path, b.Ingress.Path = "/b", "/a"
	mustApply(t, g, a, b)
	if got := g.table.Load().lookup("", "/a").doc.Key; got != b.Key {
		t.Errorf("/a belongs to %s", got)
	}
}

// gone takes a route back to nothing.
func gone(r release.Route, version int64) release.Route {
	r.Version, r.Stable, r.Canary, r.Weight, r.Lease = version, nil, nil, release.NoWeight, 0
	return r
}

func TestAPathIsFreeOnceItsRouteIsGone(t *testing.T) {
	first, second := placed("first", "", "/rail"), placed("second", "", "/rail/")
	second.Version = 9
	for _, test := range []struct {
		name     string
		calls    [][]release.Route
		conflict string // the owner that the last call's error names
		owner    string // who serves the path; "" is nobody
	}{
		{"a route without revisions serves nothing", [][]release.Route{{first}, {gone(first, 2)}}, "", ""},
		{"another may take its path", [][]release.Route{{first}, {gone(first, 2)}, {second}}, "", second.Key},
		{"one list may give the path to another", [][]release.Route{{first}, {second, gone(first, 2)}}, "", second.Key},
		{"its version is kept", [][]release.Route{{first}, {gone(first, 3)}, {first}}, "too late", ""},
		{"it may come back", [][]release.Route{{first}, {gone(first, 2)}, {revised(first, 3)}}, "", first.Key},
		{
			"it may not come back to a path that another has taken",
			[][]release.Route{{first}, {gone(first, 2)}, {second}, {revised(first, 3)}},
			"belongs to route " + second.Key, second.Key,
		},
		{
			"it may come back elsewhere",
			[][]release.Route{{first}, {gone(first, 2)}, {second}, {moved(first, 3, "/elsewhere")}}, "", second.Key,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			g := newTestGateway(t, Options{StateDir: dir})
			for i, list := range test.calls {
				checked := g.Check(list)
				_, err := g.Apply(list)
				if (checked == nil) != (err == nil) {
					t.Errorf("check says %v, apply %v", checked, err)
				}
				if i < len(test.calls)-1 || test.conflict == "" {
					if err != nil {
						t.Fatal(err)
					}
				} else if !errors.Is(err, release.ErrConflict) || !strings.Contains(err.Error(), test.conflict) {
					t.Errorf("error %v, want a conflict that says %q", err, test.conflict)
				}
			}
			for name, g := range map[string]*Gateway{"now": g, "after a restart": newTestGateway(t, Options{StateDir: dir})} {
				owner := ""
				if r := g.table.Load().lookup("", "/rail"); r != nil {
					owner = r.doc.Key
				}
				if owner != test.owner {
					t.Errorf("%s: /rail belongs to %q, want %q", name, owner, test.owner)
				}
			}
		})
	}
}

func revised(r release.Route, version int64) release.Route {
	r.Version = version
	return r
}

func moved(r release.Route, version int64, path string) release.Route {
	r.Version, r.Ingress.Path = version, path
	return r
}

func TestDigestIsThatOfTheDesiredRoutes(t *testing.T) {
	g := newTestGateway(t, Options{})
	a, b := placed("a", "", "/a"), testRoute(3)
	mustApply(t, g, a)
	receipt := mustApply(t, g, b)
	want, err := Digest([]release.Route{b, a})
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Digest != want {
		t.Errorf("digest %s, want %s", receipt.Digest, want)
	}
	if err := g.Remove(a.Key, 1); err != nil {
		t.Fatal(err)
	}
	if g.State().Digest == want {
		t.Error("the digest did not change with a route gone")
	}
}

func TestRemoveNeedsTheVersionInForce(t *testing.T) {
	g := newTestGateway(t, Options{})
	mustApply(t, g, testRoute(5))
	if err := g.Remove(testKey, 4); !errors.Is(err, release.ErrConflict) {
		t.Errorf("older version: %v", err)
	}
	if err := g.Remove("a/b/c/d", 1); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("unknown key: %v", err)
	}
	if err := g.Remove(testKey, 5); err != nil {
		t.Error(err)
	}
	if status, _ := ask(g, "/web"); status != 404 {
		t.Errorf("a removed route answers %d", status)
	}
}

func TestTheStateShowsNoSalt(t *testing.T) {
	g := newTestGateway(t, Options{})
	mustApply(t, g, testRoute(5))
	if s := g.State().Routes[0]; s.Route.Salt != "" || s.LeaseLeft <= 0 || s.Weight != 500 {
		t.Errorf("state %+v", s)
	}
}
