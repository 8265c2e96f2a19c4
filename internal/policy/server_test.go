package policy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/policies"
)

// tarball packs files as opa build does.
func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for name, text := range files {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func damaged(bundle []byte) []byte {
	bundle[len(bundle)-6] ^= 1
	return bundle
}

func cutBy(bundle []byte, n int) []byte { return bundle[:len(bundle)-n] }

// builtIn are the built-in rules as the files of a bundle, with another that denies when it is given.
func builtIn(t *testing.T, release string) map[string]string {
	t.Helper()
	files := map[string]string{"/.manifest": `{"revision": "r1", "roots": ["release"]}`}
	err := fs.WalkDir(policies.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(policies.FS, name)
		files["/"+name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if release != "" {
		for name := range files {
			if strings.HasSuffix(name, "release/release.rego") {
				files[name] = release
			}
		}
	}
	return files
}

const noToAll = `package release

decision := {"allow": false, "deny": {{"code": "test.no", "msg": "not today"}}, "lifted": [], "obligations": []}
`

// bundleServer serves what it is told, with ETags.
type bundleServer struct {
	body   atomic.Pointer[[]byte]
	status atomic.Int64
	served atomic.Int64
	token  string
}

func (s *bundleServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.token != "" && r.Header.Get("Authorization") != "Bearer "+s.token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if status := s.status.Load(); status != 0 {
		w.WriteHeader(int(status))
		return
	}
	body := *s.body.Load()
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	s.served.Add(1)
	_, _ = w.Write(body)
}

func (s *bundleServer) set(body []byte) { s.body.Store(&body) }

func admitted(t *testing.T, e *policy.Engine) bool {
	t.Helper()
	lane := release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}
	d, err := e.Decide(t.Context(), release.Question{
		Version: release.QuestionVersion, Gate: release.GateAdmit, Release: release.ID{Lane: lane, Number: 1}, At: aThursday,
		Request: release.Request{Lane: lane, Requester: release.Actor{Name: "ada", Source: "github"}, Commit: strings.Repeat("a", 40), Repository: "r", Ref: "refs/heads/main"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d.Allow
}

func TestRulesOfAServerAreFollowedAndTheLastGoodOnesStay(t *testing.T) {
	server := &bundleServer{token: "s3cret"}
	server.set(tarball(t, builtIn(t, "")))
	web := httptest.NewServer(server)
	defer web.Close()
	cache := filepath.Join(t.TempDir(), "cache", "bundle.tar.gz")
	options := policy.Options{Server: &policy.Server{URL: web.URL + "/bundle.tar.gz", Token: "s3cret", Cache: cache, Client: web.Client()}, Timeout: time.Minute}
	e, err := policy.New(options)
	if err != nil {
		t.Fatal(err)
	}
	first := e.Bundle(t.Context())
	if !admitted(t, e) {
		t.Error("the rules of the server deny")
	}
	follow := func() error { return policy.Follow(t.Context(), e) }
	if err := follow(); err != nil || server.served.Load() != 1 {
		t.Errorf("the same bundle was sent %d times, %v", server.served.Load(), err)
	}
	for name, bad := range map[string][]byte{
		"half a tarball":          tarball(t, builtIn(t, ""))[:500],
		"no tarball":              []byte("<html>"),
		"nothing in it":           tarball(t, map[string]string{"/readme": "x"}),
		"rules that do not parse": tarball(t, builtIn(t, "package release\n\ndecision := {")),
		"rules without an answer": tarball(t, map[string]string{"/a.rego": "package a\n\nok := true\n"}),
		"data of its own":         tarball(t, map[string]string{"/a.rego": "package a\n\nok := true\n", "/data.json": `{"freeze_windows": []}`}),
		"a damaged checksum":      damaged(tarball(t, builtIn(t, ""))),
		"no checksum":             cutBy(tarball(t, builtIn(t, "")), 8),
		"data in YAML":            tarball(t, map[string]string{"/a.rego": "package a\n\nok := true\n", "/data.yml": "freeze_windows: []"}),
		"a name twice":            tarball(t, map[string]string{"/a.rego": "package a\n", "/x/../a.rego": "package a\n"}),
		"a bomb":                  tarball(t, map[string]string{"/a.rego": strings.Repeat("# bomb\n", 4<<20)}),
	} {
		server.set(bad)
		if err := follow(); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	server.status.Store(http.StatusInternalServerError)
	if err := follow(); err == nil || !strings.Contains(err.Error(), "500") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want the server's answer and no secret", err)
	}
	if e.Bundle(t.Context()) != first || !admitted(t, e) {
		t.Error("the last good rules are gone")
	}
	// A start without the server has what was kept.
	again, err := policy.New(options)
	if err != nil || again.Bundle(t.Context()) != first {
		t.Errorf("a start without the server: %v", err)
	}
	options.Server = &policy.Server{URL: web.URL, Cache: filepath.Join(t.TempDir(), "none"), Client: web.Client()}
	if _, err := policy.New(options); err == nil || !strings.Contains(err.Error(), "no bundle is kept") {
		t.Errorf("a first start without the server: %v", err)
	}
	server.status.Store(0)
	server.set(tarball(t, builtIn(t, noToAll)))
	if err := follow(); err != nil || admitted(t, e) || e.Bundle(t.Context()) == first {
		t.Errorf("the new rules are not in force: %v", err)
	}
}

func TestAServerThatCannotBeTrustedIsRefused(t *testing.T) {
	for address, says := range map[string]string{"http://example.com/b": "write https", "ftp://x": "not an address", "": "not an address"} {
		_, err := policy.New(policy.Options{Server: &policy.Server{URL: address, Cache: "x"}})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", address, err, says)
		}
	}
	if _, err := policy.New(policy.Options{Dir: "x", Server: &policy.Server{}}); err == nil || !strings.Contains(err.Error(), "one place") {
		t.Errorf("two places: %v", err)
	}
}
