package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

func TestAKeyIsTakenOnceAndAnsweredFromThenOn(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s, key := open(t), store.KeyClaim{ID: "k", Request: "r"}
		begin := func(s *store.Store, key store.KeyClaim, second int) (store.KeptKey, bool) {
			t.Helper()
			kept, taken, err := s.BeginKey(t.Context(), key, at(second), at(second+10), at(second+100))
			if err != nil {
				t.Fatal(err)
			}
			return kept, taken
		}
		if kept, taken := begin(s, key, 0); taken {
			t.Fatalf("a new key is taken: %+v", kept)
		}
		if kept, taken := begin(s, key, 9); !taken || kept.Answer != nil || kept.Request != "r" {
			t.Errorf("under way it is %+v, %t", kept, taken)
		}
		if kept, taken := begin(s, store.KeyClaim{ID: "k", Request: "other"}, 10); !taken || kept.Request != "r" {
			t.Errorf("for another request it is %+v, %t", kept, taken)
		}
		if _, taken := begin(s, key, 10); taken {
			t.Error("nobody took over what was left behind")
		}
		answer := store.KeptAnswer{Status: 201, Media: "application/json", Body: []byte("{\"a\":\"\x00\"}\n")}
		if err := s.FinishKey(t.Context(), key, answer); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.FinishKey(t.Context(), key, store.KeptAnswer{Status: 500}), s.DropKey(t.Context(), key)); err != nil {
			t.Fatal(err)
		}
		// The answer outlives the program.
		again := open(t)
		kept, taken := begin(again, key, 50)
		if !taken || kept.Answer == nil || kept.Answer.Status != 201 || !bytes.Equal(kept.Answer.Body, answer.Body) || kept.Answer.Media != answer.Media {
			t.Errorf("kept is %+v, %t", kept.Answer, taken)
		}
		if _, taken := begin(again, key, 100); taken {
			t.Error("it is there after it has expired")
		}
		if err := again.DropKey(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if _, taken := begin(again, store.KeyClaim{ID: "k", Request: "other"}, 101); taken {
			t.Error("a key that was given back is taken")
		}
	})
}

func TestOneOfManyTakesAKey(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for _, round := range []int{0, 20} { // the second takes over what the first left behind
			var got atomic.Int32
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					_, taken, err := s.BeginKey(t.Context(), store.KeyClaim{ID: "k", Request: "r"}, at(round), at(round+10), at(1000))
					if err != nil {
						t.Error(err)
					}
					if !taken {
						got.Add(1)
					}
				})
			}
			all.Wait()
			if got.Load() != 1 {
				t.Errorf("%d took it in the round of second %d", got.Load(), round)
			}
		}
	})
}

// What a token for some tenants may see is chosen by the query, so that pages are as long as anybody's.
func TestListsAreOfTheTenantsThatMaySee(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		// Names that a pattern would take for others.
		for i, tenant := range []string{"a", "a-b", "b", "ab"} {
			id := release.ID{Lane: release.Lane{Tenant: tenant, Application: "x", Environment: "production"}, Number: 1}
			summary := release.Summary{ID: id, Phase: release.Pending, Requested: at(i), Updated: at(i)}
			decision := release.Decision{ID: fmt.Sprintf("d%d", i), Gate: release.GateAdmit, Allow: true}
			err := errors.Join(
				s.SaveProgress(t.Context(), summary, nil),
				s.SaveDecision(t.Context(), release.Question{Release: id, At: at(i)}, decision, time.Millisecond),
				s.SaveApplication(t.Context(), release.Application{Tenant: tenant, Name: "x", Repository: "https://example.com/" + tenant}),
			)
			if err != nil {
				t.Fatal(err)
			}
		}
		for name, test := range map[string]struct{ tenants, want []string }{
			"everybody's": {nil, []string{"a", "a-b", "ab", "b"}},
			"of one":      {[]string{"a"}, []string{"a"}},
			"of two":      {[]string{"b", "a-b"}, []string{"a-b", "b"}},
			"of none":     {[]string{}, nil},
			"of nobody":   {[]string{"%"}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				applications, err := s.ApplicationsOf(t.Context(), test.tenants)
				var got []string
				for _, a := range applications {
					got = append(got, a.Tenant)
				}
				if err != nil || !slices.Equal(got, test.want) {
					t.Errorf("applications are %v, %v", got, err)
				}
				if got := pages(t, func(cursor string) ([]string, string, error) {
					found, next, err := s.Releases(t.Context(), store.ReleaseFilter{Tenants: test.tenants, Limit: 1, Before: cursor})
					var of []string
					for _, one := range found {
						of = append(of, one.ID.Lane.Tenant)
					}
					return of, next, err
				}); !slices.Equal(got, test.want) {
					t.Errorf("releases are %v", got)
				}
				if got := pages(t, func(cursor string) ([]string, string, error) {
					found, next, err := s.DecisionsSince(t.Context(), store.DecisionFilter{Since: at(0), Tenants: test.tenants, Limit: 1, After: cursor})
					var of []string
					for _, one := range found {
						of = append(of, []string{"a", "a-b", "b", "ab"}[one.ID[1]-'0'])
					}
					return of, next, err
				}); !slices.Equal(got, test.want) {
					t.Errorf("decisions are %v", got)
				}
			})
		}
		// A cursor tells nobody what there is.
		for _, of := range []string{"b/x/production/1", "b/x/production/2"} {
			if _, _, err := s.Releases(t.Context(), store.ReleaseFilter{Tenants: []string{"a"}, Before: of}); !errors.Is(err, store.ErrCursor) {
				t.Errorf("a cursor of %s is %v", of, err)
			}
		}
	})
}

// pages are all items of a list, page by page, sorted. Each page but the last has one.
func pages(t *testing.T, list func(cursor string) ([]string, string, error)) []string {
	t.Helper()
	var all []string
	for cursor := ""; ; {
		part, next, err := list(cursor)
		if err != nil || len(part) > 1 || (next != "" && len(part) != 1) {
			t.Fatalf("a page of %v, %q, %v", part, next, err)
		}
		all = append(all, part...)
		if next == "" {
			slices.Sort(all)
			return all
		}
		cursor = next
	}
}
