package gitremote

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/git/gittest"
)

// receiver records deliveries. Its answer can be changed while it runs.
type receiver struct {
	mu     sync.Mutex
	got    []Delivery
	answer func(context.Context, Delivery) (Answer, error)
	// accepted gets every delivery that was answered without error.
	accepted chan Delivery
}

func newReceiver() *receiver { return &receiver{accepted: make(chan Delivery, 2000)} }

func (r *receiver) deliver(ctx context.Context, d Delivery) (Answer, error) {
	r.mu.Lock()
	r.got = append(r.got, d)
	answer := r.answer
	r.mu.Unlock()
	if answer == nil {
		r.accepted <- d
		return Answer{}, nil
	}
	a, err := answer(ctx, d)
	if err == nil {
		r.accepted <- d
	}
	return a, err
}

func (r *receiver) answers(answer func(context.Context, Delivery) (Answer, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// take returns the deliveries so far and forgets them.
func (r *receiver) take() []Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

// event waits for an accepted delivery and decodes it.
func (r *receiver) event(t *testing.T) (Delivery, pushEvent) {
	t.Helper()
	select {
	case d := <-r.accepted:
		return d, decode(t, d)
	case <-time.After(30 * time.Second):
		t.Fatal("no event was delivered")
		return Delivery{}, pushEvent{}
	}
}

func decode(t *testing.T, d Delivery) pushEvent {
	t.Helper()
	var e pushEvent
	if err := json.Unmarshal(d.Body, &e); err != nil {
		t.Fatalf("event %s: %v", d.Body, err)
	}
	return e
}

var errDown = errors.New("nobody there")

func down(context.Context, Delivery) (Answer, error) { return Answer{}, errDown }

// fixture is a remote that listens, and the receiver of its events.
type fixture struct {
	*Remote
	server   *httptest.Server
	receiver *receiver
	dir      string
}

func newFixture(t *testing.T, change ...func(*Options)) *fixture {
	t.Helper()
	return openFixture(t, t.TempDir(), newReceiver(), change...)
}

// openFixture opens a remote on a directory that may have been used before.
func openFixture(t *testing.T, dir string, receiver *receiver, change ...func(*Options)) *fixture {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	opts := Options{
		Dir:        dir,
		PublicURL:  "http://" + server.Listener.Addr().String(),
		Deliver:    receiver.deliver,
		Log:        slog.New(slog.DiscardHandler),
		RetryDelay: time.Millisecond,
		RetryMax:   10 * time.Millisecond,
	}
	for _, c := range change {
		c(&opts)
	}
	remote, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = remote
	server.Start()
	t.Cleanup(server.Close)
	return &fixture{Remote: remote, server: server, receiver: receiver, dir: dir}
}

var shop = Name{Tenant: "demo", Application: "shop"}

// clone makes a repository with one commit whose origin is the fixture's.
func (f *fixture) clone(t *testing.T, name Name) (repo *gittest.Repo, commit string) {
	t.Helper()
	repo = gittest.New(t)
	repo.Git("remote", "add", "origin", f.URL(name))
	repo.Write("a", "one")
	commit = repo.Commit("first")
	return repo, commit
}

// run runs the retry loop until stop, or the end of the test.
func (f *fixture) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- f.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}
