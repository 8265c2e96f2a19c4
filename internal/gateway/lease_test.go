package gateway

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// everybody is a transport that says which revision was asked by nothing but succeeding.
var everybody = inProcess(func(*http.Request) (*http.Response, error) { return plainAnswer(200), nil })

// most sends nearly every request to the canary, so that a hundred of them tell.
func most(r *release.Route) { r.Weight = 9990 }

func canaryServes(g *Gateway) bool {
	for range 100 {
		if _, revision := ask(g, "/web"); revision == "web-2" {
			return true
		}
	}
	return false
}

func TestALeaseRunsOutAtTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Options{Name: "gw", Transport: everybody}) // no Run: nothing but requests can notice
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, g, testRoute(1, most))
		pass(30*time.Second - time.Nanosecond)
		if !canaryServes(g) {
			t.Error("the canary lost its weight before the lease ran out")
		}
		pass(time.Nanosecond)
		if canaryServes(g) {
			t.Error("the canary has weight after the lease ran out")
		}
		s := g.State().Routes[0]
		if !s.Lapsed || s.Weight != 0 || s.LeaseLeft != 0 {
			t.Errorf("state %+v", s)
		}
	})
}

func TestARenewedLeaseHoldsAndALapsedOneNeverRevives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Options{Name: "gw", Transport: everybody})
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, g, testRoute(1, most))
		for range 10 {
			pass(29 * time.Second)
			if err := g.Renew([]string{testKey}, 1, 30*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		if !canaryServes(g) {
			t.Error("a renewed lease ran out")
		}
		if err := g.Renew([]string{testKey}, 2, time.Minute); !errors.Is(err, release.ErrConflict) {
			t.Errorf("renewal of another version: %v", err)
		}
		pass(30 * time.Second)
		if err := g.Renew([]string{testKey}, 1, time.Minute); !errors.Is(err, release.ErrConflict) {
			t.Errorf("renewal of a lapsed lease: %v", err)
		}
		// A repetition is no new lease either, and who repeats must learn that the weight is gone.
		if _, err := g.Apply([]release.Route{testRoute(1, most)}); !errors.Is(err, release.ErrLapsed) {
			t.Errorf("repetition of a lapsed version: %v", err)
		}
		if canaryServes(g) {
			t.Error("a lapsed canary was revived")
		}
		mustApply(t, g, testRoute(2, most, fresh))
		if !canaryServes(g) {
			t.Error("a new ramp does not bring the canary back")
		}
	})
}

func fresh(r *release.Route) { r.Fresh = true }

func TestOnlyANewRampRaisesOverALapsedLease(t *testing.T) {
	// Two more of the group, of which one never lapses.
	held := placed("held", "", "/held")
	for _, test := range []struct {
		name   string
		next   release.Route
		lapsed bool
	}{
		{"a raise that was decided before the lapse", testRoute(2, most), true},
		{"the cutover", testRoute(2, weight(release.FullWeight)), true},
		{"no more weight than before, under a new version", testRoute(2), true},
		{"a repetition of the lapsed version", testRoute(1), true},
		{"a repetition that calls itself a new ramp", testRoute(1, fresh), true},
		{"the beginning of a new ramp", testRoute(2, most, fresh), false},
		{"the way back", testRoute(2, weight(0)), false},
		{"the canary of another release", testRoute(2, most, func(r *release.Route) { r.Release = "demo/hello/production/3" }), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, err := New(Options{Name: "gw", Transport: everybody}) // no Run: no timer notices the lapse
				if err != nil {
					t.Fatal(err)
				}
				mustApply(t, g, testRoute(1))
				mustApply(t, g, testRoute(1)) // while the lease holds, a repetition is no change
				pass(30 * time.Second)
				before := g.table.Load().digest
				list := []release.Route{held, test.next}
				checked := g.Check(list)
				_, err = g.Apply(list)
				if (checked == nil) != (err == nil) {
					t.Errorf("check says %v, apply %v", checked, err)
				}
				if !test.lapsed {
					if err != nil {
						t.Fatal(err)
					}
					if s := g.State().Routes[1]; s.Weight != test.next.Weight || s.Lapsed {
						t.Errorf("state %+v, want weight %s", s, test.next.Weight)
					}
					return
				}
				if !errors.Is(err, release.ErrLapsed) || !strings.Contains(err.Error(), testKey) {
					t.Errorf("error %v, want ErrLapsed that names %s", err, testKey)
				}
				if g.State().Digest != before {
					t.Error("a refused list was applied in part")
				}
			})
		})
	}
}

func TestALapsedLeaseIsRememberedOverARestart(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	g := newTestGateway(t, Options{StateDir: dir, Now: func() time.Time { return now }, Transport: everybody})
	mustApply(t, g, testRoute(1))
	again, _ := restarted(t, dir, now.Add(time.Minute))
	if _, err := again.Apply([]release.Route{testRoute(2, most)}); !errors.Is(err, release.ErrLapsed) {
		t.Errorf("a raise after the restart: %v", err)
	}
	mustApply(t, again, testRoute(2, most, fresh))
}

func TestFreshIsNoPartOfTheState(t *testing.T) {
	g := newTestGateway(t, Options{StateDir: t.TempDir(), Transport: everybody})
	first := mustApply(t, g, testRoute(1, fresh))
	if again := mustApply(t, g, testRoute(1)); again.Digest != first.Digest {
		t.Error("the same route without Fresh is another one")
	}
	want, err := Digest([]release.Route{testRoute(1)})
	if err != nil || first.Digest != want {
		t.Errorf("digest %s, want %s: %v", first.Digest, want, err)
	}
	if s := g.State().Routes[0]; s.Route.Fresh {
		t.Error("the state says Fresh long after the change")
	}
}

func TestARenewalIsForAllOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Options{Name: "gw", Transport: everybody})
		if err != nil {
			t.Fatal(err)
		}
		other := testRoute(1, most, func(r *release.Route) {
			r.Key, r.Ingress.Path, r.Lease = "demo/hello/production/other", "/other", release.Duration(10*time.Second)
		})
		mustApply(t, g, testRoute(1, most), other)
		pass(20 * time.Second)
		if err := g.Renew([]string{testKey, other.Key}, 1, time.Hour); !errors.Is(err, release.ErrConflict) {
			t.Errorf("renewal of a group with a lapsed member: %v", err)
		}
		pass(10 * time.Second)
		if canaryServes(g) {
			t.Error("a member of the group was renewed without the others")
		}
		if err := g.Renew([]string{"a/b/c/d"}, 1, time.Second); !errors.Is(err, release.ErrNotFound) {
			t.Errorf("unknown key: %v", err)
		}
		for _, ttl := range []time.Duration{0, -1, MaxLease + 1} {
			if err := g.Renew([]string{testKey}, 1, ttl); !errors.Is(err, ErrInvalid) {
				t.Errorf("lease of %s: %v", ttl, err)
			}
		}
	})
}

func TestFullWeightNeedsNoLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Options{Name: "gw", Transport: everybody})
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, g, testRoute(1, weight(release.FullWeight)))
		pass(1000 * time.Hour)
		if _, revision := ask(g, "/web"); revision != "web-2" {
			t.Errorf("%s serves after the cutover", revision)
		}
		if err := g.Renew([]string{testKey}, 1, time.Second); err != nil {
			t.Errorf("renewing what needs no lease: %v", err)
		}
	})
}

// restarted tells what a gateway serves that starts from a state written at 50 s before, with a clock
// that then stands at later.
func restarted(t *testing.T, dir string, later time.Time) (*Gateway, RouteState) {
	t.Helper()
	g := newTestGateway(t, Options{StateDir: dir, Now: func() time.Time { return later }, Transport: everybody})
	state := g.State()
	if len(state.Routes) != 1 {
		t.Fatalf("%d routes after the restart", len(state.Routes))
	}
	return g, state.Routes[0]
}

func TestLeasesOverARestart(t *testing.T) {
	granted := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		after  time.Duration
		lapsed bool
		left   time.Duration
	}{
		{"a lease goes on where it was", 10 * time.Second, false, 20 * time.Second},
		{"a lease that ran out has lapsed", 30 * time.Second, true, 0},
		{"a clock that was set back before the grant proves nothing", -time.Second, true, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			first := newTestGateway(t, Options{StateDir: dir, Now: func() time.Time { return granted }, Transport: everybody})
			receipt := mustApply(t, first, testRoute(7, most))
			g, s := restarted(t, dir, granted.Add(test.after))
			if s.Lapsed != test.lapsed || s.LeaseLeft.Std() != test.left {
				t.Errorf("lapsed %v with %s left, want %v and %s", s.Lapsed, s.LeaseLeft, test.lapsed, test.left)
			}
			if canaryServes(g) == test.lapsed {
				t.Errorf("the canary serves: %v", !test.lapsed)
			}
			if g.State().Digest != receipt.Digest {
				t.Error("another digest after the restart")
			}
			if _, err := g.Apply([]release.Route{testRoute(6)}); !errors.Is(err, release.ErrConflict) {
				t.Errorf("an older version after the restart: %v", err)
			}
		})
	}
}

func TestALapseOutlivesARestartWithTheClockSetBack(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	g, err := New(Options{Name: "gw", StateDir: dir, Now: func() time.Time { return now }, Transport: everybody})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, g, testRoute(1, most))
	now = now.Add(time.Minute)
	g.tick()
	if _, s := restarted(t, dir, now.Add(-50*time.Second)); !s.Lapsed {
		t.Error("the canary is back")
	}
}

func TestRenewalsReachTheDisk(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	g, err := New(Options{Name: "gw", StateDir: dir, Now: clock, Transport: everybody})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, g, testRoute(1, most))
	for range 10 {
		now = now.Add(10 * time.Second)
		if err := g.Renew([]string{testKey}, 1, 30*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if _, s := restarted(t, dir, now); s.Lapsed || s.LeaseLeft.Std() < 15*time.Second {
		t.Errorf("lapsed %v, %s left: the renewals were not written", s.Lapsed, s.LeaseLeft)
	}
}

func TestAStateThatCannotBeReadIsPutAsideWhole(t *testing.T) {
	good := `{"route":{"key":"demo/hello/production/web","ingress":{"path":"/web"},"version":1,` +
		`"stable":{"revision":"web-1","endpoints":["127.0.0.1:9"]},"weight":"0%"}}`
	for _, test := range []struct{ name, content string }{
		{"no JSON", "\x00\x00\x00"},
		{"empty", ""},
		{"cut off", `{"format":"skyisland/gateway-routes/v1","routes":[` + good},
		{"another format", `{"format":"skyisland/gateway-routes/v9","routes":[` + good + `]}`},
		{"an unknown field", `{"format":"skyisland/gateway-routes/v1","more":1,"routes":[` + good + `]}`},
		{"one bad route among good ones", `{"format":"skyisland/gateway-routes/v1","routes":[` + good + `,{"route":{"key":"x"}}]}`},
		{"the same route twice", `{"format":"skyisland/gateway-routes/v1","routes":[` + good + `,` + good + `]}`},
		{"something behind it", `{"format":"skyisland/gateway-routes/v1","routes":[` + good + `]}{}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			g := newTestGateway(t, Options{StateDir: dir})
			if n := len(g.State().Routes); n != 0 {
				t.Errorf("%d routes from a bad state", n)
			}
			kept, err := filepath.Glob(filepath.Join(dir, stateFile+".unreadable-*"))
			if err != nil || len(kept) != 1 {
				t.Fatalf("kept %v: %v", kept, err)
			}
			if content, err := os.ReadFile(kept[0]); err != nil || string(content) != test.content {
				t.Errorf("kept %q: %v", content, err)
			}
			mustApply(t, g, testRoute(1))
		})
	}
	t.Run("a good one is read", func(t *testing.T) {
		dir := t.TempDir()
		content := `{"format":"skyisland/gateway-routes/v1","routes":[` + good + `]}`
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if n := len(newTestGateway(t, Options{StateDir: dir}).State().Routes); n != 1 {
			t.Errorf("%d routes", n)
		}
	})
}

func TestTheStateIsForItsOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	g := newTestGateway(t, Options{StateDir: dir})
	mustApply(t, g, testRoute(1))
	info, err := os.Stat(filepath.Join(dir, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, but salts are in it", info.Mode())
	}
}

func TestADiskThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	g, err := New(Options{Name: "gw", StateDir: dir, Transport: everybody})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, g, testRoute(1, most))
	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	before := g.State().Digest
	for name, r := range map[string]release.Route{
		"more weight":     testRoute(2, func(r *release.Route) { r.Weight = 9995 }),
		"another stable":  testRoute(2, weight(0), func(r *release.Route) { r.Stable = target("web-0") }),
		"another canary":  testRoute(2, func(r *release.Route) { r.Canary = target("web-3") }),
		"another route":   placed("new", "", "/new"),
		"the last weight": testRoute(2, weight(release.FullWeight)),
	} {
		if _, err := g.Apply([]release.Route{r}); !errors.Is(err, ErrNotSaved) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if g.State().Digest != before {
		t.Error("a refused change is in force")
	}
	if err := g.Renew([]string{testKey}, 1, time.Minute); err != nil {
		t.Errorf("a renewal fails for the disk: %v", err)
	}
	mustApply(t, g, testRoute(3, func(r *release.Route) { r.Weight = 5000 }))
	mustApply(t, g, testRoute(4, weight(0)))
	if canaryServes(g) {
		t.Error("the rollback did not take effect")
	}
	if !g.State().Unsaved {
		t.Error("the state does not say that it was not written")
	}
	if err := os.Rename(moved, dir); err != nil {
		t.Fatal(err)
	}
	g.tick()
	content, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil || !strings.Contains(string(content), `"version":4`) || g.State().Unsaved {
		t.Errorf("the rollback was not written once the disk was back: %v", err)
	}
}
