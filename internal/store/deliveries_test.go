package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

var told = release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: 3}

// routeAll turns everything in the outbox into deliveries to some targets of the channel chat.
func routeAll(t *testing.T, s *store.Store, targets ...string) {
	t.Helper()
	entries, err := s.ToRoute(t.Context(), 100)
	check(t, err)
	for _, entry := range entries {
		var deliveries []store.Delivery
		for _, target := range targets {
			ask := 0
			if entry.Entry.Ask != nil {
				ask = entry.Entry.Ask.Number
			}
			deliveries = append(deliveries, store.Delivery{
				ID: entry.ID + target, Channel: "chat", Target: target, Release: entry.Release.String(), Ask: ask, Notice: []byte(`{}`),
			})
		}
		for range 2 { // the second is of another program that read the same
			check(t, s.Routed(t.Context(), entry, deliveries, at(10)))
		}
	}
}

func names(claimed [][]store.Delivery) (out []string) {
	for _, one := range claimed {
		var ids []string
		for _, d := range one {
			ids = append(ids, strings.TrimPrefix(d.ID, told.String()))
		}
		out = append(out, strings.Join(ids, " "))
	}
	slices.Sort(out)
	return out
}

func TestEntriesOfAKindAreInTheOutboxOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		entries := []release.Entry{
			{Number: 1, At: kept(at(1)), Message: "a line of the story"},
			{Number: 2, At: kept(at(2)), Kind: release.EntryAsked, Message: nasty, Ask: &release.Ask{Number: 1, PlanHash: "p"}},
		}
		summary := release.Summary{ID: told, Phase: release.Approving, Requester: release.Actor{Name: "ada"}, Updated: at(2)}
		for range 2 {
			check(t, s.SaveProgress(t.Context(), summary, entries))
		}
		for range 2 {
			check(t, s.AddOutbox(t.Context(), "alarm 7", release.ID{}, release.Entry{Kind: "alarm", Message: "it burns"}))
		}
		got, err := s.ToRoute(t.Context(), 10)
		check(t, err)
		if len(got) != 2 || got[0].ID != told.String()+"#2" || got[0].Requester.Name != "ada" || got[0].Entry.Ask == nil || got[1].ID != "alarm 7" || got[1].Release != (release.ID{}) {
			t.Fatalf("to route %+v, want the question and the alarm", got)
		}
		routeAll(t, s, "x")
		if rest, err := s.ToRoute(t.Context(), 10); err != nil || len(rest) > 0 {
			t.Errorf("to route %+v, %v, want nothing", rest, err)
		}
	})
}

func TestDeliveriesKeepTheirOrderAndAreClaimedOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for n := 1; n <= 3; n++ {
			entry := release.Entry{Number: n, At: kept(at(n)), Kind: release.EntryPhase}
			if n == 3 {
				entry.Ask = &release.Ask{Number: 1}
			}
			check(t, s.SaveProgress(t.Context(), release.Summary{ID: told, Updated: at(n)}, []release.Entry{entry}))
		}
		routeAll(t, s, "x", "y")
		claim := func(second, batch int) []string {
			t.Helper()
			claimed, err := s.ClaimDeliveries(t.Context(), "chat", at(second), at(second+60), 8, batch)
			check(t, err)
			return names(claimed)
		}
		want := func(what string, got []string, want ...string) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		want("before they are due", claim(5, 1))
		want("the oldest of each", claim(11, 1), "#1x", "#1y")
		want("while they are claimed", claim(12, 1))
		x := []store.Delivery{{ID: told.String() + "#1x", Channel: "chat", Target: "x", Release: told.String()}}
		check(t, s.Delivered(t.Context(), x, "first", at(13)))
		want("what follows, of the one that was sent", claim(14, 20), "#2x")
		check(t, s.NotDelivered(t.Context(), []store.Delivery{{ID: told.String() + "#2x"}}, false, at(30), "503"))
		want("while the oldest waits", claim(15, 20))
		// The claim on y's has run out: whoever had it is gone. A question is not merged with what is before it.
		claimed, err := s.ClaimDeliveries(t.Context(), "chat", at(80), at(140), 8, 20)
		check(t, err)
		want("what others left", names(claimed), "#1y #2y", "#2x")
		for _, one := range claimed {
			if one[0].Target == "x" && (one[0].First != "first" || one[0].Attempts != 2 || one[0].Reason != "503") {
				t.Errorf("claimed %+v, want the thread, the attempts and the last reason", one[0])
			}
			check(t, s.Delivered(t.Context(), one, "later", at(81)))
		}
		claimed, err = s.ClaimDeliveries(t.Context(), "chat", at(82), at(140), 8, 20)
		check(t, err)
		want("the questions", names(claimed), "#3x", "#3y")
		check(t, s.Delivered(t.Context(), claimed[0], "question", at(83)))
		check(t, s.NotDelivered(t.Context(), claimed[1], true, at(83), "no such room"))

		targets, err := s.AskTargets(t.Context(), told, 1)
		check(t, err)
		if !reflect.DeepEqual(targets, [][2]string{{"chat", "x"}, {"chat", "y"}}) {
			t.Errorf("asked %v", targets)
		}
		dead, err := listed(s.Deliveries(t.Context(), store.DeliveryFilter{Dead: true, Limit: 10}))
		check(t, err)
		if len(dead) != 1 || dead[0].Reason != "no such room" || dead[0].State != store.DeliveryDead {
			t.Fatalf("dead %+v", dead)
		}
		check(t, s.RetryDelivery(t.Context(), dead[0].ID, nil, at(90)))
		wantError(t, s.RetryDelivery(t.Context(), dead[0].ID, nil, at(90)), release.ErrNotFound)
		want("what is tried again", claim(91, 1), strings.TrimPrefix(dead[0].ID, told.String()))
		check(t, s.PruneDeliveries(t.Context(), at(1000), at(80), at(100)))
		all, err := listed(s.Deliveries(t.Context(), store.DeliveryFilter{Dead: false, Limit: 10}))
		check(t, err)
		if len(all) != 1 {
			t.Errorf("%d deliveries are left, want the one that is under way", len(all))
		}
	})
}

func TestWhatWaitsOfOneReleaseHoldsNoOtherRelease(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		other := release.ID{Lane: told.Lane, Number: 4}
		for i, of := range []release.ID{told, told, other, {}, other} {
			check(t, s.AddOutbox(t.Context(), fmt.Sprint("#", i), of, release.Entry{Kind: release.EntryPhase, At: at(1)}))
		}
		routeAll(t, s, "x")
		claim := func(second, batch int) [][]store.Delivery {
			t.Helper()
			claimed, err := s.ClaimDeliveries(t.Context(), "chat", at(second), at(second+60), 8, batch)
			check(t, err)
			return claimed
		}
		want := func(what string, got [][]store.Delivery, want ...string) {
			t.Helper()
			if !slices.Equal(names(got), want) {
				t.Errorf("%s: %q, want %q", what, names(got), want)
			}
		}
		first := claim(11, 1)
		want("the oldest", first, "#0x")
		want("while the target is claimed", claim(12, 20))
		check(t, s.NotDelivered(t.Context(), first[0], false, at(600), "400"))
		rest := claim(13, 20)
		want("all of other releases", rest, "#2x #3x #4x")

		// A claim that ran out ends as its second holder says, whatever the first one says later.
		again := claim(100, 20)
		want("what was left", again, "#2x #3x #4x")
		check(t, s.Delivered(t.Context(), again[0], "", at(101)))
		check(t, s.NotDelivered(t.Context(), rest[0], true, at(102), "late"))
		dead, err := listed(s.Deliveries(t.Context(), store.DeliveryFilter{Dead: true, Limit: 10}))
		check(t, err)
		if len(dead) != 0 {
			t.Errorf("dead %+v, want what was sent to stay sent", dead)
		}

		check(t, s.PostponeTarget(t.Context(), "chat", "x", at(700)))
		want("while the target is left alone", claim(650, 20))
		next, err := s.NextDelivery(t.Context(), "chat")
		check(t, err)
		if !next.Equal(kept(at(700))) {
			t.Errorf("the next delivery is due at %s, want %s", next, at(700))
		}
		want("after that", claim(701, 20), "#0x #1x")
	})
}

func TestWhatNobodySendsAndWhatIsOldDoesNotStayForEver(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		check(t, s.AddOutbox(t.Context(), "#1", told, release.Entry{Kind: release.EntryPhase, At: at(1)}))
		routeAll(t, s, "x", "y")
		claimed, err := s.ClaimDeliveries(t.Context(), "chat", at(11), at(71), 1, 1)
		check(t, err)
		check(t, s.Delivered(t.Context(), claimed[0], "first", at(12)))

		check(t, s.PruneDeliveries(t.Context(), at(5), at(50), at(100)))
		dead, err := listed(s.Deliveries(t.Context(), store.DeliveryFilter{Dead: true, Limit: 10}))
		check(t, err)
		if len(dead) != 1 || !strings.Contains(dead[0].Reason, "still configured") {
			t.Fatalf("dead %+v, want the one that nobody took", dead)
		}
		thread := func() string {
			t.Helper()
			check(t, s.AddOutbox(t.Context(), "#"+t.Name()+fmt.Sprint(time.Now().UnixNano()), told, release.Entry{Kind: release.EntryPhase, At: at(1)}))
			routeAll(t, s, claimed[0][0].Target)
			next, err := s.ClaimDeliveries(t.Context(), "chat", at(2000), at(2060), 1, 1)
			check(t, err)
			check(t, s.Delivered(t.Context(), next[0], "", at(2000)))
			return next[0][0].First
		}
		if got := thread(); got != "first" {
			t.Errorf("the thread is %q, want the first message", got)
		}
		check(t, s.PruneDeliveries(t.Context(), at(3000), at(50), at(3000)))
		if all, err := listed(s.Deliveries(t.Context(), store.DeliveryFilter{Dead: false, Limit: 10})); err != nil || len(all) != 0 {
			t.Errorf("%d deliveries are left, %v", len(all), err)
		}
		if got := thread(); got != "" {
			t.Errorf("the thread is %q, want a new one after the old one was forgotten", got)
		}
	})
}

func TestTheOutboxKnowsWhatAnEntryIsAboutAndIsNotHeldByOneItCannotRead(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		tenant := release.ID{Lane: release.Lane{Tenant: "demo"}}
		check(t, s.AddOutbox(t.Context(), "freeze", tenant, release.Entry{Kind: "freeze", At: at(1)}))
		check(t, s.AddOutbox(t.Context(), "broken", release.ID{Lane: release.Lane{Tenant: "a/b/c"}, Number: 1}, release.Entry{Kind: release.EntryPhase, At: at(2)}))
		check(t, s.AddOutbox(t.Context(), "alarm", release.ID{Lane: told.Lane}, release.Entry{Kind: "alarm", At: at(3)}))
		got, err := s.ToRoute(t.Context(), 10)
		check(t, err)
		if len(got) != 3 || got[0].Release != tenant || got[2].Release.Lane != told.Lane || got[2].Release.Number != 0 {
			t.Fatalf("to route %+v", got)
		}
		if !strings.Contains(got[1].Entry.Message, "cannot be read") || !got[1].Entry.At.Equal(kept(at(2))) {
			t.Errorf("the one that cannot be read says %q at %s", got[1].Entry.Message, got[1].Entry.At)
		}
	})
}

func TestTwoProgramsClaimNoDeliveryTwice(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		const n = 30
		for i := range n {
			check(t, s.AddOutbox(t.Context(), fmt.Sprint(i), told, release.Entry{Kind: release.EntryPhase, At: at(1)}))
		}
		routeAll(t, s, "x", "y", "z")
		other := s
		if strings.HasSuffix(t.Name(), "/postgres") {
			other = open(t)
		}
		var mu sync.Mutex
		seen := map[string]int{}
		var wg sync.WaitGroup
		for _, one := range []*store.Store{s, other, s, other} {
			wg.Go(func() {
				for len(seenOf(&mu, seen)) < 3*n {
					claimed, err := one.ClaimDeliveries(t.Context(), "chat", at(20), at(20).Add(time.Hour), 8, 4)
					if err != nil {
						t.Error(err)
						return
					}
					for _, deliveries := range claimed {
						mu.Lock()
						for _, d := range deliveries {
							seen[d.ID]++
						}
						mu.Unlock()
						if err := one.Delivered(t.Context(), deliveries, "r", at(21)); err != nil {
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

func seenOf(mu *sync.Mutex, seen map[string]int) map[string]int {
	mu.Lock()
	defer mu.Unlock()
	out := map[string]int{}
	for id, n := range seen {
		out[id] = n
	}
	return out
}

// listed is a list without the cursor of the next page.
func listed(list []store.Delivery, _ string, err error) ([]store.Delivery, error) { return list, err }
