package intake

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

type branches = map[string][]string

func TestDestinationOf(t *testing.T) {
	broken := release.Problems{{Message: "unknown field"}}
	stored := branches{"main": {"production"}, "develop": {"staging"}}
	for _, tt := range []struct {
		name     string
		branch   string
		stored   branches
		pushed   branches
		problems release.Problems

		environments []string
		refused      []string // in each sentence, in order
		branches     branches // the mapping from now on
	}{
		{
			name: "the first manifest decides", branch: "main", pushed: branches{"main": {"production"}, "develop": {"staging"}},
			environments: []string{"production"}, branches: stored,
		},
		{
			name: "the first push of a branch that goes nowhere decides nothing", branch: "feature", pushed: branches{"main": {"production"}},
		},
		{
			name: "the same mapping again", branch: "develop", stored: stored, pushed: stored,
			environments: []string{"staging"}, branches: stored,
		},
		{
			name: "a branch that goes nowhere may not claim production", branch: "feature", stored: stored,
			pushed:  branches{"feature": {"production"}},
			refused: []string{"branch feature may not be released to production: acme/checkout releases develop to staging, main to production; to change that, push the changed manifest to main"}, branches: stored,
		},
		{
			name: "nor may it add an environment", branch: "feature", stored: stored,
			pushed:  branches{"feature": {"preview"}, "main": {"production"}},
			refused: []string{"to preview: acme/checkout releases develop to staging, main to production; to add an environment, push the manifest to one of these branches"}, branches: stored,
		},
		{
			name: "nor may it give one to another", branch: "feature", stored: stored,
			pushed: branches{"evil": {"production", "preview"}}, branches: stored,
		},
		{
			name: "a branch of staging may not claim production", branch: "develop", stored: stored,
			pushed:       branches{"develop": {"production", "staging"}},
			environments: []string{"staging"}, refused: []string{"push the changed manifest to main"}, branches: stored,
		},
		{
			name: "nor give it to a third", branch: "develop", stored: stored,
			pushed:       branches{"develop": {"staging"}, "evil": {"production"}},
			environments: []string{"staging"}, branches: stored,
		},
		{
			name: "nor end it", branch: "develop", stored: stored, pushed: branches{"develop": {"staging"}},
			environments: []string{"staging"}, branches: stored,
		},
		{
			name: "production moves by a push of its own branch", branch: "main", stored: stored,
			pushed:   branches{"stable": {"production"}, "develop": {"staging"}},
			branches: branches{"stable": {"production"}, "develop": {"staging"}},
		},
		{
			name: "and is released from there", branch: "stable", stored: branches{"stable": {"production"}},
			pushed:       branches{"stable": {"production"}},
			environments: []string{"production"}, branches: branches{"stable": {"production"}},
		},
		{
			name: "an old manifest does not take it back", branch: "main", stored: branches{"stable": {"production"}},
			pushed:  branches{"main": {"production"}},
			refused: []string{"push the changed manifest to stable"}, branches: branches{"stable": {"production"}},
		},
		{
			name: "a branch with two environments may give one away and go on to the other", branch: "main",
			stored:       branches{"main": {"production", "staging"}},
			pushed:       branches{"main": {"production"}, "develop": {"staging"}},
			environments: []string{"production"}, branches: stored,
		},
		{
			name: "a released branch may add an environment for itself", branch: "develop", stored: stored,
			pushed:       branches{"main": {"production"}, "develop": {"preview", "staging"}},
			environments: []string{"preview", "staging"},
			branches:     branches{"main": {"production"}, "develop": {"preview", "staging"}},
		},
		{
			name: "and for another", branch: "main", stored: stored,
			pushed:       branches{"main": {"production"}, "develop": {"staging"}, "next": {"preview"}},
			environments: []string{"production"},
			branches:     branches{"main": {"production"}, "develop": {"staging"}, "next": {"preview"}},
		},
		{
			name: "an environment ends by a push of its branch", branch: "main", stored: branches{"main": {"asia", "europe"}},
			pushed:       branches{"main": {"asia"}},
			environments: []string{"asia"}, branches: branches{"main": {"asia"}},
		},
		{
			name: "the order of the environments is no change", branch: "main", stored: branches{"main": {"asia", "europe"}},
			pushed:       branches{"main": {"europe", "asia"}},
			environments: []string{"europe", "asia"}, branches: branches{"main": {"asia", "europe"}},
		},
		{
			name: "a broken manifest changes nothing and is refused where its branch goes", branch: "main", stored: stored,
			pushed: branches{"main": {"staging"}}, problems: broken,
			environments: []string{"production"}, branches: stored,
		},
		{
			name: "a broken manifest gives its branch nothing", branch: "feature", stored: stored,
			pushed: branches{"feature": {"production"}}, problems: broken, branches: stored,
		},
		{
			name: "a broken first manifest is refused where it asks to go", branch: "next",
			pushed: branches{"next": {"production"}}, problems: broken,
			environments: []string{"production"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			application := release.Application{Tenant: "acme", Name: "checkout", Branches: tt.stored}
			got := destinationOf(tt.branch, application, Routes{Branches: tt.pushed, Problems: tt.problems})
			if !slices.Equal(got.environments, tt.environments) {
				t.Errorf("goes to %v, want %v", got.environments, tt.environments)
			}
			if !reflect.DeepEqual(got.branches, tt.branches) {
				t.Errorf("leaves %v, want %v", got.branches, tt.branches)
			}
			if len(got.refused) != len(tt.refused) {
				t.Fatalf("refused %q, want %q", got.refused, tt.refused)
			}
			for i, says := range tt.refused {
				if !strings.Contains(got.refused[i], says) {
					t.Errorf("refused %q, want in it %q", got.refused[i], says)
				}
			}
			if nowhere := len(got.environments)+len(got.refused) == 0; (got.why != "") != nowhere {
				t.Errorf("why = %q, goes nowhere: %v", got.why, nowhere)
			}
		})
	}
}

// TestAChangedMappingIsRemembered pushes as its owner takes production from main to stable, and as
// somebody tries to take it back.
func TestAChangedMappingIsRemembered(t *testing.T) {
	f := newFixture(t)
	last := map[string]string{}
	push := func(delivery, branch string, pushed branches) Outcome {
		t.Helper()
		f.routes.Branches = pushed
		before, after := cmp.Or(last[branch], zero), strings.Repeat(delivery, 40)
		last[branch] = after
		id := f.accept(t, "push", delivery, pushBody("acme/checkout", "refs/heads/"+branch, before, after))
		f.once(t)
		if n := len(f.registry.saved); n > 0 {
			f.lastGood(f.registry.saved[n-1].Branches)
		}
		return f.outcome(t, id)
	}
	for i, step := range []struct {
		branch string
		pushed branches
		want   OutcomeKind
	}{
		{"main", branches{"main": {"production"}}, Started},
		{"evil", branches{"evil": {"production"}}, Refused},
		{"main", branches{"stable": {"production"}}, Ignored},
		{"main", branches{"main": {"production"}}, Refused},
		{"stable", branches{"stable": {"production"}}, Superseding},
	} {
		if got := push(string(rune('a'+i)), step.branch, step.pushed); got.Kind != step.want {
			t.Errorf("push %d, of %s: %s: %s; want %s", i+1, step.branch, got.Kind, got.Message, step.want)
		}
	}
	if want := []branches{{"main": {"production"}}, {"stable": {"production"}}}; len(f.registry.saved) != len(want) ||
		!reflect.DeepEqual(f.registry.saved[0].Branches, want[0]) || !reflect.DeepEqual(f.registry.saved[1].Branches, want[1]) {
		t.Errorf("saved %+v, want %v", f.registry.saved, want)
	}
}
