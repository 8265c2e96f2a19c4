package store_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

func TestDecisionsOfAllReleasesAreReadPageByPage(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		// Three share a moment, so that pages of two end within it.
		for _, d := range []struct {
			id              string
			release, second int
		}{{"old", 1, 1}, {"b", 1, 3}, {"a", 2, 3}, {"c", 3, 3}, {"late", 2, 5}} {
			question := release.Question{Version: 1, Gate: release.GateAdmit, Release: id(d.release), At: at(d.second)}
			check(t, s.SaveDecision(t.Context(), question, release.Decision{ID: d.id, Allow: true}, 0))
		}
		for _, test := range []struct {
			name        string
			since, most int
			want        string
		}{
			{"all of them on one page", 1, 5, "[old a b c late]"},
			{"one at a time", 1, 1, "[old][a][b][c][late]"},
			{"a page that ends within a moment", 2, 2, "[a b][c late]"},
			{"from their own moment on", 3, 9, "[a b c late]"},
			{"after the last", 6, 2, "[]"},
		} {
			got, after := "", ""
			for range 9 {
				page, next, err := open(t).DecisionsSince(t.Context(), store.DecisionFilter{Since: kept(at(test.since)), After: after, Limit: test.most})
				check(t, err)
				ids := []string{}
				for _, d := range page {
					ids = append(ids, d.ID)
				}
				got += fmt.Sprint(ids)
				if after = next; after == "" {
					break
				}
			}
			if got != test.want {
				t.Errorf("%s: %s, want %s", test.name, got, test.want)
			}
		}
		page, _, err := s.DecisionsSince(t.Context(), store.DecisionFilter{Since: at(4), Limit: 1})
		if err != nil || len(page) != 1 || !slices.Equal(page[0].Question, mustQuestion(t, s, id(2), "late")) {
			t.Errorf("got %+v, %v, want the question of the decision", page, err)
		}
		for _, cursor := range []string{"x", "12", ".late", "12x.late"} {
			_, _, err := s.DecisionsSince(t.Context(), store.DecisionFilter{Since: at(0), After: cursor, Limit: 1})
			wantError(t, err, store.ErrCursor)
		}
	})
}

// mustQuestion is the question of one decision of a release.
func mustQuestion(t *testing.T, s *store.Store, of release.ID, decision string) []byte {
	t.Helper()
	all, err := s.Decisions(t.Context(), of)
	check(t, err)
	for _, d := range all {
		if d.ID == decision {
			return d.Question
		}
	}
	t.Fatalf("release %s has no decision %s", of, decision)
	return nil
}

func TestADecisionAboutAFreezeIsKeptUnderItsName(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		freeze := release.Freeze{ID: "f1", Reason: "launch"}
		question := release.Question{Version: 1, Gate: release.GateLift, Freeze: &freeze, At: at(1)}
		check(t, s.SaveDecision(t.Context(), question, release.Decision{ID: "lifted", Gate: release.GateLift, Allow: true}, 0))
		page, _, err := open(t).DecisionsSince(t.Context(), store.DecisionFilter{Since: kept(at(0)), Limit: 9})
		check(t, err)
		var got release.Question
		if len(page) != 1 || json.Unmarshal(page[0].Question, &got) != nil || got.About() != "freeze f1" {
			t.Errorf("got %+v about %q, want the decision about the freeze", page, got.About())
		}
	})
}
