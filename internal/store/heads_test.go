package store_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

func TestHeadsAreWhatTheLatestEventTold(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		if _, err := s.Head(t.Context(), "acme", "checkout", "refs/heads/main"); !errors.Is(err, release.ErrNotFound) {
			t.Errorf("a ref that nobody saw: %v", err)
		}
		seen := func(commit string, event int64, released bool) {
			t.Helper()
			check(t, s.SaveHead(t.Context(), "acme", "checkout", store.Head{Ref: "refs/heads/main", Commit: commit, Event: event, Released: released, At: at(int(event))}))
		}
		seen("a", 0, false)
		seen("c", 7, true)
		seen("b", 5, true) // late, and overtaken
		head, err := s.Head(t.Context(), "acme", "checkout", "refs/heads/main")
		check(t, err)
		if want := (store.Head{Ref: "refs/heads/main", Commit: "c", Event: 7, Released: true, At: kept(at(7))}); head != want {
			t.Errorf("head = %+v, want %+v", head, want)
		}
		check(t, s.SaveHead(t.Context(), "acme", "checkout", store.Head{Ref: "refs/tags/v1", Commit: "a", At: at(1)}))
		check(t, s.SaveHead(t.Context(), "acme", "search", store.Head{Ref: "refs/heads/main", Commit: "x", At: at(1)}))
		heads, err := s.Heads(t.Context(), "acme", "checkout")
		check(t, err)
		if got := slices.Sorted(maps.Keys(heads)); !slices.Equal(got, []string{"refs/heads/main", "refs/tags/v1"}) {
			t.Errorf("heads = %v", got)
		}
	})
}

func TestServingIsWhatTheLastCompletedReleaseLeft(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		if number, stable, err := s.Serving(t.Context(), told.Lane); err != nil || number != 0 || len(stable) != 0 {
			t.Errorf("before the first release: %d, %v, %v", number, stable, err)
		}
		check(t, s.SaveStable(t.Context(), told, map[string]release.Revision{"web": {ID: "web-1"}}))
		if number, stable, err := s.Serving(t.Context(), told.Lane); err != nil || number != told.Number || stable["web"].ID != "web-1" {
			t.Errorf("serving %d, %v, %v", number, stable, err)
		}
	})
}

func TestTriggersAreKeptWithTheirApplication(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		application := release.Application{
			Tenant: "acme", Name: "checkout", Repository: "https://git.example.com/acme/checkout", Branches: map[string][]string{"main": {"production", "staging"}},
			Triggers: map[string]release.Trigger{"production": {After: "staging"}, "nightly": {Tags: []string{"v*"}}},
		}
		check(t, s.SaveApplication(t.Context(), application))
		got, err := s.ApplicationByRepository(t.Context(), "acme/checkout", "")
		check(t, err)
		if len(got.Triggers) != 2 || got.Triggers["production"].After != "staging" || !slices.Equal(got.Triggers["nightly"].Tags, []string{"v*"}) {
			t.Errorf("triggers = %+v", got.Triggers)
		}
	})
}

func TestANameThatNoDatabaseKeepsIsOneThatIsNotThere(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for _, odd := range []string{"a\x00b", "a\xffb"} {
			if known, err := s.Knows(t.Context(), "github", odd); err != nil || known {
				t.Errorf("%q: known %t, %v", odd, known, err)
			}
			_, err := s.Head(t.Context(), "acme", "checkout", "refs/heads/"+odd)
			wantError(t, err, release.ErrNotFound)
			heads, err := s.Heads(t.Context(), odd, odd)
			if err != nil || len(heads) != 0 {
				t.Errorf("%q: heads %v, %v", odd, heads, err)
			}
			if number, _, err := s.Serving(t.Context(), release.Lane{Tenant: odd}); err != nil || number != 0 {
				t.Errorf("%q: serving %d, %v", odd, number, err)
			}
			if newest, _, err := s.Lane(t.Context(), release.Lane{Tenant: odd}); err != nil || newest != nil {
				t.Errorf("%q: newest %v, %v", odd, newest, err)
			}
			wantError(t, s.RemoveApplication(t.Context(), odd, odd), release.ErrNotFound)
			// A cursor comes back from whoever was given one.
			if _, _, err := s.DecisionsSince(t.Context(), store.DecisionFilter{After: "1." + odd, Limit: 1}); err != nil {
				t.Errorf("%q: decisions: %v", odd, err)
			}
			if _, _, err := s.Deliveries(t.Context(), store.DeliveryFilter{After: "1." + odd, Limit: 1}); err != nil {
				t.Errorf("%q: deliveries: %v", odd, err)
			}
		}
	})
}
