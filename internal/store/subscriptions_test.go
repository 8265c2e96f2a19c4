package store_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// announce gives a subscription deliveries about subjects, numbered from 1.
func announce(t *testing.T, s *store.Store, name string, subjects ...string) {
	t.Helper()
	var deliveries []events.Delivery
	for i, subject := range subjects {
		deliveries = append(deliveries, events.Delivery{
			ID: fmt.Sprint(name, i+1), Sequence: int64(i + 1), Event: fmt.Sprint("#", i+1), Type: "t", Subject: subject, Body: []byte(`{"a":"<"}`),
			Created: at(0), Due: at(0), Expires: at(1000),
		})
	}
	for range 2 { // the second is of another server that read the same
		check(t, s.Announce(t.Context(), name, int64(len(subjects)), deliveries))
	}
}

func claimed(t *testing.T, s *store.Store, name string, second, most int) []events.Delivery {
	t.Helper()
	out, err := s.ClaimEvents(t.Context(), name, at(second), at(second+60), most)
	check(t, err)
	return out
}

func wantEvents(t *testing.T, what string, got []events.Delivery, want ...string) {
	t.Helper()
	var ids []string
	for _, d := range got {
		ids = append(ids, d.Event)
	}
	if !slices.Equal(ids, want) {
		t.Errorf("%s: %q, want %q", what, ids, want)
	}
}

func TestASubscriptionBeginsWithWhatHappensFromThenOn(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		happen := func(id string) {
			check(t, s.AddOutbox(t.Context(), id, told, release.Entry{At: at(1), Kind: release.EntryAlarm}))
		}
		from := func(want int64) {
			t.Helper()
			if got, err := s.Subscribed(t.Context(), "ci"); err != nil || got != want {
				t.Errorf("subscribed up to %d, %v, want %d", got, err, want)
			}
		}
		happen("before")
		check(t, s.Subscribe(t.Context(), "ci", "one"))
		from(1)
		happen("after")
		check(t, s.Subscribe(t.Context(), "ci", "one")) // a server that starts again
		from(1)
		check(t, s.Subscribe(t.Context(), "ci", "two")) // with another secret
		from(1)

		check(t, s.Unsubscribe(t.Context(), "ci", "410 Gone", at(5)))
		check(t, s.Announce(t.Context(), "ci", 2, nil))
		from(1) // nothing is announced to one that wants nothing
		check(t, s.Subscribe(t.Context(), "ci", "two"))
		if all, err := s.Subscriptions(t.Context()); err != nil || len(all) != 1 || !all[0].Disabled.Equal(kept(at(5))) || all[0].Reason != "410 Gone" {
			t.Errorf("subscriptions %+v, %v, want one that stays disabled", all, err)
		}
		happen("while it was disabled")
		check(t, s.Subscribe(t.Context(), "ci", "three"))
		from(3)
		if all, err := s.Subscriptions(t.Context()); err != nil || !all[0].Disabled.IsZero() || all[0].Reason != "" {
			t.Errorf("subscriptions %+v, %v, want one that is enabled again", all, err)
		}
	})
}

func TestTheOutboxHasNoHolesWhenTheSameIsKeptTwice(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for _, id := range []string{"a", "a", "b", "a", "b", "c"} {
			check(t, s.AddOutbox(t.Context(), id, told, release.Entry{At: at(1), Kind: release.EntryAlarm}))
		}
		entries, err := s.Happened(t.Context(), 0, 10)
		check(t, err)
		for i, entry := range entries {
			if entry.Seq != int64(i+1) {
				t.Errorf("entry %s is number %d, want %d", entry.ID, entry.Seq, i+1)
			}
		}
		if last, err := s.LastHappened(t.Context()); err != nil || last != 3 || len(entries) != 3 {
			t.Errorf("%d entries, the last is %d, %v; want 3", len(entries), last, err)
		}
	})
}

func TestEventsOfOneSubjectKeepTheirOrderAndHoldNoOther(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		check(t, s.Subscribe(t.Context(), "ci", "c"))
		check(t, s.Subscribe(t.Context(), "other", "c"))
		announce(t, s, "ci", "r/1", "r/1", "r/2", "r/1")
		announce(t, s, "other", "r/1")

		first := claimed(t, s, "ci", 1, 10)
		wantEvents(t, "the oldest of each release", first, "#1", "#3")
		wantEvents(t, "while they are claimed", claimed(t, s, "ci", 2, 10))
		wantEvents(t, "another subscriber", claimed(t, s, "other", 2, 10), "#1")
		if got := first[0]; string(got.Body) != `{"a":"<"}` || got.Attempts != 1 || !got.Expires.Equal(kept(at(1000))) || got.Subject != "r/1" {
			t.Errorf("claimed %+v", got)
		}
		check(t, s.EventSent(t.Context(), first[1], at(3)))
		wantEvents(t, "a release that waits holds its own", claimed(t, s, "ci", 4, 10))
		failed := first[0]
		failed.Due, failed.Reason = at(30), "answers 500"
		check(t, s.EventFailed(t.Context(), failed, time.Time{}, at(4)))
		wantEvents(t, "before it is due", claimed(t, s, "ci", 29, 10))
		if next, err := s.NextEvent(t.Context(), "ci"); err != nil || !next.Equal(kept(at(30))) {
			t.Errorf("next is %s, %v, want %s", next, err, at(30))
		}
		again := claimed(t, s, "ci", 30, 10)
		wantEvents(t, "when it is due", again, "#1")
		if again[0].Attempts != 2 || again[0].Reason != "answers 500" {
			t.Errorf("claimed %+v, want the attempts and the reason", again[0])
		}
		// The claim runs out: whoever had it is gone.
		again = claimed(t, s, "ci", 91, 10)
		wantEvents(t, "what a dead program left", again, "#1")
		failed = again[0]
		failed.State, failed.Reason = events.Dead, "too often"
		check(t, s.EventFailed(t.Context(), failed, time.Time{}, at(92)))
		wantEvents(t, "after one that is dead", claimed(t, s, "ci", 93, 10), "#2")

		wantError(t, s.RetryEvent(t.Context(), "other", failed.ID, at(94), at(2000)), release.ErrNotFound)
		check(t, s.RetryEvent(t.Context(), "ci", failed.ID, at(94), at(2000)))
		wantError(t, s.RetryEvent(t.Context(), "ci", failed.ID, at(94), at(2000)), release.ErrNotFound)
		again = claimed(t, s, "ci", 95, 10)
		wantEvents(t, "what is tried again", again, "#1")
		if again[0].Attempts != 1 || !again[0].Expires.Equal(kept(at(2000))) {
			t.Errorf("claimed %+v, want to begin anew", again[0])
		}
	})
}

func TestASubscriberIsLeftAloneOrWantsNoMore(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		check(t, s.Subscribe(t.Context(), "ci", "c"))
		announce(t, s, "ci", "r/1", "r/2", "r/2")
		first := claimed(t, s, "ci", 1, 1)[0]
		first.Due = at(6)
		check(t, s.EventFailed(t.Context(), first, at(100), at(2)))
		check(t, s.EventFailed(t.Context(), first, at(50), at(3))) // an earlier word does not shorten it
		wantEvents(t, "while it is to be left alone", claimed(t, s, "ci", 99, 10))
		if next, err := s.NextEvent(t.Context(), "ci"); err != nil || !next.Equal(kept(at(100))) {
			t.Errorf("next is %s, %v, want %s", next, err, at(100))
		}
		wantEvents(t, "after that", claimed(t, s, "ci", 100, 10), "#1", "#2")

		check(t, s.Unsubscribe(t.Context(), "ci", "410 Gone", at(101)))
		wantEvents(t, "when it wants no more", claimed(t, s, "ci", 900, 10))
		if next, err := s.NextEvent(t.Context(), "ci"); err != nil || !next.IsZero() {
			t.Errorf("next is %s, %v, want nothing", next, err)
		}
		check(t, s.EventSent(t.Context(), first, at(102))) // it was under way, and arrived
		dead, _, err := s.EventDeliveries(t.Context(), "ci", store.EventDeliveryFilter{State: events.Dead, Limit: 10})
		check(t, err)
		wantEvents(t, "dead, the newest first", dead, "#3", "#2")
		page, next, err := s.EventDeliveries(t.Context(), "ci", store.EventDeliveryFilter{Limit: 2})
		check(t, err)
		wantEvents(t, "a page", page, "#3", "#2")
		page, next, err = s.EventDeliveries(t.Context(), "ci", store.EventDeliveryFilter{Limit: 2, After: next})
		check(t, err)
		if wantEvents(t, "the last page", page, "#1"); next != "" {
			t.Errorf("after the last page comes %q", next)
		}
		wantError(t, s.RetryEvent(t.Context(), "ci", dead[0].ID, at(94), at(2000)), release.ErrConflict)
		all, err := s.Subscriptions(t.Context())
		check(t, err)
		if len(all) != 1 || all[0].Dead != 2 || all[0].Waiting != 0 || !all[0].Succeeded.Equal(kept(at(102))) || !all[0].Failed.Equal(kept(at(101))) {
			t.Errorf("subscriptions %+v", all)
		}
		if _, _, err := s.EventDeliveries(t.Context(), "nobody", store.EventDeliveryFilter{Limit: 10}); err == nil {
			t.Error("a subscription that never was has deliveries")
		}
	})
}

func TestOldDeliveriesOfEventsAreForgotten(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		check(t, s.Subscribe(t.Context(), "gone", "c"))
		announce(t, s, "gone", "r/1", "r/2")
		check(t, s.EventSent(t.Context(), events.Delivery{ID: "gone1", Subscription: "gone"}, at(10)))
		check(t, s.PruneEventDeliveries(t.Context(), at(5), at(999), at(1000)))
		all, _, err := s.EventDeliveries(t.Context(), "gone", store.EventDeliveryFilter{Limit: 10})
		check(t, err)
		wantEvents(t, "before anything is old", all, "#2", "#1")
		check(t, s.PruneEventDeliveries(t.Context(), at(11), at(1001), at(1002)))
		all, _, err = s.EventDeliveries(t.Context(), "gone", store.EventDeliveryFilter{Limit: 10})
		check(t, err)
		if len(all) != 1 || all[0].State != events.Dead || !strings.Contains(all[0].Reason, "still configured") {
			t.Errorf("deliveries %+v, want the one that nobody sent, dead", all)
		}
		check(t, s.PruneEventDeliveries(t.Context(), at(1003), at(1001), at(1004)))
		if all, _, err := s.EventDeliveries(t.Context(), "gone", store.EventDeliveryFilter{Limit: 10}); err != nil || len(all) != 0 {
			t.Errorf("deliveries %+v, %v, want none", all, err)
		}
	})
}

func TestTwoServersClaimNoEventTwice(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		check(t, s.Subscribe(t.Context(), "ci", "c"))
		const n = 40
		var subjects []string
		for i := range n {
			subjects = append(subjects, fmt.Sprint("r/", i%8))
		}
		announce(t, s, "ci", subjects...)
		other := s
		if strings.HasSuffix(t.Name(), "/postgres") {
			other = open(t)
		}
		var mu sync.Mutex
		seen, order := map[string]int{}, map[string]int64{}
		var wg sync.WaitGroup
		for _, one := range []*store.Store{s, other, s, other} {
			wg.Go(func() {
				for len(seenOf(&mu, seen)) < n {
					got, err := one.ClaimEvents(t.Context(), "ci", at(20), at(20).Add(time.Hour), 3)
					if err != nil {
						t.Error(err)
						return
					}
					for _, d := range got {
						mu.Lock()
						seen[d.ID]++
						if order[d.Subject] > d.Sequence {
							t.Errorf("%s came after number %d of its subject", d.ID, order[d.Subject])
						}
						order[d.Subject] = d.Sequence
						mu.Unlock()
						if err := one.EventSent(t.Context(), d, at(21)); err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		wg.Wait()
		for id, times := range seen {
			if times != 1 {
				t.Errorf("%s was claimed %d times", id, times)
			}
		}
	})
}
