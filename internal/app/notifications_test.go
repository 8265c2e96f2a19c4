package app

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// saying is a channel that keeps what it is given.
type saying struct{ said chan notify.Notice }

func (s saying) Send(_ context.Context, _ string, _ notify.Thread, notices []notify.Notice) (string, error) {
	for _, notice := range notices {
		s.said <- notice
	}
	return "receipt", nil
}

func TestWhatIsRecordedOfAReleaseIsToldWithALinkThatAnswers(t *testing.T) {
	c := config.Config{
		Data: t.TempDir(), PublicURL: "http://127.0.0.1:7780", Temporal: config.Temporal{UI: "http://127.0.0.1:8233", Namespace: "default"},
		Notify: config.Notify{
			Rules:     []config.NotifyRule{{To: []string{"test:room"}, Environments: []string{"production"}, Severity: "warning"}},
			Templates: map[string]config.NotifyTemplate{"asked": {Title: "Please look at {{.Application}}"}},
		},
	}
	opened, err := store.Open(t.Context(), filepath.Join(c.Data, "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	a := &App{config: c, store: opened, log: slog.New(slog.DiscardHandler)}
	room := saying{make(chan notify.Notice, 10)}
	notifier, err := a.newNotifier(c, map[string]notify.Channel{"test": room})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); notifier.Run(ctx) }()
	defer func() { cancel(); <-ended }()

	id := release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: 3}
	ask := &release.Ask{Number: 1, PlanHash: strings.Repeat("ab", 32), Until: time.Now().Add(time.Hour), Wants: []release.Approval{{Count: 1, From: []string{"managers"}}}}
	entries := []release.Entry{
		{Number: 1, At: time.Now(), Kind: release.EntryPhase, Message: "building"},
		{Number: 2, At: time.Now(), Kind: release.EntryAsked, Message: "waiting for 1 approvals", Ask: ask},
	}
	record := journal{opened, notifier.Kick}
	for range 2 {
		if err := record.SaveProgress(t.Context(), release.Summary{ID: id, Phase: release.Approving, Updated: time.Now()}, entries); err != nil {
			t.Fatal(err)
		}
	}

	got := <-room.said
	if got.Title != "Please look at hello" || got.Ask == nil || got.Kind != release.EntryAsked || len(got.Mention) != 1 {
		t.Errorf("told %+v", got)
	}
	if !strings.HasPrefix(got.Answer, "http://127.0.0.1:7780/approve/") || !strings.Contains(got.Link, "127.0.0.1:8233/namespaces/default/workflows/release%2Fdemo") {
		t.Errorf("links %q and %q", got.Answer, got.Link)
	}
	select {
	case more := <-room.said:
		t.Errorf("told %+v too: what is no warning, or the same twice", more)
	default:
	}
}

func TestChatsThatCannotWorkStopTheStart(t *testing.T) {
	var log bytes.Buffer
	a := &App{config: config.Config{Data: t.TempDir(), PublicURL: "http://127.0.0.1:7780"}, log: slog.New(slog.NewTextHandler(&log, nil))}
	for name, c := range map[string]struct {
		config config.Config
		says   string
	}{
		"a rule to a channel that is not there": {config.Config{Notify: config.Notify{Rules: []config.NotifyRule{{To: []string{"slack:C1"}}}}}, "rules[0]: \"slack:C1\""},
		"an event that is none":                 {config.Config{Notify: config.Notify{Templates: map[string]config.NotifyTemplate{"birthday": {}}}}, `no event "birthday"`},
		"half an app of DingTalk":               {config.Config{DingTalk: config.DingTalk{ClientID: "ding1"}}, "client secret"},
		"half an app of Slack":                  {config.Config{Slack: config.Slack{AppToken: "xapp-1"}}, "slack"},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Data, c.config.PublicURL = a.config.Data, a.config.PublicURL
			opened, err := a.openChats(c.config, silentDesk{})
			if err == nil {
				_, err = a.newNotifier(c.config, opened.channels)
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}
