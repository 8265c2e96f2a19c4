package release_test

import (
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func servable() release.Route {
	return release.Route{
		Key: "t/a/e/web", Ingress: release.Ingress{Path: "/"}, Version: 1, Weight: 500, Salt: "salt",
		Lease:  release.Duration(10 * time.Second),
		Stable: &release.Target{Revision: "web-1", Endpoints: []string{"127.0.0.1:1"}},
		Canary: &release.Target{Revision: "web-2", Endpoints: []string{"127.0.0.1:2"}},
	}
}

func TestRouteCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*release.Route)
		want string
	}{
		{"a canary with a lease is fine", func(*release.Route) {}, ""},
		{"all at the canary needs no lease, no salt and no stable", func(r *release.Route) { r.Weight, r.Lease, r.Salt, r.Stable = 10000, 0, "", nil }, ""},
		{"a route to nothing is fine", func(r *release.Route) { r.Weight, r.Stable, r.Canary = 0, nil, nil }, ""},
		{"a key has four parts", func(r *release.Route) { r.Key = "web" }, `key "web"`},
		{"a path starts with a slash", func(r *release.Route) { r.Ingress.Path = "web" }, `path "web"`},
		{"versions count from 1", func(r *release.Route) { r.Version = 0 }, "version 0"},
		{"a weight is at most 100 %", func(r *release.Route) { r.Weight = 10001 }, "10001 permyriad"},
		{"a weight is at least 0", func(r *release.Route) { r.Weight = -1 }, "-1 permyriad"},
		{"a weight needs a canary", func(r *release.Route) { r.Canary = nil }, "5% without a canary"},
		{"a part of the traffic needs a stable", func(r *release.Route) { r.Stable = nil }, "5% without a stable revision"},
		{"a part of the traffic needs a lease", func(r *release.Route) { r.Lease = 0 }, "5% without a lease"},
		{"a part of the traffic needs a salt", func(r *release.Route) { r.Salt = "" }, "5% without a salt"},
		{"a target has endpoints", func(r *release.Route) { r.Canary.Endpoints = nil }, "canary: want a revision"},
		{"a target has a revision", func(r *release.Route) { r.Stable.Revision = "" }, "stable: want a revision"},
	} {
		t.Run(c.name, func(t *testing.T) {
			route := servable()
			c.edit(&route)
			err := route.Check()
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestRouteCheckSaysAllThatIsWrong(t *testing.T) {
	route := servable()
	route.Version, route.Salt, route.Lease = 0, "", 0
	err := route.Check()
	for _, want := range []string{"t/a/e/web", "version 0", "salt", "lease"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
