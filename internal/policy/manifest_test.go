package policy_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
)

// manifested are the built-in rules with another manifest.
func manifested(t *testing.T, manifest string) []byte {
	t.Helper()
	files := builtIn(t, "")
	files["/.manifest"] = manifest
	return tarball(t, files)
}

func TestWhatABundleSaysOfItself(t *testing.T) {
	for _, c := range []struct {
		name, manifest string
		revision, says string
	}{
		{"a revision", `{"revision": "release-42", "roots": ["release"], "rego_version": 1}`, "release-42", ""},
		{"nothing", `{}`, "", ""},
		{"letters of the world", `{"revision": "版本 7"}`, "版本 7", ""},
		{"any root", `{"roots": [""]}`, "", ""},
		{"a root with slashes around it", `{"roots": ["other", "/release/"]}`, "", ""},
		{"128 characters", `{"revision": "` + strings.Repeat("é", 128) + `"}`, strings.Repeat("é", 128), ""},
		{"129 characters", `{"revision": "` + strings.Repeat("é", 129) + `"}`, "", "at most 128 characters"},
		{"a line break", `{"revision": "a\nlevel=INFO"}`, "", `cannot be printed: "a\nlevel=INFO"`},
		{"an escape sequence", `{"revision": "\u001b[2J"}`, "", "cannot be printed"},
		{"no JSON", `revision: 7`, "", ".manifest cannot be read"},
		{"a number", `{"revision": 7}`, "", ".manifest cannot be read"},
		{"another root", `{"roots": ["rel"]}`, "", `package release is outside the roots in the bundle's .manifest, which are ["rel"]`},
		{"a root below", `{"roots": ["release/freeze"]}`, "", "package release.hours is outside the roots"},
		{"no root", `{"roots": []}`, "", "package release is outside the roots"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			body := manifested(t, c.manifest)
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
			defer web.Close()
			e, err := policy.New(policy.Options{
				Server:  &policy.Server{URL: web.URL, Cache: filepath.Join(t.TempDir(), "b"), Client: web.Client()},
				Timeout: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := e.State(t.Context()).Revision; got != c.revision || !strings.Contains(log.String(), "revision=") {
				t.Errorf("revision %q, want %q; the log is\n%s", got, c.revision, &log)
			}
		})
	}
}

func TestTheRevisionOfABundleIsKeptWithIt(t *testing.T) {
	server := &bundleServer{}
	server.set(manifested(t, `{"revision": "one"}`))
	web := httptest.NewServer(server)
	defer web.Close()
	options := policy.Options{Server: &policy.Server{URL: web.URL, Cache: filepath.Join(t.TempDir(), "b"), Client: web.Client()}, Timeout: time.Minute}
	e, err := policy.New(options)
	if err != nil {
		t.Fatal(err)
	}
	one := e.Bundle(t.Context())
	// The same rules under another name are the same bundle to decisions.
	server.set(manifested(t, `{"revision": "two"}`))
	if err := policy.Follow(t.Context(), e); err != nil || e.State(t.Context()).Revision != "two" || e.Bundle(t.Context()) != one {
		t.Errorf("after two: %+v, %v", e.State(t.Context()), err)
	}
	server.set(manifested(t, `{"revision": "three", "roots": ["x"]}`))
	if err := policy.Follow(t.Context(), e); err == nil {
		t.Error("three was taken")
	}
	// Nothing new comes of it later either.
	if err := policy.Follow(t.Context(), e); err != nil {
		t.Error(err)
	}
	if state := e.State(t.Context()); state.Revision != "two" || state.Refused == nil || state.Refused.Revision != "three" {
		t.Errorf("after three: %+v", state)
	}
	server.status.Store(http.StatusBadGateway)
	again, err := policy.New(options)
	if err != nil || again.State(t.Context()).Revision != "two" {
		t.Errorf("after a start without the server: %v", err)
	}
}
