package subscription_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/store/storetest"
	"github.com/skyisland/skyisland/internal/subscription"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// onEach runs a test on a new database of each kind there is, opened twice where two programs can share it.
func onEach(t *testing.T, test func(t *testing.T, one, other *store.Store)) {
	open := func(t *testing.T, dsn string) *store.Store {
		t.Helper()
		s, err := store.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	t.Run("sqlite", func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "store.db"))
		test(t, s, s)
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := storetest.Schema(t)
		test(t, open(t, dsn), open(t, dsn))
	})
}

// outbox is the store in the words of a feed.
type outbox struct{ *store.Store }

func (o outbox) Happened(ctx context.Context, after int64, most int) ([]events.Entry, error) {
	kept, err := o.Store.Happened(ctx, after, most)
	out := make([]events.Entry, len(kept))
	for i, entry := range kept {
		out[i] = events.Entry(entry)
	}
	return out, err
}

var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// clock is what the test says it is.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: epoch} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.After(c.at) {
		c.at = at
	}
}

// told says what became of each attempt once it is stored.
type told struct {
	*store.Store

	became chan string
	// kill makes the program die when an event was sent and that is not stored.
	kill bool
}

func (s told) EventSent(ctx context.Context, d events.Delivery, at time.Time) error {
	if s.kill {
		s.became <- "killed"
		return fmt.Errorf("killed")
	}
	err := s.Store.EventSent(ctx, d, at)
	s.became <- "sent " + d.Event
	return err
}

func (s told) EventFailed(ctx context.Context, d events.Delivery, notBefore, at time.Time) error {
	err := s.Store.EventFailed(ctx, d, notBefore, at)
	what := "failed "
	if d.State == events.Dead {
		what = "dead "
	}
	s.became <- what + d.Event
	return err
}

func (s told) Unsubscribe(ctx context.Context, name, reason string, at time.Time) error {
	err := s.Store.Unsubscribe(ctx, name, reason, at)
	s.became <- "disabled"
	return err
}

// program is a server that sends events.
type program struct {
	feed   *events.Feed
	all    *subscription.Subscribers
	became chan string
	stop   func()
}

// start runs a server until the test ends or it is stopped.
func start(t *testing.T, s *store.Store, c *clock, kill bool, subscribers ...subscription.Subscriber) program {
	t.Helper()
	return startWith(t, s, c, kill, subscription.Options{Subscribers: subscribers})
}

// startWith is start with options that say who is told; an attempt may take as long as nobody waits for where they say
// nothing else, so that no machine is too slow.
func startWith(t *testing.T, s *store.Store, c *clock, kill bool, options subscription.Options) program {
	t.Helper()
	kept := told{s, make(chan string, 10000), kill}
	feed := events.NewFeed(outbox{s}, events.Installation{URL: "http://sky.example"}, nil)
	options.Store, options.Feed, options.Now = kept, feed, c.now
	all, err := subscription.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { feed.Run(ctx) })
	running.Go(func() { all.Run(ctx) })
	stop := func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return program{feed, all, kept.became, stop}
}

func hear[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(time.Minute):
		t.Fatalf("%s: nothing for a minute", what)
	}
	var none T
	return none
}

// subscribed waits until a subscriber is known, and has been told of all that happened.
func subscribed(t *testing.T, s *store.Store, name string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 12000 {
		all, err := s.Subscriptions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Name == name {
				return
			}
		}
		<-tick.C
	}
	t.Fatalf("%s is not subscribed", name)
}

func lane(number int) release.ID {
	return release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: number}
}

// happen stores that something happened to a release.
func happen(t *testing.T, s *store.Store, p program, of release.ID, number int) {
	t.Helper()
	entry := release.Entry{Number: number, At: epoch, Kind: release.EntryPhase, Phase: release.Building, Message: fmt.Sprint("message ", number)}
	summary := release.Summary{ID: of, Phase: release.Building, Commit: "0123456789ab", Requester: release.Actor{Name: "ana", Source: "github"}, Updated: epoch}
	if err := s.SaveProgress(t.Context(), summary, []release.Entry{entry}); err != nil {
		t.Fatal(err)
	}
	p.feed.Kick()
}

// post is one that arrived.
type post struct {
	id, body string
	at       time.Time
}

// receiver is a subscriber that verifies what it is sent by the library of Standard Webhooks.
type receiver struct {
	t     *testing.T
	clock *clock
	*httptest.Server

	mu    sync.Mutex
	posts []post
	// answer is what it does with a post; nil takes it.
	answer func(w http.ResponseWriter, r *http.Request, n int)
}

func receive(t *testing.T, c *clock, answer func(w http.ResponseWriter, r *http.Request, n int)) *receiver {
	t.Helper()
	r := &receiver{t: t, clock: c, answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Error(err)
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		r.t.Error(err)
		return
	}
	if err := verifier.VerifyIgnoringTimestamp(body, req.Header); err != nil {
		r.t.Errorf("signature: %v", err)
	}
	if got, want := req.Header.Get("Webhook-Timestamp"), fmt.Sprint(r.clock.now().Unix()); got != want {
		r.t.Errorf("timestamp %s, want %s of this attempt", got, want)
	}
	if got := req.Header.Get("Content-Type"); got != "application/cloudevents+json; charset=utf-8" {
		r.t.Errorf("content type %s", got)
	}
	r.mu.Lock()
	r.posts = append(r.posts, post{req.Header.Get("Webhook-Id"), string(body), r.clock.now()})
	n := len(r.posts)
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, req, n)
	}
}

func (r *receiver) got() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]post(nil), r.posts...)
}

func (r *receiver) subscriber(name string) subscription.Subscriber {
	return subscription.Subscriber{Name: name, URL: r.URL + "/hooks?key=hidden", Secrets: []string{secret}, AllowPrivate: true}
}
