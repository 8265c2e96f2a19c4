package store_test

import (
	"context"
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

func TestFreezes(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		ends := kept(at(30))
		ada := release.Actor{Name: "ada", Source: "api"}
		short := release.Freeze{ID: "short", Starts: kept(at(1)), Ends: &ends, Reason: "launch", By: ada, Tenants: []string{"demo"}}
		open2 := release.Freeze{ID: "open", Starts: kept(at(2)), Reason: nasty, By: ada, Line: true}
		for _, freeze := range []release.Freeze{open2, short, short} {
			check(t, s.AddFreeze(t.Context(), freeze))
		}
		now := func(second int, want ...string) {
			t.Helper()
			freezes, err := s.Freezes(t.Context(), at(second))
			var got []string
			for _, freeze := range freezes {
				got = append(got, freeze.ID)
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("freezes at %d s: %v, error %v, want %v", second, got, err, want)
			}
		}
		now(5, "short", "open")
		now(31, "open")

		lifted, err := s.LiftFreeze(t.Context(), "short", ada, at(6))
		if err != nil || !reflect.DeepEqual(lifted, short) {
			t.Errorf("lifted %+v, error %v, want %+v", lifted, err, short)
		}
		now(7, "open")
		for _, id := range []string{"short", "nobody's"} {
			_, err := s.LiftFreeze(t.Context(), id, ada, at(8))
			wantError(t, err, release.ErrNotFound)
		}
		for i := range 99 {
			check(t, s.AddFreeze(t.Context(), release.Freeze{ID: fmt.Sprint(i), Starts: kept(at(9)), By: ada}))
		}
		wantError(t, s.AddFreeze(t.Context(), release.Freeze{ID: "one too many", Starts: kept(at(9)), By: ada}), store.ErrTooManyFreezes)
	})
}

func TestReleasesRampFromTheirYesToTheirEnd(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		id := func(application string) release.ID {
			return release.ID{Lane: release.Lane{Tenant: "demo", Application: application, Environment: "production"}, Number: 2}
		}
		for application, c := range map[string]struct {
			phase release.Phase
			allow bool
		}{
			"ramping": {release.Ramping, true}, "late-journal": {release.Deploying, true}, "denied": {release.Ramping, false},
			"watching": {release.Watching, true}, "ended": {release.RolledBack, true}, "itself": {release.Ramping, true},
		} {
			check(t, s.SaveProgress(t.Context(), release.Summary{ID: id(application), Phase: c.phase, Requested: at(1), Updated: at(1)}, nil))
			question := release.Question{Gate: release.GateStep, Release: id(application), Plan: &release.Plan{Units: []string{"a", "b"}}, Step: &release.StepChange{Unit: "a", To: 500}, At: at(2)}
			check(t, s.SaveDecision(t.Context(), question, release.Decision{ID: application, Gate: release.GateStep, Allow: c.allow}, 0))
		}

		ramping, err := s.Ramping(t.Context(), id("itself"))

		got := map[string][]string{}
		for _, one := range ramping {
			got[one.Release.Lane.Application] = one.Units
		}
		want := map[string][]string{"ramping": {"a", "b"}, "late-journal": {"a", "b"}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ramping %v, error %v, want %v", got, err, want)
		}
	})
}

func TestDecidingIsForOneAtATime(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		// Two programs on one database are possible where two stores can be open.
		stores := []*store.Store{open(t)}
		stores = append(stores, stores[0])
		if strings.HasSuffix(t.Name(), "/postgres") {
			stores[1] = open(t)
		}
		var mu sync.Mutex
		inside, most, done := 0, 0, 0
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				err := stores[i%2].Exclusively(t.Context(), func(context.Context) error {
					mu.Lock()
					inside++
					most = max(most, inside)
					mu.Unlock()
					// What is decided is stored meanwhile.
					err := stores[i%2].AddFreeze(t.Context(), release.Freeze{ID: fmt.Sprint(i), Starts: time.Now()})
					mu.Lock()
					inside--
					done++
					mu.Unlock()
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most != 1 || done != 20 {
			t.Errorf("%d decided, at most %d at a time, want 20, one at a time", done, most)
		}
		gone := errors.New("gone")
		wantError(t, stores[0].Exclusively(t.Context(), func(context.Context) error { return gone }), gone)
	})
}
