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

	cloudevents "github.com/cloudevents/sdk-go/v2"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

const eventSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestWhatIsRecordedIsSentToSubscribersAndToldOnTheStream(t *testing.T) {
	onEachStore(t, func(t *testing.T, one, _ *store.Store) {
		posted := make(chan cloudevents.Event, 10)
		subscriber := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			verifier, err := standardwebhooks.NewWebhook(eventSecret)
			if err != nil {
				t.Error(err)
				return
			}
			var event cloudevents.Event
			if err := verifier.Verify(body, r.Header); err != nil || r.Header.Get("X-Key") != "k" {
				t.Errorf("posted with %v: %v", r.Header, err)
			}
			if err := json.Unmarshal(body, &event); err != nil || event.Validate() != nil || event.ID() != r.Header.Get("Webhook-Id") {
				t.Errorf("posted %s: %v", body, err)
			}
			posted <- event
		}))
		defer subscriber.Close()
		c := config.Config{
			Data: t.TempDir(), PublicURL: "http://sky.example/", Temporal: config.Temporal{UI: "http://127.0.0.1:8233", Namespace: "default"},
			Events: config.Events{Subscribers: []config.Subscriber{{
				Name: "ci", URL: config.Secret(subscriber.URL + "/hook?key=hidden"), Secret: config.Secrets{eventSecret}, AllowPrivate: true,
				Types: []string{"dev.skyisland.release.ended.v1", "dev.skyisland.freeze.v1"}, Headers: map[string]config.Secret{"X-Key": "k"},
			}}},
		}
		a := &App{config: c, store: one, log: slog.New(slog.DiscardHandler)}
		var err error
		if a.notifier, err = a.newNotifier(c, nil); err != nil {
			t.Fatal(err)
		}
		if a.feed, a.subscribers, err = a.newEvents(c); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); a.tell(ctx) }()
		defer func() { cancel(); <-ended }()
		view := subscriptions{one, a.subscribers.Subscribers, a.subscribers.Kick}
		awaitSubscription(t, one)

		id := laneNumber(3)
		cause := &release.Cause{Kind: release.CauseTest, Message: "a test fails"}
		summary := release.Summary{ID: id, Phase: release.Failed, Commit: "0123", Requester: release.Actor{Name: "ana"}, Updated: testEpoch, Cause: cause}
		entries := []release.Entry{
			{Number: 1, At: testEpoch, Kind: release.EntryPhase, Phase: release.Testing, Message: "testing"},
			{Number: 2, At: testEpoch, Kind: release.EntryEnded, Phase: release.Failed, Message: "it failed"},
		}
		for range 2 {
			if err := (journal{one, a.kickAll}).SaveProgress(t.Context(), summary, entries); err != nil {
				t.Fatal(err)
			}
		}
		got := hear(t, "the subscriber", posted)
		var data events.Data
		if err := got.DataAs(&data); err != nil || got.Source() != "http://sky.example/api/v1/lanes/demo/hello/production" || data.Cause == nil ||
			data.Cause.Message != "a test fails" || data.Requester.Name != "ana" || !strings.Contains(data.Links.Workflow, "127.0.0.1:8233/namespaces/default") {
			t.Errorf("posted %s, %v", got, err)
		}
		batch, err := a.feed.After(t.Context(), 0)
		if err != nil || len(batch.Events) != 2 || batch.Events[1].ID != got.ID() {
			t.Errorf("the stream has %+v, %v", batch, err)
		}
		list, err := view.Subscriptions(t.Context())
		if err != nil || len(list) != 1 || list[0].State != api.SubscriptionActive || list[0].URL != subscriber.URL || strings.Contains(list[0].URL, "hidden") {
			t.Errorf("subscriptions %+v, %v", list, err)
		}
		view.configured = nil
		if list, err := view.Subscriptions(t.Context()); err != nil || list[0].State != api.SubscriptionRemoved {
			t.Errorf("subscriptions %+v, %v, want one that is removed", list, err)
		}
		if err := view.RetryEvent(t.Context(), "ci", "d1", testEpoch); !errors.Is(err, release.ErrConflict) {
			t.Errorf("what nobody would send is sent again: %v", err)
		}
		if err := view.RetryEvent(t.Context(), "nobody", "d1", testEpoch); !errors.Is(err, release.ErrNotFound) {
			t.Errorf("to nobody: %v", err)
		}
	})
}

// awaitSubscription waits until somebody is subscribed.
func awaitSubscription(t *testing.T, s *store.Store) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 12000 {
		all, err := s.Subscriptions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(all) > 0 {
			return
		}
		<-tick.C
	}
	t.Fatal("nobody is subscribed")
}

func TestSubscribersThatCannotBeStopTheStart(t *testing.T) {
	a := &App{log: slog.New(slog.DiscardHandler)}
	_, _, err := a.newEvents(config.Config{PublicURL: "http://sky.example", Events: config.Events{Subscribers: []config.Subscriber{
		{Name: "ci", URL: "https://ci.example.com", Secret: config.Secrets{eventSecret}}, {Name: "cd", URL: "http://hidden", Secret: config.Secrets{"hidden"}},
	}}})
	if err == nil || strings.Contains(err.Error(), "hidden") {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"events: subscribers[1].url: is http", "subscribers[1].secret[0]: does not begin with whsec_"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
