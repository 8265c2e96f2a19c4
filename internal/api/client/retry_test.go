package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
)

// losing passes requests on and loses the answers of the first ones: the connection ends when all has been done.
type losing struct {
	next http.Handler
	lose atomic.Int32

	mu   sync.Mutex
	keys []string
}

func (l *losing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.keys = append(l.keys, r.Header.Get("Idempotency-Key"))
	l.mu.Unlock()
	if l.lose.Add(-1) < 0 {
		l.next.ServeHTTP(w, r)
		return
	}
	l.next.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// sent are the keys that came so far.
func (l *losing) sent() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.keys)
}

// lossy serves an installation whose first answers are lost.
func lossy(t *testing.T, i *apitest.Installation, answers int32) (*losing, string) {
	t.Helper()
	server, err := i.Server(api.Info{})
	if err != nil {
		t.Fatal(err)
	}
	l := &losing{next: server.Handler()}
	l.lose.Store(answers)
	web := httptest.NewServer(l)
	t.Cleanup(web.Close)
	return l, web.URL
}

func TestAnAnswerThatIsLostIsAskedForAgain(t *testing.T) {
	i := apitest.New()
	i.Put(status(release.Ramping))
	l, address := lossy(t, i, 1)
	c := connect(t, address, apitest.Operator)
	followed, err := c.Instruct(t.Context(), three, dispatch.Rollback, api.InstructionBody{})
	if err != nil || followed.Message != "rollback followed" {
		t.Fatalf("got %+v, %v", followed, err)
	}
	if told := i.Told(); len(told) != 1 {
		t.Errorf("told %d times", len(told))
	}
	if len(l.sent()) != 2 || l.sent()[0] == "" || l.sent()[0] != l.sent()[1] {
		t.Errorf("sent with the keys %q", l.sent())
	}
	// Each thing that is asked for has a key of its own.
	if _, err := c.Instruct(t.Context(), three, dispatch.Rollback, api.InstructionBody{}); err != nil || len(i.Told()) != 2 || l.sent()[2] == l.sent()[0] {
		t.Errorf("the next was %v, told %d times with the keys %q", err, len(i.Told()), l.sent())
	}
}

func TestAServerThatLosesEverythingIsGivenUp(t *testing.T) {
	i := apitest.New()
	i.Put(status(release.Ramping))
	l, address := lossy(t, i, 100)
	if _, err := connect(t, address, apitest.Operator).Instruct(t.Context(), three, dispatch.Pause, api.InstructionBody{}); err == nil {
		t.Error("it was answered")
	}
	// The library sends what carries a key once more of itself when it takes up an old connection.
	if n := len(l.sent()); n < 2 || n > 4 {
		t.Errorf("sent %d times", n)
	}
	if told := i.Told(); len(told) != 1 {
		t.Errorf("told %d times", len(told))
	}
}

func TestWhatIsStillDoneIsWaitedFor(t *testing.T) {
	i := apitest.New()
	begun, end := make(chan struct{}), make(chan struct{})
	i.Inbox().Hold(begun, end)
	server, err := i.Server(api.Info{})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1: // The connection ends while the server goes on with what it was told.
			go server.Handler().ServeHTTP(httptest.NewRecorder(), r.WithContext(t.Context()))
			<-begun
			panic(http.ErrAbortHandler)
		case 2:
			server.Handler().ServeHTTP(w, r)
			close(end)
		default:
			server.Handler().ServeHTTP(w, r)
		}
	}))
	t.Cleanup(web.Close)
	requested, err := connect(t, web.URL, apitest.Operator).Start(t.Context(), "demo", "hello", api.StartBody{Ref: "main"})
	if err != nil || requested.Event != 1 || len(i.Inbox().Requests()) != 1 {
		t.Errorf("got %+v, %v; asked for %v", requested, err, i.Inbox().Requests())
	}
	if n := asked.Load(); n < 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestAStartIsWaitedFor(t *testing.T) {
	i := apitest.New()
	want := api.EventOutcome{Kind: "queued", Message: "behind release 3", Releases: []release.ID{three}}
	i.Inbox().Settle(want)
	c := connect(t, i.Start(t, api.Info{}), apitest.Operator)
	got, err := c.StartAndWait(t.Context(), "demo", "hello", api.StartBody{Ref: "main"})
	if err != nil || got.Event != 1 || got.Outcome == nil || got.Outcome.Message != want.Message {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	i := apitest.New()
	c := connect(t, i.Start(t, api.Info{}), apitest.Operator)
	for n := range 1003 {
		name := "a" + string(rune('a'+n/26/26)) + string(rune('a'+n/26%26)) + string(rune('a'+n%26))
		if err := i.SaveApplication(t.Context(), release.Application{Tenant: "demo", Name: name, Repository: "https://example.com/" + name}); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := c.Applications(t.Context()); err != nil || len(all) != 1003 {
		t.Errorf("got %d, %v", len(all), err)
	}
}

func TestAStreamThatEndsAtOnceIsAskedForLessAndLess(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "retry: 2000\nid: 1\n\n")
	}))
	t.Cleanup(web.Close)
	interrupted := 0
	for _, err := range connect(t, web.URL, apitest.Reader).Stream(t.Context(), client.StreamQuery{}) {
		var retry *client.RetryError
		if !errors.As(err, &retry) {
			t.Fatalf("got %v, want an interruption", err)
		}
		if want := "the connection to " + web.URL + " was lost: the server ended it"; err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
		if interrupted++; interrupted == 3 {
			if retry.After < 500*time.Millisecond {
				t.Errorf("the third time it waits %s", retry.After)
			}
			break
		}
	}
}
