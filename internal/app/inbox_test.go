package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// laneFunc is a lane that answers as the test says.
type laneFunc func(req release.Request) (release.Submission, error)

func (f laneFunc) Submit(_ context.Context, req release.Request) (release.Submission, error) {
	return f(req)
}

// intakeOf is a webhook and its router on a store, before a lane.
func intakeOf(t *testing.T, s *store.Store, lane intake.Submitter) (*intake.Webhook, *intake.Router) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	router := intake.NewRouter(intake.Parts{Inbox: inbox{s}, Applications: applications{Store: s}, Manifests: mainIsProduction{}, Submitter: lane, Repositories: onTheWay{}, Heads: heads{s}, Serving: s, Log: log})
	handler, err := intake.NewGitHub([]string{faultSecret}, inbox{s}, router, log)
	if err != nil {
		t.Fatal(err)
	}
	return handler, router
}

func register(t *testing.T, s *store.Store) {
	t.Helper()
	err := s.SaveApplication(t.Context(), release.Application{
		Tenant: "acme", Name: "checkout", Repository: "https://git.example/" + faultRepo + ".git", Branches: map[string][]string{"main": {"production"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// post delivers a push to a handler.
func post(t *testing.T, handler http.Handler, delivery, commit string) *httptest.ResponseRecorder {
	t.Helper()
	req, err := signedPush(t.Context(), "/webhooks/github", delivery, commit)
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, req)
	return answer
}

func once(t *testing.T, router *intake.Router) {
	t.Helper()
	if err := router.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
}

var someCommit = strings.Repeat("c", 40)

func TestAStoreThatIsDownIsAnsweredWith503AndTheDeliveryCanComeAgain(t *testing.T) {
	onEachWorld(t, func(t *testing.T, w *world) {
		down, err := store.Open(t.Context(), w.dsn)
		if err != nil {
			t.Fatal(err)
		}
		if err := down.Close(); err != nil {
			t.Fatal(err)
		}
		nobody := laneFunc(func(release.Request) (release.Submission, error) {
			t.Error("a lane was asked")
			return release.Submission{}, nil
		})
		handler, router := intakeOf(t, down, nobody)
		answer := post(t, handler, "d-1", someCommit)
		if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" || !strings.Contains(answer.Body.String(), "deliver it again") {
			t.Errorf("answer %d, Retry-After %q: %s", answer.Code, answer.Header().Get("Retry-After"), answer.Body)
		}
		if err := router.Once(t.Context()); err == nil {
			t.Error("the router reads an inbox that is closed")
		}
		if events, _, err := w.store.Events(t.Context(), store.EventFilter{}); err != nil || len(events) != 0 {
			t.Fatalf("events %+v, %v, want nothing half-done", events, err)
		}
		handler, _ = intakeOf(t, w.store, nobody)
		if answer := post(t, handler, "d-1", someCommit); answer.Code != http.StatusAccepted || strings.Contains(answer.Body.String(), "duplicate") {
			t.Errorf("redelivered: %d %s", answer.Code, answer.Body)
		}
	})
}

func TestEventsWaitWhileTemporalIsDownAndAreHandedOnByTheNextProcess(t *testing.T) {
	onEachWorld(t, func(t *testing.T, w *world) {
		away := laneFunc(func(release.Request) (release.Submission, error) {
			return release.Submission{}, errors.New("connection refused")
		})
		handler, router := intakeOf(t, w.store, away)
		commits := []string{strings.Repeat("a", 40), strings.Repeat("b", 40)}
		for i, commit := range commits {
			if answer := post(t, handler, string(rune('1'+i)), commit); answer.Code != http.StatusAccepted {
				t.Fatalf("answer %d %s, want it stored whatever Temporal does", answer.Code, answer.Body)
			}
		}
		once(t, router)
		for id, want := range []string{"connection refused", "waits for event 1"} {
			event, err := w.store.Event(t.Context(), int64(id+1))
			if err != nil || event.Outcome.Kind != "" || event.Attempts != 1 || !strings.Contains(event.Postponed, want) {
				t.Errorf("event %+v, %v, want it to wait because %q", event, err, want)
			}
		}
		var asked []string
		_, next := intakeOf(t, w.store, laneFunc(func(req release.Request) (release.Submission, error) {
			asked = append(asked, req.Commit)
			return release.Submission{Release: release.ID{Lane: req.Lane, Number: len(asked)}, Answer: release.Started}, nil
		}))
		once(t, next)
		if !slices.Equal(asked, commits) {
			t.Errorf("asked for %q, want both in their order", asked)
		}
		for _, event := range w.settled(t) {
			if event.Outcome.Kind != store.Started {
				t.Errorf("event %d: %+v, want it started", event.ID, event.Outcome)
			}
		}
	})
}

func TestReplaysGoThroughTheStoreAndTheRouter(t *testing.T) {
	onEachStore(t, func(t *testing.T, s, _ *store.Store) {
		// A lane that forgets at once whom it had: the store remembers.
		var keys []string
		handler, router := intakeOf(t, s, laneFunc(func(req release.Request) (release.Submission, error) {
			keys = append(keys, req.Key)
			return release.Submission{Release: release.ID{Lane: req.Lane, Number: len(keys)}, Answer: release.Started, Message: "started"}, nil
		}))
		woken := 0
		view := inboxView{s, func() { woken++; router.Wake() }}
		olga := release.Actor{Name: "olga", Source: "api"}
		replay := func(of int64, again bool, want string, releases ...string) int64 {
			t.Helper()
			event, err := view.ReplayEvent(t.Context(), of, api.ReplayBody{Again: again, Request: "r"}, olga)
			if err != nil || event.Outcome != "" || event.ReplayOf != 1 || event.AskedBy.Name != "olga" {
				t.Fatalf("replay %+v, %v", event, err)
			}
			once(t, router)
			event, err = view.InboxEvent(t.Context(), event.ID)
			if err != nil || event.Outcome != want || !slices.Equal(event.Releases, releases) {
				t.Errorf("the replay is %+v, %v, want it %s with %q", event, err, want, releases)
			}
			return event.ID
		}
		if answer := post(t, handler, "d-1", someCommit); answer.Code != http.StatusAccepted {
			t.Fatal(answer.Body)
		}
		once(t, router)
		if event, err := view.InboxEvent(t.Context(), 1); err != nil || event.Outcome != "refused" || !strings.Contains(event.Message, "none is known yet") {
			t.Fatalf("event %+v, %v, want it refused: nobody registered the repository", event, err)
		}
		register(t, s)
		const one, two = "acme/checkout/production/1", "acme/checkout/production/2"
		second := replay(1, true, "started", one) // there is none yet to have again
		if same, err := view.ReplayEvent(t.Context(), 1, api.ReplayBody{Request: "r"}, olga); err != nil || same.ID != second {
			t.Errorf("the same request: event %d, %v, want %d", same.ID, err, second)
		}
		again := func(of int64, request string, another bool, want, id string) {
			t.Helper()
			event, err := view.ReplayEvent(t.Context(), of, api.ReplayBody{Again: another, Request: request}, olga)
			if err != nil {
				t.Fatal(err)
			}
			once(t, router)
			if event, err = view.InboxEvent(t.Context(), event.ID); err != nil || event.Outcome != want || event.Releases[0] != id {
				t.Errorf("%s: %+v, %v, want it %s with %s", request, event, err, want, id)
			}
		}
		again(1, "plain", false, "duplicate", one)
		again(second, "another", true, "started", two)
		again(1, "plain once more", false, "duplicate", one)
		if len(keys) != 2 || keys[0] == keys[1] || woken == 0 {
			t.Errorf("the lane was asked for %q, want two different things; woken %d times", keys, woken)
		}
		list, _, err := view.InboxEvents(t.Context(), api.EventFilter{Outcome: "duplicate"})
		if err != nil || len(list) != 2 {
			t.Errorf("duplicates %+v, %v", list, err)
		}
		body, err := view.InboxBody(t.Context(), second)
		if err != nil || !strings.Contains(string(body), someCommit) {
			t.Errorf("body %q, %v", body, err)
		}
		if shown, err := view.InboxEvent(t.Context(), second); err != nil || shown.About == nil || shown.About.Commit != someCommit {
			t.Errorf("it is about %+v, %v", shown.About, err)
		}
		if _, err := s.PruneBodies(t.Context(), time.Now().Add(time.Hour), time.Now(), 100); err != nil {
			t.Fatal(err)
		}
		if _, err := view.InboxBody(t.Context(), 1); !errors.Is(err, api.ErrForgotten) {
			t.Errorf("error %v, want %v", err, api.ErrForgotten)
		}
		if shown, err := view.InboxEvent(t.Context(), 1); err != nil || shown.About != nil {
			t.Errorf("without its body it is about %+v, %v", shown.About, err)
		}
		if _, err := view.ReplayEvent(t.Context(), 1, api.ReplayBody{}, olga); !errors.Is(err, api.ErrForgotten) {
			t.Errorf("error %v, want %v", err, api.ErrForgotten)
		}
		if _, _, err := view.InboxEvents(t.Context(), api.EventFilter{Before: "x"}); !errors.Is(err, api.ErrCursor) {
			t.Errorf("error %v, want %v", err, api.ErrCursor)
		}
	})
}

func TestOldEventsAreForgottenByAClockAndWhatWaitsIsNot(t *testing.T) {
	onEachStore(t, func(t *testing.T, s, _ *store.Store) {
		const many = 3*pruneMost + 7
		for n := range many {
			event := store.Event{Source: "github", Delivery: laneNumber(n + 1).String(), Kind: "push", Body: []byte("{}"), ReceivedAt: testEpoch}
			id, _, err := s.Accept(t.Context(), event)
			if err == nil && n > 0 {
				err = s.Settle(t.Context(), id, store.Outcome{Kind: store.Ignored}, testEpoch)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		clock, ticks, heard := &testClock{}, make(chan time.Time), make(chan string, 10)
		r := retention{
			store: s, log: slog.New(slog.NewTextHandler(lines(heard), nil)), events: 90 * 24 * time.Hour, bodies: 30 * 24 * time.Hour, now: clock.now,
			ticks: func() (<-chan time.Time, func()) { return ticks, func() {} },
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.run(ctx) }()
		left := func() (events, bodies int) {
			t.Helper()
			for before := ""; ; {
				page, next, err := s.Events(t.Context(), store.EventFilter{Limit: 500, Before: before})
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page {
					events++
					if e.BodyPruned.IsZero() {
						bodies++
					}
				}
				if before = next; next == "" {
					return events, bodies
				}
			}
		}
		ticks <- testEpoch // what was done at the start is done
		if events, bodies := left(); events != many || bodies != many {
			t.Errorf("at the start %d events and %d bodies are left", events, bodies)
		}
		clock.pass(30*24*time.Hour + time.Second)
		ticks <- clock.now()
		if line := hear(t, "the log", heard); !strings.Contains(line, "bodies=606") {
			t.Errorf("after 30 days: %s", line)
		}
		if events, bodies := left(); events != many || bodies != 1 {
			t.Errorf("after 30 days %d events and %d bodies are left, want all and the one that waits", events, bodies)
		}
		clock.pass(60 * 24 * time.Hour)
		ticks <- clock.now()
		if line := hear(t, "the log", heard); !strings.Contains(line, "events=606") {
			t.Errorf("after 90 days: %s", line)
		}
		if events, bodies := left(); events != 1 || bodies != 1 {
			t.Errorf("after 90 days %d events and %d bodies are left, want the one that waits", events, bodies)
		}
		cancel()
		<-ended
	})
}

// lines passes on what is written.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestAStoreThatFailsIsTriedAgainAtTheNextTick(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ticks, heard := make(chan time.Time), make(chan string, 10)
	r := retention{
		store: s, log: slog.New(slog.NewTextHandler(lines(heard), nil)), now: (&testClock{}).now,
		ticks: func() (<-chan time.Time, func()) { return ticks, func() {} },
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.run(ctx) }()
	for range 2 {
		if line := hear(t, "the log", heard); !strings.Contains(line, "old events stay") {
			t.Errorf("the log says %s", line)
		}
		ticks <- testEpoch
	}
	cancel()
	<-ended
}
