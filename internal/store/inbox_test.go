package store_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

func event(delivery string) store.Event {
	return store.Event{Source: "github", Delivery: delivery, Kind: "push", Body: []byte(`{"ref": "x"}`), ReceivedAt: at(1)}
}

func accept(t *testing.T, s *store.Store, e store.Event) int64 {
	t.Helper()
	id, duplicate, err := s.Accept(t.Context(), e)
	if err != nil || duplicate {
		t.Fatalf("duplicate %v, error %v", duplicate, err)
	}
	return id
}

func deliveries(events []store.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.Delivery)
	}
	return out
}

func pending(t *testing.T, s *store.Store, second, limit int) []store.Event {
	t.Helper()
	events, err := s.Pending(t.Context(), at(second), limit)
	check(t, err)
	return events
}

func TestAnEventIsStoredOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		first := accept(t, s, event("1"))
		again := event("1")
		again.Body = []byte("other")
		if id, duplicate, err := s.Accept(t.Context(), again); id != first || !duplicate || err != nil {
			t.Errorf("ID %d, duplicate %v, error %v, want %d, true", id, duplicate, err, first)
		}
		elsewhere := event("1")
		elsewhere.Source = "gitlab"
		if id := accept(t, open(t), elsewhere); id != first+1 {
			t.Errorf("ID %d after %d: a duplicate took a number", id, first)
		}
		want := event("1")
		want.ID, want.ReceivedAt = first, kept(want.ReceivedAt)
		if got := pending(t, s, 1, 1); !reflect.DeepEqual(got, []store.Event{want}) {
			t.Errorf("pending %+v, want %+v", got, want)
		}
	})
}

func TestManyAcceptTheSameAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		stores := []*store.Store{open(t), open(t)}
		const same, each = 20, 5
		var stored atomic.Int64
		ids := make([]sync.Map, each)
		var wait sync.WaitGroup
		for i := range same {
			wait.Go(func() {
				for j := range each {
					id, duplicate, err := stores[i%len(stores)].Accept(t.Context(), event(fmt.Sprint(j)))
					if err != nil {
						t.Error(err)
					}
					if !duplicate {
						stored.Add(1)
					}
					ids[j].Store(id, true)
				}
			})
		}
		wait.Wait()
		if stored.Load() != each {
			t.Errorf("%d stored, want %d", stored.Load(), each)
		}
		for j := range each {
			n := 0
			ids[j].Range(func(any, any) bool { n++; return true })
			if n != 1 {
				t.Errorf("delivery %d has %d IDs", j, n)
			}
		}
		if got := pending(t, stores[0], 1, 100); len(got) != each || got[0].ID != 1 || got[each-1].ID != each {
			t.Errorf("pending %+v, want numbers 1 to %d", got, each)
		}
	})
}

func TestABodyIsAnyBytes(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		bodies := [][]byte{[]byte(nasty), {}, nil, bytes.Repeat([]byte{0, 0xff, 'x'}, 10<<20/3)}
		for i, body := range bodies {
			e := event(fmt.Sprint(i))
			e.Body = body
			accept(t, s, e)
		}
		for i, e := range pending(t, s, 1, 10) {
			if !bytes.Equal(e.Body, bodies[i]) {
				t.Errorf("body %d came back with %d bytes, other than the %d it had", i, len(e.Body), len(bodies[i]))
			}
		}
	})
}

func TestAnEventBeyondItsBoundsIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for name, change := range map[string]func(*store.Event){
			"source":   func(e *store.Event) { e.Source = "" },
			"delivery": func(e *store.Event) { e.Delivery = nasty },
			"kind":     func(e *store.Event) { e.Kind = strings.Repeat("x", 256) },
			"body":     func(e *store.Event) { e.Body = make([]byte, 32<<20+1) },
		} {
			e := event("1")
			change(&e)
			if _, _, err := s.Accept(t.Context(), e); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want one that names the %s", err, name)
			}
		}
		if got := pending(t, s, 1, 10); len(got) != 0 {
			t.Errorf("pending %+v, want none", got)
		}
	})
}

func TestPendingAreThoseThatAreDueOldestFirst(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		first, second, third := event("b"), event("a"), event("c")
		// The order is that of storing, whatever the clocks said.
		first.ReceivedAt = at(3)
		a, b := accept(t, s, first), accept(t, s, second)
		accept(t, s, third)
		for _, test := range []struct {
			name          string
			second, limit int
			want          []string
		}{
			{"all", 3, 10, []string{"b", "a", "c"}},
			{"as many as asked for", 3, 2, []string{"b", "a"}},
			{"those that are due", 2, 10, []string{"a", "c"}},
		} {
			if got := deliveries(pending(t, s, test.second, test.limit)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: pending %q, want %q", test.name, got, test.want)
			}
		}
		check(t, s.Postpone(t.Context(), a, "the lane is away: "+nasty, at(10)))
		check(t, s.Settle(t.Context(), b, store.Outcome{Kind: store.Ignored}, at(4)))
		if got := deliveries(pending(t, s, 9, 10)); !reflect.DeepEqual(got, []string{"c"}) {
			t.Errorf("pending %q, want c", got)
		}
		if got := deliveries(pending(t, s, 10, 10)); !reflect.DeepEqual(got, []string{"b", "c"}) {
			t.Errorf("pending %q, want b and c", got)
		}
		check(t, s.Postpone(t.Context(), b, "late", at(5)))
		if got := deliveries(pending(t, s, 9, 10)); !reflect.DeepEqual(got, []string{"c"}) {
			t.Errorf("pending %q: an event with an outcome is back", got)
		}
		wantError(t, s.Postpone(t.Context(), 99, "", at(5)), release.ErrNotFound)
	})
}

func TestPendingGivesNoMoreThanMemoryCanHold(t *testing.T) {
	s := opener(t.TempDir() + "/store.db")(t)
	for i := range 4 {
		e := event(fmt.Sprint(i))
		e.Body = make([]byte, 30<<20)
		accept(t, s, e)
	}
	if got := deliveries(pending(t, s, 1, 10)); !reflect.DeepEqual(got, []string{"0", "1", "2"}) {
		t.Errorf("pending %q, want the first three", got)
	}
}

func TestAnEventHasOneOutcome(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		e := accept(t, s, event("1"))
		if out, settled, err := s.Outcome(t.Context(), e); settled || err != nil {
			t.Errorf("outcome %+v, settled %v, error %v, want none yet", out, settled, err)
		}
		want := store.Outcome{Kind: store.Started, Message: "started a\uFFFDb\uFFFDc", Releases: []release.ID{id(1), id(12)}}
		first := want
		first.Message = "started " + nasty
		check(t, s.Settle(t.Context(), e, first, at(2)))
		check(t, s.Settle(t.Context(), e, first, at(3)))
		wordier := want
		wordier.Message = "has been started"
		check(t, s.Settle(t.Context(), e, wordier, at(3)))

		wantError(t, s.Settle(t.Context(), e, store.Outcome{Kind: store.Refused, Releases: first.Releases}, at(3)), release.ErrConflict)
		wantError(t, s.Settle(t.Context(), e, store.Outcome{Kind: store.Started, Releases: []release.ID{id(1)}}, at(3)), release.ErrConflict)
		wantError(t, s.Settle(t.Context(), 99, want, at(3)), release.ErrNotFound)
		if err := s.Settle(t.Context(), e, store.Outcome{Kind: "lost"}, at(3)); err == nil {
			t.Error("an outcome that is none was stored")
		}
		if got, settled, err := open(t).Outcome(t.Context(), e); !settled || err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("outcome %+v, settled %v, error %v, want %+v", got, settled, err, want)
		}
		_, _, err := s.Outcome(t.Context(), 99)
		wantError(t, err, release.ErrNotFound)
	})
}

func TestManySettleAtOnceAndOneWins(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		e := accept(t, s, event("1"))
		var won, lost atomic.Int64
		var wait sync.WaitGroup
		for i := range 16 {
			wait.Go(func() {
				if err := s.Settle(t.Context(), e, store.Outcome{Kind: store.Started, Releases: []release.ID{id(i + 1)}}, at(2)); err == nil {
					won.Add(1)
				} else {
					wantError(t, err, release.ErrConflict)
					lost.Add(1)
				}
			})
		}
		wait.Wait()
		if won.Load() != 1 || lost.Load() != 15 {
			t.Errorf("%d won and %d lost, want 1 and 15", won.Load(), lost.Load())
		}
	})
}

func TestEveryOutcomeCanBeKept(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for _, kind := range []store.OutcomeKind{
			store.Started, store.Queued, store.Superseding, store.Duplicate, store.Ignored, store.Refused,
		} {
			e := accept(t, s, event(string(kind)))
			check(t, s.Settle(t.Context(), e, store.Outcome{Kind: kind}, at(2)))
			want := store.Outcome{Kind: kind}
			if got, settled, err := s.Outcome(t.Context(), e); !settled || err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("outcome %+v, settled %v, error %v, want %+v", got, settled, err, want)
			}
		}
	})
}

func TestKnowsWhatIsStored(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		if _, _, err := s.Accept(t.Context(), store.Event{Source: "github", Delivery: "d1", Kind: "push", ReceivedAt: at(1)}); err != nil {
			t.Fatal(err)
		}
		for delivery, want := range map[string]bool{"d1": true, "d2": false} {
			if got, err := s.Knows(t.Context(), "github", delivery); err != nil || got != want {
				t.Errorf("knows %s: %t, %v", delivery, got, err)
			}
		}
		if got, err := s.Knows(t.Context(), "gitlab", "d1"); err != nil || got {
			t.Errorf("knows another source's: %t, %v", got, err)
		}
	})
}
