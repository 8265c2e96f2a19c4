package policy_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
)

func TestRulesThatCannotBeKeptAreInForceBeforeOlderOnes(t *testing.T) {
	server := &bundleServer{}
	server.set(tarball(t, builtIn(t, "")))
	web := httptest.NewServer(server)
	defer web.Close()
	cache := filepath.Join(t.TempDir(), "bundle.tar.gz")
	options := policy.Options{Server: &policy.Server{URL: web.URL, Cache: cache, Client: web.Client()}, Timeout: time.Minute}
	if _, err := policy.New(options); err != nil {
		t.Fatal(err)
	}
	// A folder is where the new bundle would be written first.
	server.set(tarball(t, builtIn(t, noToAll)))
	inTheWay := cache + ".new"
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	e, err := policy.New(options)
	if err != nil {
		t.Fatal(err)
	}
	if admitted(t, e) {
		t.Error("the older rules are in force, though the server has new ones")
	}
	if err := policy.Follow(t.Context(), e); err == nil || !strings.Contains(err.Error(), "keep the bundle") {
		t.Errorf("got %v, want that the bundle is still not kept", err)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if err := policy.Follow(t.Context(), e); err != nil {
		t.Error(err)
	}
	server.status.Store(http.StatusServiceUnavailable)
	again, err := policy.New(options)
	if err != nil || again.Bundle(t.Context()) != e.Bundle(t.Context()) {
		t.Errorf("what was kept in the end is not what is in force: %v", err)
	}
}

func TestTheSameBundleWithoutAnETagIsTakenOnce(t *testing.T) {
	body := tarball(t, builtIn(t, ""))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	defer web.Close()
	cache := filepath.Join(t.TempDir(), "bundle.tar.gz")
	e, err := policy.New(policy.Options{Server: &policy.Server{URL: web.URL, Cache: cache, Client: web.Client()}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(cache); err != nil {
		t.Fatal(err)
	}
	if err := policy.Follow(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(cache); err == nil {
		t.Error("the same bundle was taken and kept again")
	}
	body = tarball(t, builtIn(t, noToAll))
	if err := policy.Follow(t.Context(), e); err != nil || admitted(t, e) {
		t.Errorf("the new rules are not in force: %v", err)
	}
}

func TestAServerMaySendUsOnOnlyToWhereNobodyListens(t *testing.T) {
	var asked atomic.Int64
	bundle := tarball(t, builtIn(t, ""))
	give := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write(bundle)
	})
	plain, sealed := httptest.NewServer(give), httptest.NewTLSServer(give)
	defer plain.Close()
	defer sealed.Close()
	loop := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) })
	for name, c := range map[string]struct {
		to   http.Handler
		says string
	}{
		"to https":                   {http.RedirectHandler(sealed.URL, http.StatusFound), ""},
		"to http on this machine":    {http.RedirectHandler(plain.URL+"?signature=s3cret", http.StatusFound), "which is not https"},
		"to http on another machine": {http.RedirectHandler("http://192.0.2.1/b?signature=s3cret", http.StatusFound), "http://192.0.2.1, which is not https"},
		"in a circle":                {loop, "more than 3 times"},
	} {
		t.Run(name, func(t *testing.T) {
			asked.Store(0)
			web := httptest.NewTLSServer(c.to)
			defer web.Close()
			_, err := policy.New(policy.Options{
				Server:  &policy.Server{URL: web.URL, Token: "s3cret", Cache: filepath.Join(t.TempDir(), "b"), Client: web.Client()},
				Timeout: time.Minute,
			})
			if c.says == "" {
				if err != nil || asked.Load() != 1 {
					t.Errorf("asked %d times: %v", asked.Load(), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || asked.Load() != 0 {
				t.Errorf("got %v after %d answers, want %q", err, asked.Load(), c.says)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("a secret is told: %v", err)
			}
		})
	}
}
