package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
)

// known is what there is to know of one release, or why not.
type known struct {
	status  release.Status
	live    error
	missing error
}

func (k known) Status(context.Context, release.ID) (release.Status, error) { return k.status, k.live }

func (k known) Release(context.Context, release.ID) (release.Summary, error) {
	return release.Summary{}, k.missing
}

func TestAQuestionIsReadWhereItIs(t *testing.T) {
	id := release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: 7}
	away := errors.New("away")
	for name, test := range map[string]struct {
		known known
		want  error
	}{
		"a release that is under way":     {known{status: release.Status{ID: id}}, nil},
		"one that Temporal has forgotten": {known{live: release.ErrNotFound}, release.ErrFinished},
		"one that never was":              {known{live: release.ErrNotFound, missing: release.ErrNotFound}, release.ErrNotFound},
		"one that cannot be asked":        {known{live: away}, away},
		"one whose record cannot be read": {known{live: release.ErrNotFound, missing: away}, release.ErrNotFound},
	} {
		got, err := questions{test.known, test.known}.Ask(t.Context(), id)
		if !errors.Is(err, test.want) || test.want == nil && got.ID != id {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

type silentDesk struct{}

func (silentDesk) Tell(context.Context, notify.Word) (notify.Reply, error) {
	return notify.Reply{}, nil
}

func TestTheApprovalPageOpensLinksOfEarlierStarts(t *testing.T) {
	c := config.Config{
		Data: t.TempDir(), PublicURL: "http://127.0.0.1:7780",
		Tokens: []config.Token{{Name: "olga", Groups: []string{"release-managers"}, Token: "0123456789abcdef"}, {Name: "olga", Groups: []string{"sre"}, Token: "fedcba9876543210"}},
	}
	start := func(c config.Config) *App {
		people, err := directory(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return &App{config: c, people: people, log: slog.New(slog.DiscardHandler)}
	}
	first := start(c)
	if got, err := first.people.Person("page", "olga"); err != nil || !slices.Equal(got.Groups, []string{"release-managers", "sre"}) {
		t.Errorf("olga is %+v, %v", got, err)
	}
	links, err := first.links()
	if err != nil {
		t.Fatal(err)
	}
	id := release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: 7}
	// It has expired: a page that says so knows the signature, and asks nobody.
	address, err := links.Sign(id, 1, strings.Repeat("ab", 32), time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	status := func(a *App) int {
		made, err := a.newPage(silentDesk{})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		made.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimPrefix(address, c.PublicURL), nil))
		return w.Code
	}
	if got := status(start(c)); got != http.StatusGone {
		t.Errorf("the next start answers %d", got)
	}
	info, err := os.Stat(filepath.Join(c.Data, pageKey))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file is %v, %v", info, err)
	}
	c.Page.Secret = "another-secret-of-32-characters-or-more"
	if got := status(start(c)); got != http.StatusForbidden {
		t.Errorf("another secret answers %d", got)
	}
}

func TestADirectoryThatIsWrongStopsTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "people.yaml")
	if err := os.WriteFile(file, []byte("people: [{name: olga}, {name: olga}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := directory(config.Config{Directory: file}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "people.yaml:1:31: people[1].name") {
		t.Errorf("got %v", err)
	}
}
