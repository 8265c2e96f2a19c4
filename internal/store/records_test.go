package store_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

func TestApplications(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		hello := release.Application{Tenant: "demo", Name: "hello", Repository: "https://github.com/Demo/Hello.git"}
		check(t, s.SaveApplication(t.Context(), hello))
		hello.Branches = map[string][]string{"main": {"production"}, "dev": {"staging", "test"}}
		check(t, s.SaveApplication(t.Context(), hello))
		named := release.Application{Tenant: "demo", Name: "a-name", Repository: "team/web"}
		check(t, s.SaveApplication(t.Context(), named))
		if got, err := open(t).Applications(t.Context()); err != nil || !reflect.DeepEqual(got, []release.Application{named, hello}) {
			t.Errorf("applications %+v, error %v, want %+v", got, err, []release.Application{named, hello})
		}

		for _, repository := range []string{"git@github.com:demo/hello", "DEMO/hello.git"} {
			taken := release.Application{Tenant: "other", Name: "thief", Repository: repository}
			wantError(t, s.SaveApplication(t.Context(), taken), release.ErrConflict)
		}
		for _, repository := range []string{"", "/", ".git"} {
			if err := s.SaveApplication(t.Context(), release.Application{Tenant: "other", Name: "none", Repository: repository}); err == nil {
				t.Errorf("repository %q was stored", repository)
			}
		}
		check(t, s.SaveApplication(t.Context(), release.Application{Tenant: "other", Name: "twin", Repository: "https://gitlab.com/demo/hello"}))

		check(t, s.RemoveApplication(t.Context(), "demo", "hello"))
		wantError(t, s.RemoveApplication(t.Context(), "demo", "hello"), release.ErrNotFound)
		renamed := release.Application{Tenant: "demo", Name: "renamed", Repository: hello.Repository}
		check(t, s.SaveApplication(t.Context(), renamed))
	})
}

func TestAnApplicationIsFoundByItsRepository(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for name, repository := range map[string]string{
			"full":  "https://github.com/Demo/Hello.git",
			"twin":  "https://gitlab.com/demo/hello",
			"named": "team/web",
			"local": "http://127.0.0.1:7700/git/tour.git",
			"scp":   "git@example.org:deep/er/path.git",
			"path":  "/srv/git/plain.git",
		} {
			check(t, s.SaveApplication(t.Context(), release.Application{Tenant: "demo", Name: name, Repository: repository}))
		}
		for _, test := range []struct{ fullName, cloneURL, want string }{
			{"Demo/Hello", "https://github.com/Demo/Hello.git", "full"},
			{"demo/hello", "https://gitlab.com/demo/hello.git", "twin"},
			{"", "ssh://git@GitHub.com:22/demo/hello", "full"},
			{"team/web", "https://github.com/team/web.git", "named"},
			{"team/web", "", "named"},
			{"tour", "http://127.0.0.1:9900/git/tour.git", "local"},
			{"deep/er/path", "https://example.org/deep/er/path", "scp"},
			{"", "/srv/git/plain.git", "path"},
		} {
			got, err := s.ApplicationByRepository(t.Context(), test.fullName, test.cloneURL)
			if err != nil || got.Name != test.want {
				t.Errorf("%q at %q: application %q, error %v, want %q", test.fullName, test.cloneURL, got.Name, err, test.want)
			}
		}
		for _, test := range []struct {
			fullName, cloneURL string
			want               error
		}{
			{"demo/hello", "https://evil.example/demo/hello.git", release.ErrNotFound},
			{"demo/other", "https://github.com/demo/other.git", release.ErrNotFound},
			{"", "", release.ErrNotFound},
			{nasty, nasty, release.ErrNotFound},
			{"demo/hello", "", release.ErrConflict},
		} {
			_, err := s.ApplicationByRepository(t.Context(), test.fullName, test.cloneURL)
			wantError(t, err, test.want)
		}
	})
}

func TestDecisionsAreKeptOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		until := at(9).UTC()
		question := release.Question{
			Version: 1, Gate: release.GateStep, Release: id(1), At: at(2),
			Request: release.Request{Message: nasty}, Step: &release.StepChange{Unit: "a", From: 100, To: 500},
		}
		denied := release.Decision{
			ID: "d1", Gate: release.GateStep, Bundle: "b1",
			Deny: []release.Denial{{Code: "freeze.open", Message: "frozen", Until: &until}},
		}
		allowed := release.Decision{ID: "d2", Gate: release.GateAdmit, Allow: true, Bundle: "b1", Obligations: []release.Obligation{{Kind: "approvals", Count: 2}}}
		check(t, s.SaveDecision(t.Context(), question, denied, 1500*time.Microsecond))
		check(t, s.SaveDecision(t.Context(), question, denied, time.Hour))
		earlier := question
		earlier.At = at(1)
		check(t, s.SaveDecision(t.Context(), earlier, allowed, 0))
		elsewhere := question
		elsewhere.Release = id(2)
		check(t, s.SaveDecision(t.Context(), elsewhere, release.Decision{ID: "d3"}, 0))

		got, err := open(t).Decisions(t.Context(), id(1))
		if err != nil || len(got) != 2 {
			t.Fatalf("decisions %+v, error %v, want 2", got, err)
		}
		if !reflect.DeepEqual(got[0].Decision, allowed) || !reflect.DeepEqual(got[1].Decision, denied) {
			t.Errorf("decisions %+v, want %+v and %+v", got, allowed, denied)
		}
		if got[1].Took != 1500*time.Microsecond || !got[1].At.Equal(kept(at(2))) {
			t.Errorf("took %v at %v, want the first writing's", got[1].Took, got[1].At)
		}
		want, err := json.Marshal(question)
		check(t, err)
		if string(got[1].Question) != string(want) {
			t.Errorf("question %s, want %s", got[1].Question, want)
		}
	})
}

func TestInstructionsAreKeptOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		approve := release.Instruction{By: release.Actor{Name: "ada", Source: "api"}, Comment: nasty, PlanHash: "h", At: at(2).UTC()}
		abort := release.Instruction{By: release.Actor{Name: "bob", Source: "api"}, At: at(1).UTC()}
		for range 2 {
			check(t, s.SaveInstruction(t.Context(), id(1), "approve", approve, ""))
			check(t, s.SaveInstruction(t.Context(), id(1), "abort", abort, "it has ended"))
		}
		check(t, s.SaveInstruction(t.Context(), id(2), "abort", abort, ""))
		approve.Comment = "a\x00b\uFFFDc"
		want := []store.Instruction{
			{Instruction: abort, Kind: "abort", Refused: "it has ended"},
			{Instruction: approve, Kind: "approve"},
		}
		if got, err := open(t).Instructions(t.Context(), id(1)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("instructions %+v, error %v, want %+v", got, err, want)
		}
	})
}

func TestARevisionNeverChanges(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		_, err := s.Revision(t.Context(), "web-1")
		wantError(t, err, release.ErrNotFound)
		run := release.Run{Command: []string{"bin/web", nasty}, Env: map[string]string{"A": "1"}, Health: "/", Instances: 2, Start: release.Duration(time.Second)}
		first := release.NewRevision("web", release.Digest("sha256:"+strings.Repeat("1", 64)), run, "commit1")
		check(t, s.SaveRevision(t.Context(), first))
		later := first
		later.Commit = "commit2"
		check(t, s.SaveRevision(t.Context(), later))

		forged := first
		forged.Artifact = release.Digest("sha256:" + strings.Repeat("2", 64))
		wantError(t, s.SaveRevision(t.Context(), forged), release.ErrConflict)
		reconfigured := first
		reconfigured.Run.Instances = 3
		wantError(t, s.SaveRevision(t.Context(), reconfigured), release.ErrConflict)

		want := first
		want.Run.Command = []string{"bin/web", "a\x00b\uFFFDc"}
		if got, err := open(t).Revision(t.Context(), first.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("revision %+v, error %v, want %+v", got, err, want)
		}
	})
}

func route(component string, version int64, weight release.Weight) release.Route {
	r := release.Route{
		Key: "demo/hello/production/" + component, Ingress: release.Ingress{Path: "/"}, Version: version,
		Stable: &release.Target{Revision: component + "-1", Endpoints: []string{"127.0.0.1:1"}}, Weight: weight,
	}
	if weight > 0 {
		r.Canary = &release.Target{Revision: component + "-2", Endpoints: []string{"127.0.0.1:2"}}
		r.Lease, r.Salt = release.Duration(15*time.Second), "a-salt"
	}
	return r
}

func TestTheNewestRouteIsKept(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		save := func(routes ...release.Route) error { return s.SaveRoutes(t.Context(), "a", routes) }
		check(t, save(route("web", 1, 0), route("api", 5, 25)))
		check(t, save(route("web", 2, 500)))
		check(t, save(route("web", 2, 500)))
		check(t, save(route("web", 1, 0)))
		check(t, s.SaveRoutes(t.Context(), "b", []release.Route{route("web", 9, 0)}))
		check(t, s.SaveRoutes(t.Context(), "b", nil))

		err := save(route("api", 6, 100), route("web", 2, 600))
		wantError(t, err, release.ErrConflict)
		if err != nil && strings.Contains(err.Error(), "a-salt") {
			t.Errorf("the error shows the salt: %v", err)
		}

		want := []release.Route{route("api", 5, 25), route("web", 2, 500)}
		if got, err := open(t).Routes(t.Context(), "a"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("routes %+v, error %v, want %+v", got, err, want)
		}
		if got, err := s.Routes(t.Context(), "c"); err != nil || len(got) != 0 {
			t.Errorf("routes %+v, error %v, want none", got, err)
		}
	})
}
