package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/gateway/authn"
	"github.com/skyisland/skyisland/internal/release"
)

// credentials is a folder with one API key of each client.
func credentials(t *testing.T, keys map[string]string) *authn.Credentials {
	t.Helper()
	dir := t.TempDir()
	var lines strings.Builder
	for client, key := range keys {
		sum := sha256.Sum256([]byte(key))
		lines.WriteString(client + " sha256:" + hex.EncodeToString(sum[:]) + "\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "partners"), []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := authn.OpenCredentials(authn.CredentialOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func withKeys(r *release.Route) {
	r.Ingress.Authentication = &release.Authentication{APIKey: &release.APIKeyAuth{Keys: "partners"}}
}

func TestOnlyWhoIsKnownIsLetIn(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef"
	var out bytes.Buffer
	var got http.Header
	g, err := New(Options{Name: "gw", Unit: "a", AccessLog: &out, Credentials: credentials(t, map[string]string{"acme": key}),
		Transport: inProcess(func(r *http.Request) (*http.Response, error) {
			got = r.Header
			return plainAnswer(http.StatusOK), nil
		})})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, g, testRoute(1, weight(0), withKeys))
	knows := func(k string) func(*http.Request) {
		return func(r *http.Request) { r.Header["X-Api-Key"] = []string{k} }
	}
	if resp := from(g, "192.0.2.1:1"); resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("nobody got %d %v", resp.StatusCode, resp.Header)
	}
	if resp := from(g, "192.0.2.1:1", knows(key+"0")); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong key got %d", resp.StatusCode)
	}
	if got != nil {
		t.Fatal("an instance saw a request that was not let in")
	}
	spoof := func(r *http.Request) { r.Header[CallerHeader] = []string{"root"} }
	if resp := from(g, "192.0.2.1:1", knows(key), spoof); resp.StatusCode != http.StatusOK {
		t.Errorf("who is known got %d", resp.StatusCode)
	}
	if got.Get(CallerHeader) != "acme" || got["X-Api-Key"] != nil {
		t.Errorf("the instance was told %v: want the caller, and no key", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"class":"refused","reason":"no-credential"`, `"trace_id":"`, `"reason":"bad-api-key"`, `"caller":"acme"`, `"unit":"a"`, `"status":401`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, &out)
		}
	}
	if strings.Contains(out.String(), `"trace_id":""`) {
		t.Error("a line has no trace")
	}
	if strings.Contains(out.String(), key) {
		t.Error("a key is in the access log")
	}
	if s := g.Stats(); s.Refused["no-credential"] != 1 || s.Refused["bad-api-key"] != 1 || statsOf(g, "web-1").Requests != 1 {
		t.Errorf("refused %v, served %d", s.Refused, statsOf(g, "web-1").Requests)
	}
}

func TestNobodyIsWhoTheyOnlySayTheyAre(t *testing.T) {
	var got http.Header
	g := newTestGateway(t, Options{Transport: inProcess(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return plainAnswer(http.StatusOK), nil
	})})
	mustApply(t, g, testRoute(1, weight(0)))
	ask(g, "/web", func(r *http.Request) { r.Header.Set(CallerHeader, "root") })
	if got[CallerHeader] != nil {
		t.Errorf("a route that asks nobody passes %s on", CallerHeader)
	}
}

// TestAGatewayWithoutKeysTakesNoRouteThatWantsThem has the way back as its exception.
func TestAGatewayWithoutKeysTakesNoRouteThatWantsThem(t *testing.T) {
	dir := t.TempDir()
	with, err := New(Options{Name: "gw", StateDir: dir, Transport: everybody, Credentials: credentials(t, map[string]string{"acme": "0123456789abcdef"})})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, with, testRoute(1, weight(500), withKeys))

	without, err := New(Options{Name: "gw", StateDir: dir, Transport: everybody})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := ask(without, "/web"); status != http.StatusServiceUnavailable {
		t.Errorf("a restart without keys lets a stranger in with %d", status)
	}
	if _, err := without.Apply([]release.Route{testRoute(2, weight(1000), withKeys)}); !errors.Is(err, ErrInvalid) {
		t.Errorf("more weight without keys: %v, want it refused", err)
	}
	mustApply(t, without, testRoute(3, weight(0), withKeys)) // the way back
	if status, _ := ask(without, "/web"); status != http.StatusServiceUnavailable {
		t.Errorf("on the way back a stranger gets %d", status)
	}
}

func TestALimitPerUserIsOfWhoWasAuthenticated(t *testing.T) {
	keys := map[string]string{"acme": "0123456789abcdef", "bolt": "fedcba9876543210"}
	g := newTestGateway(t, Options{Transport: everybody, Credentials: credentials(t, keys)})
	mustApply(t, g, testRoute(1, weight(0), withKeys, limits(release.RateLimit{Per: release.PerUser, Rate: 0.001, Burst: 1})))
	for i, step := range []struct {
		client, cookie string
		want           int
	}{{"acme", "", 200}, {"acme", "b", 429}, {"bolt", "", 200}} {
		req := httptest.NewRequest(http.MethodGet, "/web", nil)
		req.Header.Set("X-Api-Key", keys[step.client])
		if step.cookie != "" {
			req.AddCookie(&http.Cookie{Name: UserCookie, Value: strings.Repeat(step.cookie, userCookieSize)})
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, req)
		if w.Code != step.want {
			t.Errorf("request %d of %s got %d, want %d", i, step.client, w.Code, step.want)
		}
	}
}
