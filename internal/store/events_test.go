package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

var olga = release.Actor{Name: "olga", Source: "api", Groups: []string{"leads"}}

// storyOfEvents stores five events: one started, one ignored, one refused, one postponed and one new.
func storyOfEvents(t *testing.T, s *store.Store) {
	t.Helper()
	for i, e := range []store.Event{
		{Source: "github", Delivery: "d-1", Kind: "push"}, {Source: "github", Delivery: "d-2", Kind: "star"},
		{Source: "alertmanager", Delivery: "d-3", Kind: "alarm"}, {Source: "github", Delivery: "d-4", Kind: "push"},
		{Source: "git", Delivery: "d-5", Kind: "push"},
	} {
		e.Body, e.ReceivedAt = bytes.Repeat([]byte("x"), i+1), at(i+1)
		accept(t, s, e)
	}
	check(t, s.Settle(t.Context(), 1, store.Outcome{Kind: store.Started, Message: "it has started", Releases: []release.ID{id(1), id(2)}}, at(10)))
	check(t, s.Settle(t.Context(), 2, store.Outcome{Kind: store.Ignored, Message: "a star event starts nothing"}, at(11)))
	check(t, s.Settle(t.Context(), 3, store.Outcome{Kind: store.Refused, Message: "nobody"}, at(12)))
	check(t, s.Postpone(t.Context(), 4, "the lane is away", at(20)))
}

func ids(records []store.EventRecord) []int64 {
	var out []int64
	for _, r := range records {
		out = append(out, r.ID)
	}
	return out
}

func TestEventsAreFoundByWhatTheyAreNewestFirst(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		storyOfEvents(t, s)
		for _, test := range []struct {
			name   string
			filter store.EventFilter
			want   []int64
			next   string
		}{
			{"all", store.EventFilter{}, []int64{5, 4, 3, 2, 1}, ""},
			{"a page", store.EventFilter{Limit: 2}, []int64{5, 4}, "4"},
			{"the next page", store.EventFilter{Limit: 2, Before: "4"}, []int64{3, 2}, "2"},
			{"the last page", store.EventFilter{Limit: 2, Before: "2"}, []int64{1}, ""},
			{"of a source", store.EventFilter{Source: "github"}, []int64{4, 2, 1}, ""},
			{"of a kind", store.EventFilter{Kind: "push"}, []int64{5, 4, 1}, ""},
			{"of a delivery", store.EventFilter{Delivery: "d-3"}, []int64{3}, ""},
			{"with an outcome", store.EventFilter{Outcome: store.Refused}, []int64{3}, ""},
			{"pending", store.EventFilter{Pending: true}, []int64{5, 4}, ""},
			{"since a time", store.EventFilter{Since: at(3)}, []int64{5, 4, 3}, ""},
			{"all at once", store.EventFilter{Source: "github", Kind: "push", Pending: true, Since: at(2)}, []int64{4}, ""},
			{"none", store.EventFilter{Source: nasty}, nil, ""},
		} {
			got, next, err := s.Events(t.Context(), test.filter)
			if err != nil || !reflect.DeepEqual(ids(got), test.want) || next != test.next {
				t.Errorf("%s: %v, next %q, %v, want %v, %q", test.name, ids(got), next, err, test.want, test.next)
			}
		}
		for _, cursor := range []string{"x", "0", "-1"} {
			_, _, err := s.Events(t.Context(), store.EventFilter{Before: cursor})
			wantError(t, err, store.ErrCursor)
		}
	})
}

func TestAnEventTellsEverythingButItsBody(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		storyOfEvents(t, s)
		want := store.EventRecord{
			Event:    store.Event{ID: 1, Source: "github", Delivery: "d-1", Kind: "push", ReceivedAt: kept(at(1))},
			BodySize: 1, Due: kept(at(1)), Settled: kept(at(10)),
			Outcome: store.Outcome{Kind: store.Started, Message: "it has started", Releases: []release.ID{id(1), id(2)}},
		}
		if got, err := s.Event(t.Context(), 1); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("event %+v, %v, want %+v", got, err, want)
		}
		want = store.EventRecord{
			Event:    store.Event{ID: 4, Source: "github", Delivery: "d-4", Kind: "push", ReceivedAt: kept(at(4))},
			BodySize: 4, Attempts: 1, Postponed: "the lane is away", Due: kept(at(20)),
		}
		if got, err := s.Event(t.Context(), 4); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("event %+v, %v, want %+v", got, err, want)
		}
		if body, err := s.EventBody(t.Context(), 3); err != nil || string(body) != "xxx" {
			t.Errorf("body %q, %v", body, err)
		}
		_, err := s.Event(t.Context(), 99)
		wantError(t, err, release.ErrNotFound)
		_, err = s.EventBody(t.Context(), 99)
		wantError(t, err, release.ErrNotFound)
	})
}

func TestAReplayIsAnEventOfItsOwn(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		storyOfEvents(t, s)
		// A source may have used the name before.
		accept(t, s, store.Event{Source: "github", Delivery: "replay-1-of-1", Kind: "push", ReceivedAt: at(5)})
		check(t, s.Settle(t.Context(), 6, store.Outcome{Kind: store.Ignored}, at(6)))
		replay, repeated, err := s.Replay(t.Context(), 1, store.Replay{By: olga, Again: true, Request: "r1"}, at(30))
		if err != nil || replay != 7 || repeated {
			t.Fatalf("replay %d, repeated %v, %v", replay, repeated, err)
		}
		if same, repeated, err := s.Replay(t.Context(), 1, store.Replay{By: olga, Again: true, Request: "r1"}, at(31)); err != nil || same != replay || !repeated {
			t.Errorf("the same request: replay %d, repeated %v, %v", same, repeated, err)
		}
		want := store.Event{
			ID: 7, Source: "github", Delivery: "replay-2-of-1", Kind: "push", Body: []byte("x"), ReceivedAt: kept(at(30)),
			ReplayOf: 1, Replays: []int64{7}, First: "d-1", Released: []release.ID{id(1), id(2)}, Again: true,
		}
		if waits := pending(t, s, 30, 10); len(waits) != 3 || !reflect.DeepEqual(waits[2], want) {
			t.Errorf("pending %+v, want last %+v", waits, want)
		}
		_, _, err = s.Replay(t.Context(), 1, store.Replay{By: olga, Request: "r2"}, at(32))
		wantError(t, err, release.ErrConflict)

		check(t, s.Settle(t.Context(), replay, store.Outcome{Kind: store.Started, Releases: []release.ID{id(3)}}, at(33)))
		second, _, err := s.Replay(t.Context(), replay, store.Replay{By: olga}, at(34))
		check(t, err)
		got, err := s.Event(t.Context(), second)
		if err != nil || got.ReplayOf != 1 || got.Delivery != "replay-3-of-1" && got.Delivery != "replay-2-of-1" || got.Again || !reflect.DeepEqual(got.By, olga) {
			t.Errorf("a replay of the replay: %+v, %v", got, err)
		}
		first, err := s.Event(t.Context(), 1)
		if err != nil || first.Outcome.Kind != store.Started || !first.Settled.Equal(kept(at(10))) || !reflect.DeepEqual(first.Replays, []int64{replay, second}) {
			t.Errorf("the first is now %+v, %v", first, err)
		}
		waits := pending(t, s, 34, 10)
		last := waits[len(waits)-1]
		if !reflect.DeepEqual(last.Released, []release.ID{id(1), id(2), id(3)}) || !reflect.DeepEqual(last.Replays, []int64{replay, second}) {
			t.Errorf("the second replay knows of %v and %v", last.Released, last.Replays)
		}
	})
}

func TestWhatCannotBeReplayed(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		storyOfEvents(t, s)
		_, _, err := s.Replay(t.Context(), 4, store.Replay{}, at(30))
		wantError(t, err, release.ErrConflict)
		_, _, err = s.Replay(t.Context(), 99, store.Replay{}, at(30))
		wantError(t, err, release.ErrNotFound)
		if _, _, err = s.Replay(t.Context(), 1, store.Replay{Request: nasty}, at(30)); err == nil || !strings.Contains(err.Error(), "want text of at most 255 bytes") {
			t.Errorf("error %v, want one about the request", err)
		}
		// What has no release cannot have one again: it is asked for under its first name.
		replay, _, err := s.Replay(t.Context(), 3, store.Replay{Again: true}, at(30))
		check(t, err)
		if got, err := s.Event(t.Context(), replay); err != nil || got.Again {
			t.Errorf("event %+v, %v, want it not again", got, err)
		}
		if _, _, err := s.Accept(t.Context(), store.Event{Source: "github", Delivery: "x", Kind: "push", ReplayOf: 1}); err == nil {
			t.Error("a replay was accepted from outside")
		}
		n, err := s.PruneBodies(t.Context(), at(100), at(100), 10)
		if err != nil || n != 3 {
			t.Fatalf("%d bodies pruned, %v", n, err)
		}
		_, _, err = s.Replay(t.Context(), 1, store.Replay{}, at(30))
		wantError(t, err, store.ErrForgotten)
		if pending := pending(t, s, 100, 10); len(pending) != 3 {
			t.Errorf("%d are pending, want no more than the one replay", len(pending))
		}
	})
}

func TestManyAskForOneReplayAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s, other := open(t), open(t)
		storyOfEvents(t, s)
		var mu sync.Mutex
		made, conflicts := map[int64]int{}, 0
		var wait sync.WaitGroup
		for i := range 12 {
			wait.Go(func() {
				by := []*store.Store{s, other}[i%2]
				replay, _, err := by.Replay(t.Context(), 2, store.Replay{By: olga, Request: fmt.Sprint("r", i%3)}, at(30))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, release.ErrConflict):
					conflicts++
				case err != nil:
					t.Error(err)
				default:
					made[replay]++
				}
			})
		}
		wait.Wait()
		if len(made) != 1 || made[6] != 4 || conflicts != 8 {
			t.Errorf("made %v, %d conflicts, want one replay for the four that asked for it", made, conflicts)
		}
	})
}

func TestOldEventsLoseTheirBodiesAndThenTheirRows(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		storyOfEvents(t, s)
		replay, _, err := s.Replay(t.Context(), 2, store.Replay{By: olga}, at(13))
		check(t, err)
		prune := func(what string, prune func() (int, error), want ...int) {
			t.Helper()
			for i, want := range want {
				if n, err := prune(); err != nil || n != want {
					t.Errorf("%s, time %d: %d, %v, want %d", what, i+1, n, err, want)
				}
			}
		}
		prune("bodies", func() (int, error) { return s.PruneBodies(t.Context(), at(12), at(50), 1) }, 1, 1, 0)
		if _, err := s.EventBody(t.Context(), 1); !errors.Is(err, store.ErrForgotten) {
			t.Errorf("error %v, want %v", err, store.ErrForgotten)
		}
		if got, err := s.Event(t.Context(), 1); err != nil || got.BodySize != 1 || !got.BodyPruned.Equal(kept(at(50))) {
			t.Errorf("event %+v, %v, want its size and when its body went", got, err)
		}
		if body, err := s.EventBody(t.Context(), 3); err != nil || string(body) != "xxx" {
			t.Errorf("a younger body is %q, %v", body, err)
		}
		// The name is still taken.
		if first, duplicate, err := s.Accept(t.Context(), store.Event{Source: "github", Delivery: "d-1", Kind: "push"}); err != nil || !duplicate || first != 1 {
			t.Errorf("event %d, duplicate %v, %v, want the first", first, duplicate, err)
		}
		// Event 2 stays while its replay does; what has no outcome stays however old it is.
		prune("rows", func() (int, error) { return s.PruneEvents(t.Context(), at(1000), 1) }, 1, 1, 0)
		left, _, err := s.Events(t.Context(), store.EventFilter{})
		if check(t, err); !reflect.DeepEqual(ids(left), []int64{replay, 5, 4, 2}) {
			t.Errorf("left are %v, want those that wait and the one that is repeated", ids(left))
		}
		check(t, s.Settle(t.Context(), replay, store.Outcome{Kind: store.Ignored}, at(14)))
		prune("rows", func() (int, error) { return s.PruneEvents(t.Context(), at(1000), 10) }, 1, 1, 0)
		// A number is never given twice.
		if next := accept(t, s, event("new")); next != replay+1 {
			t.Errorf("the next event is %d, want %d", next, replay+1)
		}
	})
}

func TestTheOutboxKeepsWhatAFollowerHasNotRead(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for i := range 3 {
			check(t, s.AddOutbox(t.Context(), fmt.Sprint(i), told, release.Entry{Kind: release.EntryPhase, At: at(1)}))
		}
		routeAll(t, s)
		check(t, s.MoveCursor(t.Context(), "slow", 1))
		check(t, s.MoveCursor(t.Context(), "fast", 3))
		check(t, s.PruneDeliveries(t.Context(), at(1000), at(1), at(1000)))
		left := func() (out []int64) {
			entries, err := s.Happened(t.Context(), 0, 10)
			check(t, err)
			for _, e := range entries {
				out = append(out, e.Seq)
			}
			return out
		}
		if got := left(); !reflect.DeepEqual(got, []int64{2, 3}) {
			t.Errorf("left are %v, want what the slow one has not read", got)
		}
		check(t, s.MoveCursor(t.Context(), "slow", 3))
		check(t, s.PruneDeliveries(t.Context(), at(1000), at(1), at(1000).Add(time.Hour)))
		if got := left(); got != nil {
			t.Errorf("left are %v, want none", got)
		}
	})
}

func TestTheOutboxIsNotKeptForWhoDoesNotComeBack(t *testing.T) {
	const days = 24 * 3600
	for _, test := range []struct {
		name  string
		gone  func(t *testing.T, s *store.Store)
		given int64 // how far the subscription has come
		now   int
		want  int
	}{
		{"a follower that is slow has what it has not read", func(t *testing.T, s *store.Store) {
			check(t, s.MoveCursor(t.Context(), "slow", 1))
		}, 3, 59 * days, 2},
		{"one that has been away for too long has not", func(t *testing.T, s *store.Store) {
			check(t, s.MoveCursor(t.Context(), "slow", 1))
		}, 3, 61 * days, 0},
		{"a subscription has what it has not been given", func(*testing.T, *store.Store) {}, 1, 59 * days, 2},
		{"one that was disabled has not", func(t *testing.T, s *store.Store) {
			check(t, s.Unsubscribe(t.Context(), "audit", "gone", at(2)))
		}, 1, 59 * days, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, open database) {
				s := open(t)
				check(t, s.Subscribe(t.Context(), "audit", "config"))
				for i := range 3 {
					check(t, s.AddOutbox(t.Context(), fmt.Sprint(i), told, release.Entry{Kind: release.EntryPhase, At: at(1)}))
				}
				routeAll(t, s)
				test.gone(t, s)
				check(t, s.Announce(t.Context(), "audit", test.given, nil))
				check(t, s.PruneDeliveries(t.Context(), at(30*days), at(1), at(test.now)))
				left, err := s.Happened(t.Context(), 0, 10)
				if err != nil || len(left) != test.want {
					t.Errorf("%d left, %v, want %d", len(left), err, test.want)
				}
			})
		})
	}
}
