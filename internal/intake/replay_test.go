package intake

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// replay puts a replay of an event into the inbox, as the store makes it.
func (f *fixture) replay(t *testing.T, n int, of int64, again bool) int64 {
	t.Helper()
	first := f.inbox.events[of]
	replay := Event{
		Source: first.Source, Delivery: fmt.Sprintf("replay-%d-of-%d", n, of), Kind: first.Kind, Body: first.Body, ReceivedAt: time.Now().UTC(),
		ReplayOf: of, First: first.Delivery, Again: again,
	}
	for id, outcome := range f.inbox.outcomes {
		if e := f.inbox.events[id]; id == of || e.ReplayOf == of {
			replay.Released = append(replay.Released, outcome.Releases...)
		}
	}
	for id, e := range f.inbox.events {
		if e.ReplayOf == of {
			replay.Replays = append(replay.Replays, id)
		}
	}
	id, _, err := f.inbox.Accept(t.Context(), replay)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// bodies are pushes with and without a name of their own for what happened.
var bodies = map[string]string{
	"with pushed_at":    strings.Replace(pushBody("acme/new", "refs/heads/main", commitA, commitB), `"full_name"`, `"pushed_at":1700000000,"full_name"`, 1),
	"without pushed_at": pushBody("acme/new", "refs/heads/main", commitA, commitB),
}

func TestAReplayOfWhatWasRefusedIsReleasedOnceItCanBe(t *testing.T) {
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			first := f.accept(t, "push", "d1", body)
			f.once(t)
			if got := f.outcome(t, first); got.Kind != Refused {
				t.Fatalf("outcome %+v, want it refused: nobody registered the repository", got)
			}
			f.registry.known["acme/new"] = release.Application{Tenant: "acme", Name: "new", Repository: "https://git.example/acme/new.git"}
			replay := f.replay(t, 1, first, false)
			f.once(t)
			if got := f.outcome(t, replay); got.Kind != Started || len(got.Releases) != 1 {
				t.Errorf("the replay: %+v, want it started", got)
			}
			if got := f.outcome(t, first); got.Kind != Refused {
				t.Errorf("the first: %+v, want it to keep its outcome", got)
			}
			// It is the happening that the first was, however it comes once more.
			again := f.accept(t, "push", "d1", body)
			f.once(t)
			if again != first || len(f.lanes.requests) != 1 {
				t.Errorf("event %d, %d requests", again, len(f.lanes.requests))
			}
			want := "production " + mustPush(t, body).happening("d1")
			if got := f.lanes.requests[0].Key; got != want {
				t.Errorf("key %q, want that of the first, %q", got, want)
			}
		})
	}
}

func mustPush(t *testing.T, body string) change {
	t.Helper()
	p, err := readPush([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAReplayOfWhatWasReleasedIsADuplicateUnlessItAsksAgain(t *testing.T) {
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.registry.known["acme/new"] = release.Application{Tenant: "acme", Name: "new", Repository: "https://git.example/acme/new.git"}
			first := f.accept(t, "push", "d1", body)
			f.once(t)
			released := f.outcome(t, first).Releases
			// A lane forgets its requests after a while.
			clear(f.lanes.seen)
			replay := f.replay(t, 1, first, false)
			f.once(t)
			if got := f.outcome(t, replay); got.Kind != Duplicate || !slices.Equal(got.Releases, released) || !strings.Contains(got.Message, "--again") {
				t.Errorf("the replay: %+v, want it a duplicate of %v that says how to have another", got, released)
			}
			if n := len(f.lanes.requests); n != 1 {
				t.Errorf("%d requests, want no second one", n)
			}
			again := f.replay(t, 2, first, true)
			f.inbox.failing("settle")
			_ = f.Once(t.Context()) // its answer is lost after the lane has it
			f.inbox.failing("")
			f.inbox.until[again] = time.Time{}
			f.once(t)
			if got := f.outcome(t, again); len(got.Releases) != 1 || got.Releases[0].Number != 2 {
				t.Errorf("again: %+v, want release 2", got)
			}
			third := f.replay(t, 3, first, true)
			f.once(t)
			if got := f.outcome(t, third); len(f.lanes.requests) != 3 || got.Releases[0].Number != 3 {
				t.Errorf("once more: %+v with %d requests, want one release each", got, len(f.lanes.requests))
			}
		})
	}
}

func TestAReplayAsksOnlyTheLanesThatHadNothing(t *testing.T) {
	f := newFixture(t)
	f.routes.Branches = map[string][]string{"main": {"staging"}}
	first := f.push(t, "d1", commitA, commitB)
	f.once(t)
	f.replay(t, 0, first, false) // in vain, which does not take the next one its chance
	f.once(t)
	f.routes.Branches = map[string][]string{"main": {"staging", "production"}}
	clear(f.lanes.seen)
	replay := f.replay(t, 1, first, false)
	f.once(t)
	got := f.outcome(t, replay)
	if got.Kind != Started || len(got.Releases) != 2 || len(f.lanes.requests) != 2 || f.lanes.requests[1].Lane.Environment != "production" {
		t.Errorf("the replay: %+v after %+v, want only production asked", got, f.lanes.requests)
	}
}
