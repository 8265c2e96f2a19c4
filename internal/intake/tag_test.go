package intake

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// releasesTags is an application whose tags v* go to production and nightly-* to nightly, from main and develop.
func releasesTags(f *fixture) {
	application := f.registry.known["acme/checkout"]
	application.Branches = map[string][]string{"main": {"production", "staging"}, "develop": {"nightly"}}
	application.Triggers = map[string]release.Trigger{"production": {Tags: []string{"v*"}}, "nightly": {Tags: []string{"nightly-*"}}}
	f.registry.known["acme/checkout"] = application
	f.repo.fixed = true
	f.routes = Routes{Branches: application.Branches, Triggers: application.Triggers}
	f.repo.refs = map[string]string{
		"refs/heads/main": commitC, "refs/heads/develop": strings.Repeat("d", 40),
		"refs/tags/v1": commitA, "refs/tags/v2": commitB, "refs/tags/nightly-1": strings.Repeat("d", 40), "refs/tags/v9": strings.Repeat("d", 40),
	}
	f.repo.parents[strings.Repeat("d", 40)] = commitA
}

func TestTagsAreReleasedWhereTheyBelong(t *testing.T) {
	for _, tt := range []struct {
		name, tag string
		set       func(f *fixture)
		want      OutcomeKind
		lanes     []string
		says      string
	}{
		{name: "one of a pattern", tag: "v1", want: Started, lanes: []string{"production"}},
		{name: "one of another's", tag: "nightly-1", want: Started, lanes: []string{"nightly"}},
		{name: "one of none", tag: "x1", set: func(f *fixture) { f.repo.refs["refs/tags/x1"] = commitA }, want: Ignored, says: "tag x1 is not released anywhere; released are nightly-* to nightly, v* to production"},
		{name: "one that was deleted", tag: "v3", want: Ignored, says: "there is no tag v3: it was deleted, or never pushed"},
		{name: "one that is not on the branch", tag: "v9", want: Refused, says: "tag v9 is not on branch main, so it is not released to production"},
		{
			name: "one of an application that has no manifest yet", tag: "v1", want: Started, lanes: []string{"production"},
			set: func(f *fixture) {
				f.registry.known["acme/checkout"] = release.Application{Tenant: "acme", Name: "checkout", Repository: "r"}
			},
		},
		{
			name: "one of an application without tags", tag: "v1", want: Ignored, says: "no environment has tags",
			set: func(f *fixture) {
				application := f.registry.known["acme/checkout"]
				application.Triggers = nil
				f.registry.known["acme/checkout"] = application
			},
		},
		{
			name: "one whose commit has gone", tag: "v1", want: Refused, says: "has no commit",
			set: func(f *fixture) {
				f.manifests = func(context.Context, string) (Routes, error) { return Routes{}, release.ErrNotFound }
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			releasesTags(f)
			if tt.set != nil {
				tt.set(f)
			}
			// The tag object of an annotated tag, which is no commit.
			got := f.arrives(t, "d1", "refs/tags/"+tt.tag, zero, strings.Repeat("9", 40))
			if got.Kind != tt.want || !strings.Contains(got.Message, tt.says) {
				t.Errorf("%s: %s; want %s: %s", got.Kind, got.Message, tt.want, tt.says)
			}
			var lanes []string
			for _, req := range f.lanes.requests {
				lanes = append(lanes, req.Lane.Environment)
				if req.Commit != f.repo.refs["refs/tags/"+tt.tag] || req.Ref != "refs/tags/"+tt.tag {
					t.Errorf("asked for %s of %s", req.Commit, req.Ref)
				}
			}
			if !slices.Equal(lanes, tt.lanes) {
				t.Errorf("asked %v, want %v", lanes, tt.lanes)
			}
		})
	}
}

func TestTagsOutOfOrderNeverGoBack(t *testing.T) {
	f := newFixture(t)
	releasesTags(f)
	if got := f.arrives(t, "d1", "refs/tags/v2", zero, commitB); got.Kind != Started {
		t.Fatalf("%s: %s", got.Kind, got.Message)
	}
	if got := f.arrives(t, "d2", "refs/tags/v1", zero, commitA); got.Kind != Refused || !strings.Contains(got.Message, "tag v1 is older than 0d1a26e67d8f") {
		t.Errorf("an older tag: %s: %s", got.Kind, got.Message)
	}
	if got := f.arrives(t, "d3", "refs/tags/v2", zero, commitB); got.Kind != Duplicate || len(got.Releases) != 1 {
		t.Errorf("the same tag again: %s: %s", got.Kind, got.Message)
	}
	if got := f.lanes.commits(); !slices.Equal(got, []string{commitB}) {
		t.Errorf("released %v", got)
	}
}

func TestAnEnvironmentWithTagsIsNotReleasedByPushes(t *testing.T) {
	f := newFixture(t)
	releasesTags(f)
	got := f.arrives(t, "d1", "refs/heads/main", zero, commitA)
	if got.Kind != Started || len(f.lanes.requests) != 1 || f.lanes.requests[0].Lane.Environment != "staging" {
		t.Errorf("%s: %s", got.Kind, got.Message)
	}
	got = f.arrives(t, "d2", "refs/heads/develop", zero, strings.Repeat("d", 40))
	if got.Kind != Ignored || got.Message != "branch develop is not released by its pushes: nightly has tags nightly-*" {
		t.Errorf("%s: %s", got.Kind, got.Message)
	}
}
