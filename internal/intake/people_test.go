package intake

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// peopleFunc knows people.
type peopleFunc func(source, name string) (release.Actor, error)

func (f peopleFunc) Person(source, name string) (release.Actor, error) { return f(source, name) }

func TestThePusherIsAPerson(t *testing.T) {
	mona := release.Actor{Name: "mona", Source: "github", Person: "Mona", Groups: []string{"developers"}}
	known := peopleFunc(func(source, name string) (release.Actor, error) {
		if source == "github" && name == "mona" {
			return mona, nil
		}
		return release.Actor{}, errors.New(name + " is nobody here: add github: [" + name + "] to people.yaml")
	})
	pushed := func(branch, login string) string {
		return strings.TrimSuffix(pushBody("acme/checkout", "refs/heads/"+branch, commitA, commitB), "}") + `,"sender":{"login":"` + login + `"}}`
	}
	for _, tt := range []struct {
		name, body string
		set        func(f *fixture)
		want       OutcomeKind
		says       string
		saved      bool
	}{
		{name: "one who is known asks in their own name", body: pushed("main", "mona"), want: Started, saved: true},
		{
			name: "one who is not is told how to be known, and nothing is asked or learnt",
			body: pushed("main", "eve"), want: Refused, says: "not released: eve is nobody here: add github: [eve] to people.yaml",
		},
		{
			name: "nobody need be known to push a branch that is not released",
			body: pushed("feature", "eve"), want: Ignored, says: "branch feature is not released anywhere",
		},
		{
			name: "a broken first manifest of one who is not known is refused for who it is from",
			body: pushed("feature", "eve"), want: Refused, says: "eve is nobody here",
			set: func(f *fixture) { f.routes = Routes{Problems: release.Problems{{Message: "broken"}}} },
		},
		{
			name: "an environment of another branch is refused for who asks",
			body: pushed("feature", "eve"), want: Refused, says: "eve is nobody here",
			set: func(f *fixture) {
				f.lastGood(map[string][]string{"main": {"production"}})
				f.routes.Branches = map[string][]string{"feature": {"production"}}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.people = known
			if tt.set != nil {
				tt.set(f)
			}
			id := f.accept(t, "push", "d1", tt.body)
			f.once(t)
			got := f.inbox.outcomes[id]
			if got.Kind != tt.want || !strings.Contains(got.Message, tt.says) {
				t.Errorf("got %+v", got)
			}
			if asked := len(f.lanes.requests) > 0; asked != (tt.want == Started) {
				t.Errorf("asked %+v", f.lanes.requests)
			}
			if tt.want == Started && !reflect.DeepEqual(f.lanes.requests[0].Requester, mona) {
				t.Errorf("the requester is %+v", f.lanes.requests[0].Requester)
			}
			if saved := len(f.registry.saved) > 0; saved != tt.saved {
				t.Errorf("saved %+v", f.registry.saved)
			}
		})
	}
}
