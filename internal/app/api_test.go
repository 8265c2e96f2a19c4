package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

const (
	bossToken = "boss-0123456789abcdef"
	railToken = "rail-0123456789abcdef"
)

// apiConfig is an installation with a token for everything and one for what a tenant is and its freezes.
func apiConfig(data string) config.Config {
	return config.Config{
		Data: data, Listen: "127.0.0.1:7780", PublicURL: "http://127.0.0.1:7780", GatewayToken: "gateway-0123456789abcdef",
		Units: []config.Unit{{Name: "a", Gateways: []string{"http://127.0.0.1:1"}}},
		Tokens: []config.Token{
			{Name: "boss", Groups: []string{"release-managers"}, Token: bossToken},
			{Name: "rail", Groups: []string{"release-managers"}, Token: railToken, Scopes: []release.Scope{release.ScopeRead, release.ScopeConfigure}, Tenants: []string{"rail"}},
		},
	}
}

// serveAPI serves an app whose Temporal is away, and holds what it answers against the API's document.
func serveAPI(t *testing.T, c config.Config) (a *App, address string, stop func()) {
	t.Helper()
	temporal, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	a, err = New(t.Context(), Options{Config: c, Temporal: temporal, Version: "1.2.3", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(apitest.Checked(t, a.Handler()))
	return a, web.URL, func() {
		a.CloseStreams()
		web.Close()
		temporal.Close()
		if err := errors.Join(a.runtime.Stop(context.WithoutCancel(t.Context())), a.Close()); err != nil {
			t.Error(err)
		}
	}
}

type said struct {
	status   int
	replayed bool
	body     string
}

func say(t *testing.T, token, method, address, key, body string) said {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return said{res.StatusCode, res.Header.Get("Idempotency-Replayed") == "true", string(data)}
}

func TestAnAnswerIsTheSameAfterTheServerHasStartedAnew(t *testing.T) {
	c := apiConfig(t.TempDir())
	const freeze = `{"about":"rail/tour","for":"2h","reason":"launch"}`
	_, address, stop := serveAPI(t, c)
	first := say(t, railToken, "POST", address+"/api/v1/freezes", "k", freeze)
	if first.status != http.StatusCreated || first.replayed {
		t.Fatalf("got %+v", first)
	}
	stop()
	_, address, stop = serveAPI(t, c)
	defer stop()
	again := say(t, railToken, "POST", address+"/api/v1/freezes", "k", freeze)
	if again.status != first.status || again.body != first.body || !again.replayed {
		t.Errorf("got %+v, and before %+v", again, first)
	}
	if got := say(t, railToken, "POST", address+"/api/v1/freezes", "k", strings.Replace(freeze, "2h", "3h", 1)); got.status != http.StatusUnprocessableEntity {
		t.Errorf("another request: %+v", got)
	}
	if got := say(t, bossToken, "GET", address+"/api/v1/freezes", "", ""); strings.Count(got.body, `"reason":"launch"`) != 1 {
		t.Errorf("there are %s", got.body)
	}
}

func TestTheStoreGivesATenantsTokenItsOwn(t *testing.T) {
	a, address, stop := serveAPI(t, apiConfig(t.TempDir()))
	defer stop()
	for n, tenant := range []string{"rail", "leak", "rail"} {
		id := release.ID{Lane: release.Lane{Tenant: tenant, Application: "tour", Environment: "production"}, Number: n + 1}
		at := time.Now().Add(time.Duration(n) * time.Second)
		summary := release.Summary{ID: id, Phase: release.Completed, Commit: tenant, Requester: release.Actor{Name: "ana", Source: "github"}, Requested: at, Updated: at}
		err := errors.Join(
			a.store.SaveProgress(t.Context(), summary, []release.Entry{{Number: 1, At: at, Kind: release.EntryPhase, Phase: release.Completed, Message: "it is " + tenant}}),
			a.store.SaveDecision(t.Context(), release.Question{Release: id, At: at}, release.Decision{ID: "d-" + tenant + string(rune('0'+n)), Gate: release.GateAdmit, Allow: true}, time.Millisecond),
			a.store.SaveApplication(t.Context(), release.Application{Tenant: tenant, Name: "tour", Repository: "https://example.com/" + tenant}),
		)
		if err != nil {
			t.Fatal(err)
		}
	}
	tell(t, a)
	for path, want := range map[string]int{
		"/api/v1/applications": 1, "/api/v1/releases": 2, "/api/v1/decisions?since=2026-01-01T00:00:00Z": 2, "/api/v1/deliveries": 2,
		"/api/v1/info": 0, "/api/v1/whoami": 0, "/api/v1/traffic": 0, "/api/v1/freezes": 0,
	} {
		mine, all := say(t, railToken, "GET", address+path, "", ""), say(t, bossToken, "GET", address+path, "", "")
		if mine.status != 200 || all.status != 200 || strings.Contains(mine.body, "leak") {
			t.Errorf("%s: %+v, and of all %+v", path, mine, all)
		}
		if want == 0 {
			continue
		}
		if !strings.Contains(all.body, "leak") || !strings.Contains(mine.body, "rail") {
			t.Errorf("%s: %s, and of all %s", path, mine.body, all.body)
		}
		// Its pages are full.
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		if one := say(t, railToken, "GET", address+path+sep+"limit=1", "", ""); strings.Contains(one.body, `"next"`) != (want > 1) {
			t.Errorf("%s: the first page of %d is %s", path, want, one.body)
		}
	}
	if got := say(t, railToken, "PUT", address+"/api/v1/applications/rail/other", "", `{"repository":"https://example.com/leak"}`); got.status != http.StatusConflict || strings.Contains(got.body, "leak/") {
		t.Errorf("the repository of another tenant: %+v", got)
	}
	if got := say(t, railToken, "POST", address+"/api/v1/releases/rail/tour/production/1/rollback", "", ""); got.status != http.StatusForbidden || !strings.Contains(got.body, "with the scope release; yours has read, configure") {
		t.Errorf("without its scope: %+v", got)
	}
}

// tell keeps a message about each release that there is.
func tell(t *testing.T, a *App) {
	t.Helper()
	entries, err := a.store.ToRoute(t.Context(), 10)
	if err != nil || len(entries) != 3 {
		t.Fatalf("there is to tell %v, %v", entries, err)
	}
	for _, entry := range entries {
		notice, err := json.Marshal(notify.Notice{Title: "told of " + entry.Release.Lane.Tenant})
		if err != nil {
			t.Fatal(err)
		}
		delivery := store.Delivery{ID: "m-" + entry.ID, Channel: "slack", Target: "C1", Release: entry.Release.String(), Notice: notice}
		if err := a.store.Routed(t.Context(), entry, []store.Delivery{delivery}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}
