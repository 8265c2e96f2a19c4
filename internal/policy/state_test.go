package policy_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
)

// followed is an engine whose server is asked every 10 seconds in the bubble's time, until the test ends.
func followed(t *testing.T, server http.Handler, change func(*policy.Options)) *policy.Engine {
	t.Helper()
	options := policy.Options{
		Server:  &policy.Server{URL: "https://rules.example/b", Cache: filepath.Join(t.TempDir(), "b"), Poll: 10 * time.Second, Client: inProcess(server)},
		Timeout: time.Hour,
	}
	if change != nil {
		change(&options)
	}
	e, err := policy.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return e
}

// pass lets the bubble's time go by.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the bubble's time
	synctest.Wait()
}

func TestARefusedBundleIsFetchedAndToldOnce(t *testing.T) {
	good := tarball(t, builtIn(t, ""))
	for name, bad := range map[string][]byte{
		"rules that do not compile": tarball(t, builtIn(t, "package release\n\ndecision := {")),
		"a name twice":              tarball(t, map[string]string{"/a.rego": "package a\n", "/x/../a.rego": "package a\n"}),
		"a bomb":                    tarball(t, map[string]string{"/a.rego": strings.Repeat("# bomb\n", 4<<20)}),
		"a bomb beside the rules":   tarball(t, map[string]string{"/readme": strings.Repeat("bomb ", 8<<20)}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, log := &bundleServer{}, &bytes.Buffer{}
				server.set(good)
				e := followed(t, server, func(o *policy.Options) { o.Log = slog.New(slog.NewTextHandler(log, nil)) })
				before, start := e.State(t.Context()), time.Now()
				if before.Refused != nil || before.Bundle != e.Bundle(t.Context()) || !before.Since.Equal(start) || before.From != "https://rules.example/b" {
					t.Errorf("at first %+v", before)
				}
				server.set(bad)
				pass(10 * time.Minute)
				if n := server.served.Load(); n != 2 {
					t.Errorf("sent %d times, want each bundle once", n)
				}
				if n := strings.Count(log.String(), "policies stay as they are"); n != 1 {
					t.Errorf("told %d times:\n%s", n, log)
				}
				state := e.State(t.Context())
				if r := state.Refused; r == nil || r.Why == "" || len(r.Tag) < 60 || r.Since.Sub(start) > 13*time.Second || state.Bundle != before.Bundle || !state.Since.Equal(start) {
					t.Errorf("after it %+v with %+v", state, r)
				}
				// A server that is away meanwhile is told, and the refusal is not told again when it is back.
				server.status.Store(http.StatusBadGateway)
				pass(time.Minute)
				if state := e.State(t.Context()); !strings.Contains(state.Unreached, "502") || state.UnreachedSince.IsZero() || state.Refused == nil {
					t.Errorf("while it is away %+v", state)
				}
				server.status.Store(0)
				pass(10 * time.Minute)
				if n := strings.Count(log.String(), "policies stay as they are"); n != 2 || e.State(t.Context()).Unreached != "" {
					t.Errorf("told %d times, want the refusal and the absence once each; %+v", n, e.State(t.Context()))
				}
				// Taken back, nothing is refused any more, and what is in force is still what it was.
				server.set(good)
				pass(13 * time.Second)
				if state := e.State(t.Context()); state.Refused != nil || !state.Since.Equal(start) {
					t.Errorf("after it was taken back %+v", state)
				}
				server.set(tarball(t, builtIn(t, noToAll)))
				pass(13 * time.Second)
				if state := e.State(t.Context()); admitted(t, e) || state.Bundle == before.Bundle || !state.Since.After(start) {
					t.Errorf("good rules after bad ones are not in force: %+v", state)
				}
			})
		})
	}
}

func TestABundleThatWasDamagedOnItsWayIsFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &bundleServer{}
		var damage atomic.Bool
		server.set(tarball(t, builtIn(t, "")))
		e := followed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			server.ServeHTTP(answer, r)
			w.Header().Set("ETag", answer.Header().Get("ETag"))
			w.WriteHeader(answer.Code)
			body := answer.Body.Bytes()
			if damage.Load() && len(body) > 0 {
				body = damaged(body)
			}
			_, _ = w.Write(body)
		}), nil)
		damage.Store(true)
		server.set(tarball(t, builtIn(t, noToAll)))
		pass(10 * time.Minute)
		if n := server.served.Load(); n < 5 || n > 12 {
			t.Errorf("fetched %d times in 10 minutes, want again and again, but ever more seldom", n)
		}
		if state := e.State(t.Context()); !strings.Contains(state.Unreached, "damaged") || !admitted(t, e) {
			t.Errorf("the state is %+v", state)
		}
		damage.Store(false)
		pass(6 * time.Minute)
		if admitted(t, e) {
			t.Error("the same bundle, whole at last, is not in force")
		}
	})
}

func TestRulesThatWaitForTheDataAreNotFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &bundleServer{}
		server.set(tarball(t, builtIn(t, "")))
		data := filepath.Join(t.TempDir(), "data.yaml")
		put(t, data, aLimit)
		e := followed(t, server, func(o *policy.Options) { o.DataFile = data })
		server.set(tarball(t, onlyYes()))
		pass(time.Minute)
		if r := e.State(t.Context()).Refused; r == nil || !strings.Contains(r.Why, "max_step_permyriad") {
			t.Errorf("refused is %+v", r)
		}
		before := e.Bundle(t.Context())
		put(t, data, "")
		pass(13 * time.Second)
		if state := e.State(t.Context()); state.Refused != nil || server.served.Load() != 2 || state.Bundle == before {
			t.Errorf("sent %d times, %+v", server.served.Load(), state)
		}
	})
}

func TestARefusedBundleWithoutAnETagIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &bytes.Buffer{}
		var body atomic.Pointer[[]byte]
		set := func(bundle []byte) { body.Store(&bundle) }
		set(tarball(t, builtIn(t, "")))
		e := followed(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*body.Load()) }),
			func(o *policy.Options) { o.Log = slog.New(slog.NewTextHandler(log, nil)) })
		set(tarball(t, builtIn(t, "package release\n\nbroken")))
		pass(13 * time.Second)
		since := e.State(t.Context()).Refused.Since
		pass(time.Minute)
		if n := strings.Count(log.String(), "policies stay as they are"); n != 1 || !e.State(t.Context()).Refused.Since.Equal(since) {
			t.Errorf("told %d times, refused since %s, then since %s", n, since, e.State(t.Context()).Refused.Since)
		}
	})
}
