package intake

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

func TestRoute(t *testing.T) {
	broken := release.Problems{{File: "skyisland.yaml", Line: 3, Column: 1, Message: "unknown field", Fix: "remove it"}}
	main := pushBody("acme/checkout", "refs/heads/main", commitA, commitB)
	for _, tt := range []struct {
		name       string
		kind, body string
		set        func(f *fixture)
		want       OutcomeKind
		lanes      []string // the environments asked
		says       []string
	}{
		{
			name: "a push to a released branch starts a release",
			body: main, want: Started, lanes: []string{"production"}, says: []string{"acme/checkout/production/1 has started"},
		},
		{
			name: "a branch of several environments asks each lane",
			body: main, set: func(f *fixture) { f.routes.Branches["main"] = []string{"staging", "production"} },
			want: Started, lanes: []string{"staging", "production"}, says: []string{"staging/1 has started\n", "production/1 has started"},
		},
		{
			name: "an unknown repository is refused with what exists, and no password",
			body: pushBody("acme/unheard", "refs/heads/main", commitA, commitB),
			want: Refused, says: []string{"acme/unheard", "there are: acme/checkout from https://git.example/acme/checkout.git, acme/search from https://git.example/acme/search.git"},
		},
		{
			name: "an unknown repository where nothing exists",
			body: main, set: func(f *fixture) { f.registry.known = nil }, want: Refused, says: []string{"none is known yet"},
		},
		{
			name: "a message names a bounded number of applications",
			body: pushBody("acme/unheard", "refs/heads/main", commitA, commitB),
			set: func(f *fixture) {
				for i := range 100 {
					name := fmt.Sprintf("app-%03d", i)
					f.registry.known["acme/"+name] = release.Application{Tenant: "acme", Name: name, Repository: "r"}
				}
			},
			want: Refused, says: []string{"acme/app-019 from r, and 82 more"},
		},
		{
			name: "an unknown branch is ignored with what exists, in order",
			body: pushBody("acme/checkout", "refs/heads/feature/x", commitA, commitB),
			set:  func(f *fixture) { f.routes.Branches["develop"] = []string{"staging", "test"} },
			want: Ignored, says: []string{"branch feature/x is not released anywhere; the manifest releases develop to staging and test, main to production"},
		},
		{
			name: "a branch whose own manifest claims an environment of another is refused with the remedy",
			body: pushBody("acme/checkout", "refs/heads/feature", commitA, commitB), set: func(f *fixture) {
				f.lastGood(map[string][]string{"main": {"production"}})
				f.routes.Branches = map[string][]string{"feature": {"production"}}
			},
			want: Refused, says: []string{
				"branch feature may not be released to production: acme/checkout releases main to production; to change that, push the changed manifest to main",
			},
		},
		{
			name: "a branch that may be released to some of what its manifest asks for is released there, and refused for the rest",
			body: pushBody("acme/checkout", "refs/heads/develop", commitA, commitB), set: func(f *fixture) {
				f.lastGood(map[string][]string{"main": {"production"}, "develop": {"staging"}})
				f.routes.Branches = map[string][]string{"develop": {"production", "staging"}}
			},
			want: Refused, lanes: []string{"staging"}, says: []string{"staging/1 has started\nbranch develop may not be released to production"},
		},
		{
			name: "a branch that gives its last environment away goes nowhere from then on",
			body: main, set: func(f *fixture) {
				f.lastGood(map[string][]string{"main": {"production"}})
				f.routes.Branches = map[string][]string{"stable": {"production"}}
			},
			want: Ignored, says: []string{"branch main is not released anywhere; acme/checkout releases stable to production"},
		},
		{
			name: "a manifest that releases no branch says so",
			body: main, set: func(f *fixture) { f.routes.Branches = nil }, want: Ignored, says: []string{"neither is any other"},
		},
		{
			name: "a deleted branch starts nothing",
			body: `{"ref":"refs/heads/main","before":"` + commitA + `","after":"` + zero + `","deleted":true,"head_commit":null,"repository":{"full_name":"acme/checkout"}}`,
			want: Ignored, says: []string{"branch main was deleted"},
		},
		{
			name: "forty zeros are a deletion also when the sender does not call it so",
			body: pushBody("acme/checkout", "refs/heads/main", commitA, zero), want: Ignored, says: []string{"deleted"},
		},
		{
			name: "a new branch is a push like others",
			body: pushBody("acme/checkout", "refs/heads/main", zero, commitB), want: Started, lanes: []string{"production"},
		},
		{
			name: "what is neither a branch nor a tag starts nothing",
			body: pushBody("acme/checkout", "refs/notes/x", zero, commitB), want: Ignored, says: []string{"refs/notes/x is neither a branch nor a tag"},
		},
		{
			name: "another event starts nothing",
			kind: "watch", body: `{}`, want: Ignored, says: []string{"a watch event starts nothing"},
		},
		{
			name: "a stored push that cannot be read is refused",
			body: `{"ref":1}`, want: Refused, says: []string{"cannot be read"},
		},
		{
			name: "a commit that is gone is refused by name",
			body: main, set: func(f *fixture) {
				f.manifests = func(_ context.Context, commit string) (Routes, error) {
					return Routes{}, fmt.Errorf("commit %s: %w", commit, release.ErrNotFound)
				}
			},
			want: Refused, says: []string{"acme/checkout has no commit " + commitB + " any more"},
		},
		{
			name: "a broken manifest is refused where its readable part sends the branch",
			body: main, set: func(f *fixture) { f.routes.Problems = broken },
			want: Refused, lanes: []string{"production"}, says: []string{"skyisland.yaml:3:1: unknown field; remove it"},
		},
		{
			name: "an unreadable manifest is refused where the last good one sent the branch",
			body: main, set: func(f *fixture) {
				f.routes = Routes{Problems: broken}
				f.lastGood(map[string][]string{"main": {"asia", "europe"}})
			},
			want: Refused, lanes: []string{"asia", "europe"},
		},
		{
			name: "an unreadable first manifest on main is refused in production",
			body: main, set: func(f *fixture) { f.routes = Routes{Problems: broken} }, want: Refused, lanes: []string{"production"},
		},
		{
			name: "an unreadable manifest on main is no matter of production when the last good one did not send it there",
			body: main, set: func(f *fixture) {
				f.routes = Routes{Problems: broken}
				f.lastGood(map[string][]string{"stable": {"production"}})
			},
			want: Ignored, says: []string{"branch main is not released anywhere; besides, the manifest has 1 problems"},
		},
		{
			name: "a broken first manifest that sends its branch nowhere is refused, and says what is wrong with it",
			body: main, set: func(f *fixture) {
				f.routes = Routes{Branches: map[string][]string{"mian": {"production"}}, Problems: broken}
			},
			want: Refused, says: []string{"branch main is not released anywhere", "skyisland.yaml:3:1: unknown field; remove it"},
		},
		{
			name: "an environment that is no name is refused, and the others go on",
			body: main, set: func(f *fixture) { f.routes.Branches["main"] = []string{"No Name", "production"} },
			want: Refused, lanes: []string{"production"}, says: []string{`not released to lane acme/checkout/No Name: environment "No Name" is not a name`, "production/1 has started"},
		},
		{
			name: "a broken manifest without an environment that has a name is refused, and says all that is wrong with it",
			body: main, set: func(f *fixture) {
				f.routes = Routes{Branches: map[string][]string{"main": {"No Name"}}, Problems: broken}
			},
			want: Refused, says: []string{`environment "No Name" is not a name`, "skyisland.yaml:3:1: unknown field; remove it"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			if tt.set != nil {
				tt.set(f)
			}
			kind := "push"
			if tt.kind != "" {
				kind = tt.kind
			}
			id := f.accept(t, kind, "d1", tt.body)
			f.once(t)
			got := f.outcome(t, id)
			if got.Kind != tt.want {
				t.Errorf("outcome = %s: %s; want %s", got.Kind, got.Message, tt.want)
			}
			for _, says := range tt.says {
				if !strings.Contains(got.Message, says) {
					t.Errorf("message = %q, want in it %q", got.Message, says)
				}
			}
			if strings.Contains(got.Message, "hunter2") {
				t.Errorf("message tells a password: %q", got.Message)
			}
			var asked []string
			for _, req := range f.lanes.requests {
				asked = append(asked, req.Lane.Environment)
			}
			if !slices.Equal(asked, tt.lanes) || len(got.Releases) != len(tt.lanes) {
				t.Errorf("asked %v for releases %v, want %v", asked, got.Releases, tt.lanes)
			}
		})
	}
}

// lastGood is what the last good manifest of acme/checkout said.
func (f *fixture) lastGood(branches map[string][]string) {
	application := f.registry.known["acme/checkout"]
	application.Branches = branches
	f.registry.known["acme/checkout"] = application
}

func TestARequestSaysWhatWasPushedAndByWhom(t *testing.T) {
	f := newFixture(t)
	f.accept(t, "push", "d1", `{"ref":"refs/heads/main","before":"`+commitA+`","after":"`+commitB+`",
		"head_commit":{"message":"Fix the fare"},"pusher":{"name":"p"},"sender":{"login":"mona"},
		"repository":{"full_name":"acme/checkout","clone_url":"https://elsewhere.example/evil.git","pushed_at":1700000000}}`)
	f.once(t)
	if len(f.lanes.requests) != 1 {
		t.Fatalf("%d requests, want 1", len(f.lanes.requests))
	}
	want := release.Request{
		Key:        "production acme/checkout refs/heads/main " + commitA + " " + commitB + " pushed_at=1700000000",
		Lane:       release.Lane{Tenant: "acme", Application: "checkout", Environment: "production"},
		Repository: "https://robot:hunter2@git.example/acme/checkout.git", // the registered one, not what the payload says
		Ref:        "refs/heads/main", Commit: commitB, Message: "Fix the fare",
		Requester:   release.Actor{Name: "mona", Source: "github"},
		At:          f.inbox.events[1].ReceivedAt,
		Concurrency: release.Queue,
	}
	if got := f.lanes.requests[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("request = %+v\nwant      %+v", got, want)
	}
}

func TestOnlyAGoodManifestOfAReleasedBranchIsRemembered(t *testing.T) {
	f := newFixture(t)
	f.push(t, "d1", commitA, commitB)
	f.accept(t, "push", "d2", pushBody("acme/checkout", "refs/heads/feature", commitA, commitB))
	f.once(t)
	if len(f.registry.saved) != 1 || !reflect.DeepEqual(f.registry.saved[0].Branches, f.routes.Branches) {
		t.Fatalf("saved %+v, want what main's manifest says, once", f.registry.saved)
	}
	f.lastGood(f.routes.Branches)
	f.push(t, "d3", commitB, commitC)
	f.once(t)
	f.routes = Routes{Branches: map[string][]string{"main": {"test"}}, Problems: release.Problems{{Message: "wrong"}}}
	f.push(t, "d4", commitC, commitA)
	f.once(t)
	if len(f.registry.saved) != 1 {
		t.Errorf("saved again what was the same or broken: %+v", f.registry.saved[1:])
	}
}

func TestHeavier(t *testing.T) {
	for _, tt := range []struct{ a, b, want OutcomeKind }{
		{Duplicate, Started, Started},
		{Started, Duplicate, Started},
		{Started, Queued, Started},
		{Queued, Superseding, Superseding},
		{Refused, Started, Refused},
		{Duplicate, Duplicate, Duplicate},
	} {
		if got := heavier(tt.a, tt.b); got != tt.want {
			t.Errorf("heavier(%s, %s) = %s, want %s", tt.a, tt.b, got, tt.want)
		}
	}
}
