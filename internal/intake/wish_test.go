package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

var ada = release.Actor{Name: "ada", Source: "api", Person: "Ada", Groups: []string{"release-managers"}}

func TestAReleaseThatIsAskedFor(t *testing.T) {
	tags := func(pattern string) func(f *fixture) {
		return func(f *fixture) {
			f.lastGood(map[string][]string{"main": {"production", "staging"}})
			f.triggered(map[string]release.Trigger{"production": {Tags: []string{pattern}}})
		}
	}
	for _, tt := range []struct {
		name                     string
		environment, ref, commit string
		set                      func(f *fixture)
		want                     OutcomeKind
		lanes                    []string
		released                 string
		says                     string
	}{
		{name: "the head of a branch, where the branch goes", ref: "refs/heads/main", want: Started, lanes: []string{"production", "staging"}, released: commitB},
		{name: "one environment of the branch", environment: "staging", ref: "refs/heads/main", want: Started, lanes: []string{"staging"}, released: commitB},
		{name: "an older commit of the branch", environment: "staging", ref: "refs/heads/main", commit: commitA, want: Started, lanes: []string{"staging"}, released: commitA},
		{name: "a commit that is not in the branch", ref: "refs/heads/main", commit: commitC, want: Refused, says: "commit " + commitC + " is not in refs/heads/main"},
		{name: "a branch that is not there", ref: "refs/heads/mian", want: Refused, says: "has no refs/heads/mian"},
		{name: "a commit of a branch that is not there", ref: "refs/heads/mian", commit: commitA, want: Refused, says: "has no refs/heads/mian"},
		{name: "an environment that the branch does not have", environment: "demo", ref: "refs/heads/main", want: Refused, says: "branch main is not released to demo: its manifest releases it to production, staging"},
		{
			name: "an environment of another branch", environment: "production", ref: "refs/heads/main", want: Refused,
			set: func(f *fixture) {
				f.lastGood(map[string][]string{"stable": {"production"}, "main": {"staging"}})
			},
			says: "branch main may not be released to production: acme/checkout releases main to staging, stable to production; to change that, push the changed manifest to stable",
		},
		{
			name: "a branch that goes nowhere", ref: "refs/heads/round", want: Refused, says: "branch round is not released anywhere",
			set: func(f *fixture) { f.repo.refs["refs/heads/round"] = commitC },
		},
		{
			name: "a branch that is not released to what its manifest claims", ref: "refs/heads/round", want: Refused, says: "branch round may not be released to production",
			set: func(f *fixture) {
				f.repo.refs["refs/heads/round"] = commitC
				f.lastGood(map[string][]string{"main": {"production"}})
				f.routes.Branches = map[string][]string{"round": {"production"}}
			},
		},
		{name: "a tag that goes nowhere", ref: "refs/tags/v1.2.0", want: Refused, says: "tag v1.2.0 is not released anywhere: no environment has tags"},
		{name: "a tag goes where tags go", ref: "refs/tags/v1.2.0", set: tags("v*"), want: Started, lanes: []string{"production"}, released: commitB},
		{name: "a tag with its environment", environment: "production", ref: "refs/tags/v1.2.0", set: tags("v*"), want: Started, lanes: []string{"production"}, released: commitB},
		{name: "a tag with another environment", environment: "staging", ref: "refs/tags/v1.2.0", set: tags("v*"), want: Refused, says: "tag v1.2.0 is not released to staging; released are v* to production"},
		{name: "a tag of another pattern", ref: "refs/tags/v1.2.0", set: tags("release-*"), want: Refused, says: "not released anywhere; released are release-* to production"},
		{name: "a tag with another commit than it has", ref: "refs/tags/v1.2.0", commit: commitA, set: tags("v*"), want: Refused, says: "refs/tags/v1.2.0 is " + commitB + ", not " + commitA},
		{name: "a tag that is on no branch of the environment", ref: "refs/tags/v1.2.0", set: func(f *fixture) {
			tags("v*")(f)
			f.repo.refs["refs/heads/main"] = commitA
		}, want: Refused, says: "tag v1.2.0 is not on branch main, so it is not released to production"},
		{name: "a branch whose environment has tags", ref: "refs/heads/main", set: func(f *fixture) {
			f.routes.Triggers = map[string]release.Trigger{"production": {Tags: []string{"v*"}}}
		}, want: Started, lanes: []string{"staging"}, released: commitB},
		{name: "something that is neither a branch nor a tag", ref: "refs/pull/1/head", set: func(f *fixture) { f.repo.refs["refs/pull/1/head"] = commitB }, want: Refused, says: "neither a branch nor a tag"},
		{name: "a branch by its short name", environment: "staging", ref: "main", want: Started, lanes: []string{"staging"}, released: commitB},
		{name: "a tag by its short name", ref: "v1.2.0", set: tags("v*"), want: Started, lanes: []string{"production"}, released: commitB},
		{name: "a short name that nothing has", ref: "mian", want: Refused, says: "has no mian"},
		{name: "a commit alone, of a branch that is released", commit: commitA, set: func(f *fixture) {
			f.lastGood(map[string][]string{"gone": {"demo"}, "main": {"production", "staging"}})
		}, want: Started, lanes: []string{"production", "staging"}, released: commitA},
		{name: "a commit alone, with its environment", environment: "staging", commit: commitA, set: func(f *fixture) {
			f.lastGood(map[string][]string{"main": {"production", "staging"}})
		}, want: Started, lanes: []string{"staging"}, released: commitA},
		{name: "a commit alone, of no branch that is released to the environment", environment: "demo", commit: commitA, set: func(f *fixture) {
			f.lastGood(map[string][]string{"main": {"production", "staging"}})
		}, want: Refused, says: "no branch is released there yet"},
		{name: "a commit alone, of no branch that is released", commit: commitC, set: func(f *fixture) {
			f.lastGood(map[string][]string{"main": {"production"}})
		}, want: Refused, says: "commit " + commitC + " is not released: it is not in main"},
		{
			name: "a commit that is gone", ref: "refs/heads/main", want: Refused, says: "has no commit " + commitB,
			set: func(f *fixture) {
				f.manifests = func(context.Context, string) (Routes, error) { return Routes{}, release.ErrNotFound }
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := withParts(t)
			f.routes.Branches["main"] = []string{"production", "staging"}
			if tt.set != nil {
				tt.set(f)
			}
			id, duplicate, err := NewAsking(f.inbox, f.Router).Request(t.Context(), "acme", "checkout", tt.environment, tt.ref, tt.commit, "Fix the fare", ada, "ask-1")
			if err != nil || duplicate || len(f.wake) != 1 {
				t.Fatalf("stored %d, %t, %v; woken %d", id, duplicate, err, len(f.wake))
			}
			f.once(t)
			got := f.outcome(t, id)
			if got.Kind != tt.want || !strings.Contains(got.Message, tt.says) || strings.Contains(got.Message, "hunter2") {
				t.Errorf("got %+v, want %s with %q", got, tt.want, tt.says)
			}
			var lanes []string
			for _, req := range f.lanes.requests {
				lanes = append(lanes, req.Lane.Environment)
				if req.Commit != tt.released || !strings.HasSuffix(req.Ref, tt.ref) || !strings.HasPrefix(req.Ref, "refs/") || !reflect.DeepEqual(req.Requester, ada) || req.Message != "Fix the fare" ||
					req.Key != req.Lane.Environment+" asked api ask-1" || strings.Contains(req.Key, "hunter2") {
					t.Errorf("asked %+v", req)
				}
			}
			if !reflect.DeepEqual(lanes, tt.lanes) {
				t.Errorf("asked %v, want %v", lanes, tt.lanes)
			}
		})
	}
}

// What was asked for is one release in each environment, also when the branch has moved by the time it is asked for again.
func TestWhatIsAskedForIsAskedForOnce(t *testing.T) {
	f, _ := withParts(t)
	f.routes.Branches["main"] = []string{"production", "staging"}
	asking := NewAsking(f.inbox, f.Router)
	id, _, err := asking.Request(t.Context(), "acme", "checkout", "", "refs/heads/main", "", "", ada, "ask-1")
	if err != nil {
		t.Fatal(err)
	}
	f.lanes.before = func(_ context.Context, req release.Request) error {
		if req.Lane.Environment == "staging" {
			return errAway
		}
		return nil
	}
	f.once(t)
	f.pending(t, id)
	f.repo.refs["refs/heads/main"], f.lanes.before = commitC, nil
	outcome, err := f.route(t.Context(), taskOf(f.inbox.events[id]))
	if err != nil || len(f.lanes.requests) != 2 {
		t.Errorf("got %+v, %v; asked %+v", outcome, err, f.lanes.requests)
	}
	// The same name is the same request; without one, each is its own.
	if again, duplicate, err := asking.Request(t.Context(), "acme", "checkout", "", "refs/heads/main", "", "", ada, "ask-1"); err != nil || !duplicate || again != id {
		t.Errorf("again: %d, %t, %v", again, duplicate, err)
	}
	for range 2 {
		if _, duplicate, err := asking.Request(t.Context(), "acme", "checkout", "", "refs/heads/main", "", "", ada, ""); err != nil || duplicate {
			t.Errorf("without a name: %t, %v", duplicate, err)
		}
	}
	if f.inbox.count() != 3 {
		t.Errorf("%d events", f.inbox.count())
	}
}

func TestWhatCannotBeAskedForIsNotStored(t *testing.T) {
	f := newFixture(t)
	for _, tt := range []struct {
		name, tenant, environment, ref, commit, message, delivery string
		by                                                        release.Actor
		want                                                      string
	}{
		{"a tenant that is no name", "Acme!", "", "refs/heads/main", "", "", "", ada, "tenant:"},
		{"an environment that is no name", "acme", "Production", "refs/heads/main", "", "", "", ada, "environment:"},
		{"neither a ref nor a commit", "acme", "", "", "", "", "", ada, "or a commit in its place"},
		{"a ref with a line break", "acme", "", "refs/heads/a\nb", "", "", "", ada, "ref is"},
		{"a short commit", "acme", "", "refs/heads/main", "0d1a", "", "", ada, "commit is"},
		{"no commit at all", "acme", "", "refs/heads/main", zero, "", "", ada, "commit is"},
		{"nobody", "acme", "", "refs/heads/main", "", "", "", release.Actor{}, "who asks"},
		{"a name that is none", "acme", "", "refs/heads/main", "", "", "a b", ada, "name of the request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := NewAsking(f.inbox, f.Router).Request(t.Context(), tt.tenant, "checkout", tt.environment, tt.ref, tt.commit, tt.message, tt.by, tt.delivery)
			var bad *BadRequestError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) || f.inbox.count() != 0 {
				t.Errorf("error = %v, %d events; want %q and none", err, f.inbox.count(), tt.want)
			}
		})
	}
	if _, _, err := NewAsking(f.inbox, f.Router).Request(t.Context(), "acme", "unheard", "", "main", "", "", ada, ""); !errors.Is(err, release.ErrNotFound) || f.inbox.count() != 0 {
		t.Errorf("an application nobody knows: %v", err)
	}
	f.inbox.failing("accept")
	_, _, err := NewAsking(f.inbox, f.Router).Request(t.Context(), "acme", "checkout", "", "refs/heads/main", "", "", ada, "")
	var bad *BadRequestError
	if !errors.Is(err, errAway) || errors.As(err, &bad) || len(f.wake) != 0 {
		t.Errorf("with the store away: %v", err)
	}
}

func TestAStandardWebhookAsksInItsRequestersName(t *testing.T) {
	f, _ := withParts(t)
	f.people = peopleFunc(func(source, name string) (release.Actor, error) {
		if name != "mona" {
			return release.Actor{}, fmt.Errorf("%q is nobody here", name)
		}
		return release.Actor{Name: name, Source: source, Person: "Mona"}, nil
	})
	mona := release.Actor{Name: "mona", Source: "standard", Person: "Mona"}
	for i, name := range []string{"standard-release.requested", "standard-environment"} {
		got := f.happened(t, "standard", "release.requested", fmt.Sprint("d", i), sample(t, name))
		if len(f.lanes.requests) != i+1 || !reflect.DeepEqual(f.lanes.requests[i].Requester, mona) || f.lanes.requests[i].Commit != commitB {
			t.Errorf("%s: got %+v, asked %+v", name, got, f.lanes.requests)
		}
	}
	f.repo.refs["refs/heads/main"] = commitC
	for name, tt := range map[string]struct {
		body, says string
	}{
		"a requester nobody knows": {changed(t, "standard-environment", `"mona"`, `"eve"`), `"eve" is nobody here`},
		"no requester":             {strings.Replace(changed(t, "standard-release.requested", `"requester": "mona"`, `"pusher": "mona"`), commitB, commitC, 1), `"" is nobody here`},
		"another repository":       {changed(t, "standard-environment", "acme/checkout", "acme/unheard"), "no application is released from acme/unheard"},
	} {
		if got := f.happened(t, "standard", "release.requested", name, tt.body); got.Kind != Refused || !strings.Contains(got.Message, tt.says) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	f.repo.err = errAway
	id, _, err := f.inbox.Accept(t.Context(), Event{Source: "standard", Delivery: "later", Kind: "release.requested", Body: []byte(sample(t, "standard-environment"))})
	if err != nil {
		t.Fatal(err)
	}
	f.once(t)
	f.pending(t, id)
	if len(f.lanes.requests) != 2 {
		t.Errorf("asked %+v", f.lanes.requests)
	}
}

func FuzzReadAsked(f *testing.F) {
	f.Add([]byte(`{"tenant":"acme","application":"checkout","ref":"refs/heads/main","by":{"name":"ada","source":"api"}}`))
	f.Add([]byte(`{"ref":"refs/tags/\u0000","commit":"` + zero + `","by":null,"message":1e999}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, source := range []string{SourceAPI, SourceSchedule} {
			m, err := read(Event{Source: source, Kind: kindRelease, Body: body})
			if again, err2 := read(Event{Source: source, Kind: kindRelease, Body: body}); (err == nil) != (err2 == nil) || !reflect.DeepEqual(m, again) {
				t.Errorf("read twice, it differs: %+v, %v", again, err2)
			}
			if err == nil && m.asked != nil {
				if _, err := json.Marshal(m.asked); err != nil || m.asked.Ref+m.asked.Commit == "" {
					t.Errorf("read %+v, %v", m.asked, err)
				}
			}
		}
	})
}
