package app

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/desk"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/workflows"
)

// taking is an app that takes sources, before a store of its own.
func taking(t *testing.T, c config.Config) (*App, error) {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "skyisland.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	a := &App{config: c, log: slog.New(slog.DiscardHandler), store: s}
	a.router = intake.NewRouter(intake.Parts{Inbox: inbox{s}, Applications: applications{Store: s}, Heads: heads{s}, Serving: s, Log: a.log})
	err = a.takeSources(c, inbox{s})
	return a, err
}

func TestEachSourceHasItsPath(t *testing.T) {
	a, err := taking(t, config.Config{
		GitHub: config.GitHub{Secrets: []config.Secret{"new", "old"}}, GitLab: &config.Source{Secret: "gitlab-token-of-16"}, Gitea: &config.Source{Secret: "s3cr3t"},
		Standard: &config.Source{Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, RegistryEvents: &config.RegistryEvents{Token: "registry-token-1"},
		Alertmanager: config.AlarmSource{Token: "alertmanager-token"}, CloudEvents: config.AlarmSource{Tokens: []config.Secret{"cloudevents-token"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/webhooks/alertmanager", "/webhooks/cloudevents", "/webhooks/gitea", "/webhooks/github", "/webhooks/gitlab", "/webhooks/registry", "/webhooks/standard",
	}
	if got := slices.Sorted(maps.Keys(a.sources)); !slices.Equal(got, want) {
		t.Errorf("there are %v, want %v", got, want)
	}
	body := `{"object_kind":"push","ref":"refs/heads/main","before":"` + strings.Repeat("a", 40) + `","after":"` + strings.Repeat("b", 40) +
		`","checkout_sha":null,"project":{"path_with_namespace":"acme/checkout"}}`
	for path, want := range map[string]int{gitlabPath: http.StatusAccepted, githubPath: http.StatusUnauthorized, giteaPath: http.StatusUnauthorized} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Gitlab-Token", "gitlab-token-of-16")
		w := httptest.NewRecorder()
		a.sources[path].ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s answered %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
	events, err := a.store.Pending(t.Context(), time.Now().Add(time.Hour), 10)
	if err != nil || len(events) != 1 || events[0].Source != "gitlab" || events[0].Kind != "push" {
		t.Errorf("stored %+v, %v", events, err)
	}
	if err := a.store.SaveApplication(t.Context(), release.Application{Tenant: "acme", Name: "checkout", Repository: "acme/checkout"}); err != nil {
		t.Fatal(err)
	}
	if id, duplicate, err := a.asking.Request(t.Context(), "acme", "checkout", "", "refs/heads/main", "", "", release.Actor{Name: "ada", Source: "api"}, "ask-1"); err != nil || duplicate || id != 2 {
		t.Errorf("asked: %d, %t, %v", id, duplicate, err)
	}
}

// Who delivers has no token of the API, and is not asked for one.
func TestWhatNoWebhookTakesIsSaid(t *testing.T) {
	a, err := taking(t, config.Config{GitHub: config.GitHub{Secret: "s3cr3t"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, method, path string
		want               int
		says               string
	}{
		{"another method", http.MethodGet, githubPath, http.StatusMethodNotAllowed, "takes POST"},
		{"a source without a secret", http.MethodPost, giteaPath, http.StatusNotFound, "there is no such webhook here"},
		{"a chat that is not there", http.MethodGet, slackPath, http.StatusNotFound, "there is no such webhook here"},
		{"a path that is mistyped", http.MethodPost, githubPath + "s", http.StatusNotFound, "there is no such webhook here"},
	} {
		w := httptest.NewRecorder()
		a.noWebhook(w, httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, nil))
		if w.Code != tt.want || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s is answered %d %s, want %d", tt.name, w.Code, w.Body, tt.want)
		}
	}
}

func TestWithoutSecretsThereIsNoSource(t *testing.T) {
	a, err := taking(t, config.Config{})
	if err != nil || len(a.sources) != 0 {
		t.Errorf("there are %v, %v", a.sources, err)
	}
}

func TestASourceWithAWrongSecretEndsTheStart(t *testing.T) {
	for name, c := range map[string]config.Config{
		"standard.secret": {Standard: &config.Source{Secret: "s3cr3t"}},
		"gitlab":          {GitLab: &config.Source{Secret: "whsec_short"}},
		"github.secret":   {GitHub: config.GitHub{Secret: " "}},
		"schedules[0]":    {Schedules: []config.Schedule{{Name: "nightly", Cron: "0 3"}}},
	} {
		if _, err := taking(t, c); err == nil || !strings.Contains(err.Error(), strings.Split(name, ".")[0]) {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

func TestAMissedScheduleIsInTheStoreOnce(t *testing.T) {
	s := config.Schedule{Name: "minutely", Application: "acme/checkout", Branch: "main", Cron: "* * * * *"}
	a, err := taking(t, config.Config{Schedules: []config.Schedule{s}})
	if err != nil {
		t.Fatal(err)
	}
	definition := strings.Join([]string{s.Cron, s.Zone, s.Application, s.Environment, s.Branch}, "|")
	seen := func() time.Time {
		t.Helper()
		at, err := a.store.ScheduleSeen(t.Context(), s.Name, definition, time.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	before := seen()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.schedules.Run(ctx) }()
	for seen().Equal(before) && t.Context().Err() == nil { // the store has nobody to wait for
		runtime.Gosched()
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	events, err := a.store.Pending(t.Context(), time.Now().Add(time.Hour), 100)
	if err != nil {
		t.Fatal(err)
	}
	// Of the sixty that were missed it is the latest; a minute may have ended meanwhile.
	if len(events) < 1 || len(events) > 2 || events[0].Source != "cron" || !strings.HasPrefix(events[0].Delivery, "minutely@") || time.Since(seen()) > 2*time.Minute {
		t.Errorf("stored %+v, seen to until %s", events, seen())
	}
}

func TestAnEventThatWasPassedOnIsSettled(t *testing.T) {
	a, err := taking(t, config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	box := inbox{a.store}
	id, _, err := box.Accept(t.Context(), intake.Event{Source: "registry", Delivery: "d1", Kind: "image", Body: []byte("{}"), ReceivedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	want := intake.Outcome{Kind: intake.Told, Message: "passed on", Releases: []release.ID{{Lane: release.Lane{Tenant: "a", Application: "b", Environment: "c"}, Number: 1}}}
	if err := box.Settle(t.Context(), id, want); err != nil {
		t.Fatal(err)
	}
	if got, done, err := box.Outcome(t.Context(), id); err != nil || !done || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %t, %v", got, done, err)
	}
}

// refusing is a release that follows nobody.
type refusing struct{ err error }

func (r refusing) Instruct(context.Context, release.ID, dispatch.Instruction, release.Instruction) (workflows.Followed, error) {
	return workflows.Followed{}, r.err
}

func TestWhatAReleaseRefusesAtItsCheckRunIsRecorded(t *testing.T) {
	a, err := taking(t, config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	id := release.ID{Lane: release.Lane{Tenant: "acme", Application: "checkout", Environment: "production"}, Number: 7}
	in := release.Instruction{ID: "github d1", By: release.Actor{Name: "mona", Source: "github"}, At: time.Now().UTC()}
	told := instructor{desk.Audit{Releases: refusing{&dispatch.RefusedError{Message: "cannot abort: it is over"}}, Records: a.store}}
	if err := told.Instruct(t.Context(), id, "abort", in); !errors.Is(err, release.ErrConflict) || !strings.Contains(err.Error(), "it is over") {
		t.Errorf("refused: %v", err)
	}
	told.audit.Releases = refusing{release.ErrFinished}
	if err := told.Instruct(t.Context(), id, "abort", in); !errors.Is(err, release.ErrFinished) || errors.Is(err, release.ErrConflict) {
		t.Errorf("ended: %v", err)
	}
	told.audit.Releases = refusing{}
	if err := told.Instruct(t.Context(), id, "abort", in); err != nil {
		t.Errorf("followed: %v", err)
	}
}

func TestAReleaseIsOfTheRefThatHasItsCommit(t *testing.T) {
	a, err := taking(t, config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	id := release.ID{Lane: release.Lane{Tenant: "acme", Application: "checkout", Environment: "production"}, Number: 7}
	if _, err := (released{a.store}).Release(t.Context(), id); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("a release that never was: %v", err)
	}
	commit := strings.Repeat("b", 40)
	summary := release.Summary{ID: id, Phase: release.Completed, Commit: commit, Message: "fares", Requested: time.Now().UTC(), Updated: time.Now().UTC()}
	if err := a.store.SaveProgress(t.Context(), summary, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		saw  store.Head
		want string
	}{
		{store.Head{Ref: "refs/heads/other", Commit: strings.Repeat("c", 40), Released: true}, ""},
		{store.Head{Ref: "refs/heads/feature", Commit: commit}, ""},
		{store.Head{Ref: "tags of production", Commit: commit, Released: true}, ""},
		{store.Head{Ref: "refs/tags/v1", Commit: commit, Released: true}, "refs/tags/v1"},
		{store.Head{Ref: "refs/heads/main", Commit: commit, Released: true}, ""}, // either could be it
	} {
		tt.saw.Event, tt.saw.At = 1, time.Now().UTC()
		if err := a.store.SaveHead(t.Context(), "acme", "checkout", tt.saw); err != nil {
			t.Fatal(err)
		}
		if was, err := (released{a.store}).Release(t.Context(), id); err != nil || was != (intake.Was{Ref: tt.want, Commit: commit, Message: "fares"}) {
			t.Errorf("after %s: %+v, %v; want %q", tt.saw.Ref, was, err, tt.want)
		}
	}
	summary.Ref, summary.Updated = "refs/heads/release", summary.Updated.Add(time.Second)
	if err := a.store.SaveProgress(t.Context(), summary, nil); err != nil {
		t.Fatal(err)
	}
	if was, err := (released{a.store}).Release(t.Context(), id); err != nil || was.Ref != "refs/heads/release" {
		t.Errorf("one whose ref is kept: %+v, %v", was, err)
	}
}
