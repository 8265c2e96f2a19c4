package oci

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/artifact"
	"github.com/skyisland/skyisland/internal/release"
)

func TestAnArtifactThatOneMachineSharesAnotherFetches(t *testing.T) {
	registry := serve(t)
	one, other := newStore(t), newStore(t)
	digest := put(t, one, "program")
	if err := client(nil).Shelf(registry.repository("skyisland"), one).Share(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	// Another client, as on another machine or after a restart, knows nothing but the digest.
	if err := client(nil).Shelf(registry.repository("skyisland"), other).Fetch(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "root")
	if err := other.Extract(t.Context(), digest, dest); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dest, "api")); err != nil || string(got) != "program" {
		t.Errorf("%q, %v", got, err)
	}
	if tags := registry.asked("GET /v2/skyisland/manifests"); len(tags) > 0 {
		t.Errorf("a tag was read: %v", tags)
	}
}

func TestTheManifestOfAnArtifactNamesIt(t *testing.T) {
	registry := serve(t)
	store := newStore(t)
	digest := put(t, store, "program")
	shelf := client(nil).Shelf(registry.repository("skyisland"), store)
	if err := shelf.Share(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	answer, err := registry.Client().Get(registry.URL + "/v2/skyisland/manifests/sha256-" + digest.Hex())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var manifest struct {
		ArtifactType string
		Layers       []struct {
			MediaType, Digest string
			Size              int64
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.ArtifactType != ArtifactType || len(manifest.Layers) != 1 || manifest.Layers[0].Digest != string(digest) || manifest.Layers[0].MediaType != LayerType {
		t.Errorf("the manifest is %+v", manifest)
	}
	registry.then(nil)
	if err := shelf.Share(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	if sent := append(registry.asked("PATCH"), registry.asked("POST")...); len(sent) > 0 {
		t.Errorf("what was there is sent again: %v", sent)
	}
}

func TestWhatTheRegistryServesIsCompared(t *testing.T) {
	registry := serve(t)
	one, other := newStore(t), newStore(t)
	digest := put(t, one, "program")
	if err := client(nil).Shelf(registry.repository("skyisland"), one).Share(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	shelf := client(nil).Shelf(registry.repository("skyisland"), other)
	registry.then(changing("/blobs/", flip))
	err := shelf.Fetch(t.Context(), digest)
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "the registry serves other bytes") {
		t.Errorf("%v, want it said that other bytes came", err)
	}
	registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !strings.Contains(r.URL.Path, "/blobs/") {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Length", "4096")
		_, _ = w.Write([]byte("and then the connection is gone"))
		panic(http.ErrAbortHandler)
	})
	if err := shelf.Fetch(t.Context(), digest); err == nil || errors.Is(err, ErrCorrupt) {
		t.Errorf("a transfer that is cut off: %v, want an error that is tried again", err)
	}
	if has, err := other.Has(t.Context(), digest); err != nil || has {
		t.Errorf("something of it was stored: %v, %v", has, err)
	}
	registry.then(nil)
	if err := shelf.Fetch(t.Context(), digest); err != nil {
		t.Errorf("once the registry serves what it should: %v", err)
	}
}

func TestWhatIsNotThereIsSaid(t *testing.T) {
	registry := serve(t)
	store := newStore(t)
	shelf := client(nil).Shelf(registry.repository("skyisland"), store)
	nothing := release.Digest("sha256:" + strings.Repeat("0", 64))
	if err := shelf.Fetch(t.Context(), nothing); !errors.Is(err, release.ErrNotFound) || !strings.Contains(err.Error(), "skyisland") {
		t.Errorf("fetch: %v", err)
	}
	if err := shelf.Share(t.Context(), nothing); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("share: %v", err)
	}
	if err := shelf.Fetch(t.Context(), "latest"); err == nil || !strings.Contains(err.Error(), "is not a digest") {
		t.Errorf("by a tag: %v", err)
	}
	store.Limits = artifact.Limits{Bytes: 10, Files: 1}
	one := newStore(t)
	big := put(t, one, strings.Repeat("x", 20_000))
	if err := client(nil).Shelf(registry.repository("skyisland"), one).Share(t.Context(), big); err != nil {
		t.Fatal(err)
	}
	if err := shelf.Fetch(t.Context(), big); !errors.Is(err, release.ErrTooLarge) {
		t.Errorf("over the store's limits: %v", err)
	}
}

func TestARegistryWantsCredentials(t *testing.T) {
	registry := serve(t)
	store := newStore(t)
	digest := put(t, store, "program")
	registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		user, password, _ := r.BasicAuth()
		if r.Header.Get("Authorization") != "Bearer the-token" && (user != "ada" || password != "right") {
			w.Header().Set("WWW-Authenticate", `Basic realm="here"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
	for name, tt := range map[string]struct {
		with    Credentials
		refused bool
	}{
		"nobody":           {Credentials{}, true},
		"a wrong password": {Credentials{User: "ada", Password: "wrong"}, true},
		"a wrong token":    {Credentials{Token: "another"}, true},
		"user, password":   {Credentials{User: "ada", Password: "right"}, false},
		"a token":          {Credentials{Token: "the-token"}, false},
	} {
		c := client(func(o *Options) { o.Credentials = func(string) Credentials { return tt.with } })
		err := c.Shelf(registry.repository("skyisland"), store).Share(t.Context(), digest)
		if errors.Is(err, ErrRefused) != tt.refused || (err == nil) == tt.refused {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "wrong") || strings.Contains(err.Error(), "another")) {
			t.Errorf("%s: the error holds the secret: %v", name, err)
		}
	}
}

func TestDockersConfigurationIsReadWhenThatIsWanted(t *testing.T) {
	registry := serve(t)
	store := newStore(t)
	digest := put(t, store, "program")
	registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if user, password, _ := r.BasicAuth(); user != "ada" || password != "right" {
			w.Header().Set("WWW-Authenticate", `Basic realm="here"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
	docker := t.TempDir()
	t.Setenv("DOCKER_CONFIG", docker)
	host, _, _ := strings.Cut(registry.repository("skyisland"), "/")
	text := `{"auths": {"` + host + `": {"auth": "` + base64.StdEncoding.EncodeToString([]byte("ada:right")) + `"}}}`
	if err := os.WriteFile(filepath.Join(docker, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []bool{true, false} {
		c := client(func(o *Options) { o.Credentials = func(string) Credentials { return Credentials{Keychain: wanted} } })
		if err := c.Shelf(registry.repository("skyisland"), store).Share(t.Context(), digest); (err == nil) != wanted || !wanted && !errors.Is(err, ErrRefused) {
			t.Errorf("keychain %v: %v", wanted, err)
		}
	}
}

func TestARegistryGivesTokens(t *testing.T) {
	registry := serve(t)
	store := newStore(t)
	digest := put(t, store, "program")
	registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case r.URL.Path == "/token":
			if user, password, _ := r.BasicAuth(); user != "ada" || password != "right" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			scope := r.URL.Query().Get("scope")
			_, _ = w.Write([]byte(`{"token": "for ` + scope + `"}`))
		case r.Header.Get("Authorization") != "Bearer for repository:skyisland:push,pull":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+registry.URL+`/token",service="here",scope="repository:skyisland:push,pull"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
	for password, want := range map[string]bool{"right": true, "wrong": false} {
		c := client(func(o *Options) {
			o.Credentials = func(string) Credentials { return Credentials{User: "ada", Password: password} }
		})
		if err := c.Shelf(registry.repository("skyisland"), store).Share(t.Context(), digest); (err == nil) != want || !want && !errors.Is(err, ErrRefused) {
			t.Errorf("%s password: %v", password, err)
		}
	}
}

func TestCredentialsStayWithTheirRegistry(t *testing.T) {
	registry := serve(t)
	one, other := newStore(t), newStore(t)
	digest := put(t, one, "program")
	if err := client(nil).Shelf(registry.repository("skyisland"), one).Share(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	var seen []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		http.Redirect(w, r, registry.URL+r.URL.Path+"?direct", http.StatusTemporaryRedirect)
	}))
	defer elsewhere.Close()
	registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, "/blobs/") && r.URL.RawQuery == "" {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
	c := client(func(o *Options) {
		o.Credentials = func(string) Credentials { return Credentials{User: "ada", Password: "right"} }
	})
	if err := c.Shelf(registry.repository("skyisland"), other).Fetch(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || seen[0] != "" {
		t.Errorf("another host was shown %q", seen)
	}
}

func TestNothingGoesInPlainTextBeyondThisMachine(t *testing.T) {
	registry := serve(t)
	store := newStore(t)
	registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, "http://storage.example"+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
	digest := release.Digest("sha256:" + strings.Repeat("0", 64))
	if err := client(nil).Shelf(registry.repository("skyisland"), store).Fetch(t.Context(), digest); !errors.Is(err, errPlain) {
		t.Errorf("a redirect: %v, want it refused", err)
	}
	asked := false
	answers := roundTripper(func(*http.Request) (*http.Response, error) { asked = true; return httptest.NewRecorder().Result(), nil })
	g := &guard{inner: answers, plain: loopback}
	for address, want := range map[string]bool{
		"http://10.0.0.1/v2/": false, "http://registry.local/v2/": false, "http://localhost.example/v2/": false,
		"https://registry.example/v2/": true, "http://127.0.0.1:5000/v2/": true, "http://[::1]:5000/v2/": true, "http://localhost:5000/v2/": true,
	} {
		asked = false
		request := httptest.NewRequest(http.MethodGet, address, http.NoBody)
		answer, err := g.RoundTrip(request)
		if err == nil {
			answer.Body.Close()
		}
		if asked != want || errors.Is(err, errPlain) == want {
			t.Errorf("%s: sent %v, %v", address, asked, err)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWhatFailsForTheMomentIsTriedAgain(t *testing.T) {
	registry := serve(t)
	one, other := newStore(t), newStore(t)
	digest := put(t, one, "program")
	if err := client(nil).Shelf(registry.repository("skyisland"), one).Share(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	failures := 2
	registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, "/blobs/") && failures > 0 {
			failures--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
	shelf := client(nil).Shelf(registry.repository("skyisland"), other)
	if err := shelf.Fetch(t.Context(), digest); err != nil || failures != 0 {
		t.Errorf("%v with %d failures left", err, failures)
	}
	failures = 1000
	if err := client(nil).Shelf(registry.repository("skyisland"), newStore(t)).Fetch(t.Context(), digest); err == nil || 1000-failures > 3 {
		t.Errorf("%v after %d attempts, want few and an error", err, 1000-failures)
	}
}

func TestARegistryThatDoesNotAnswerIsGivenUp(t *testing.T) {
	registry := serve(t)
	over := make(chan struct{})
	defer close(over)
	registry.then(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	c := client(func(o *Options) { o.Timeout = 20 * time.Millisecond })
	if err := c.Shelf(registry.repository("skyisland"), newStore(t)).Fetch(t.Context(), release.Digest("sha256:"+strings.Repeat("0", 64))); err == nil {
		t.Error("a registry that never answers was waited for, and no error")
	}
}
