package intake

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// heads are refs and what is in their history, of every repository.
type heads struct {
	refs map[string]string
	in   map[string][]string
	err  error
}

func (h *heads) Resolve(_ context.Context, _ release.Application, ref string) (string, error) {
	if found, ok := h.refs[ref]; ok && h.err == nil {
		return found, nil
	}
	if h.err != nil {
		return "", h.err
	}
	return "", fmt.Errorf("%s: %w", ref, release.ErrNotFound)
}

func (h *heads) Contains(ctx context.Context, application release.Application, ref, commit string) (bool, error) {
	head, err := h.Resolve(ctx, application, ref)
	if err != nil {
		return false, err
	}
	for _, one := range append(h.in[ref], head) {
		if one == commit {
			return true, nil
		}
	}
	return false, nil
}

// elsewhere are releases that wait for builds, and jobs that wait for releases.
type elsewhere struct {
	waiting  map[string][]release.ID
	told     []string
	was      map[release.ID]Was
	words    []string
	given    []release.Instruction
	refuse   error
	err      error
	protects []string
}

func (e *elsewhere) Built(_ context.Context, repository, cloneURL, commit string) ([]release.ID, error) {
	e.told = append(e.told, strings.TrimSpace(repository+" "+cloneURL)+" "+commit)
	return e.waiting[commit], e.err
}

func (e *elsewhere) Release(_ context.Context, id release.ID) (Was, error) {
	if found, ok := e.was[id]; ok || e.err != nil {
		return found, e.err
	}
	return Was{}, fmt.Errorf("release %s: %w", id, release.ErrNotFound)
}

func (e *elsewhere) Instruct(_ context.Context, id release.ID, what string, in release.Instruction) error {
	if e.refuse != nil {
		return e.refuse
	}
	e.words, e.given = append(e.words, what+" "+id.String()), append(e.given, in)
	return nil
}

func (e *elsewhere) Protect(_ context.Context, repository string, runID int64, environment, sha, callbackURL string) error {
	if e.err != nil {
		return e.err
	}
	e.protects = append(e.protects, fmt.Sprintf("%s %d %s %s %s", repository, runID, environment, sha, callbackURL))
	return nil
}

// withParts is a fixture whose router has all parts.
func withParts(t *testing.T) (*fixture, *heads, *elsewhere) {
	t.Helper()
	f := newFixture(t)
	h := &heads{refs: map[string]string{"refs/heads/main": commitB, "refs/tags/v1.2.0": commitB}, in: map[string][]string{"refs/heads/main": {commitA}}}
	e := &elsewhere{waiting: map[string][]release.ID{}, was: map[release.ID]Was{}}
	f.With(Parts{Heads: h, Builds: e, Released: e, Instructor: e, Protections: e})
	return f, h, e
}

// happened puts an event into the inbox, has it handed on, and returns its outcome.
func (f *fixture) happened(t *testing.T, source, kind, delivery, body string) Outcome {
	t.Helper()
	id, _, err := f.inbox.Accept(t.Context(), Event{Source: source, Delivery: delivery, Kind: kind, Body: []byte(body), ReceivedAt: time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
	f.once(t)
	return f.outcome(t, id)
}

var seventh = release.ID{Lane: release.Lane{Tenant: "acme", Application: "checkout", Environment: "production"}, Number: 7}

func TestWhatIsBuiltElsewhereIsPassedOn(t *testing.T) {
	for _, tt := range []struct {
		name, source, kind, sample string
		waiting                    []release.ID
		want                       Outcome
		told                       string
	}{
		{
			"a workflow run that a release waits for", "github", "workflow_run", "github-workflow_run", []release.ID{seventh},
			Outcome{Kind: Told, Releases: []release.ID{seventh}, Message: `workflow run "build", success, of commit ` + commitB + " is passed on to acme/checkout/production/7"},
			"acme/checkout https://github.com/acme/checkout.git " + commitB,
		},
		{
			"a workflow run that nobody waits for", "github", "workflow_run", "github-workflow_run", nil,
			Outcome{Kind: Ignored, Message: `no release waits for workflow run "build", success, of commit ` + commitB},
			"acme/checkout https://github.com/acme/checkout.git " + commitB,
		},
		{
			"an image that a release waits for", "registry", "dev.skyisland.image.pushed.v1", "registry-image", []release.ID{seventh},
			Outcome{Kind: Told, Releases: []release.ID{seventh}, Message: "image registry.example.com/acme/checkout@sha256:" + strings.Repeat("954b378c", 8) + " of commit " + commitB + " is passed on to acme/checkout/production/7"},
			"registry.example.com/acme/checkout " + commitB,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _, e := withParts(t)
			e.waiting[commitB] = tt.waiting
			got := f.happened(t, tt.source, tt.kind, "d1", sample(t, tt.sample))
			if !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(e.told, []string{tt.told}) || len(f.lanes.requests) != 0 {
				t.Errorf("outcome %+v, told %v\nwant    %+v, told %s", got, e.told, tt.want, tt.told)
			}
		})
	}
	t.Run("an image without a commit is ignored", func(t *testing.T) {
		f, _, e := withParts(t)
		got := f.happened(t, "registry", "dev.skyisland.image.pushed.v1", "d1", changed(t, "registry-image", "org.opencontainers.image.revision", "org.example.revision"))
		if got.Kind != Ignored || !strings.Contains(got.Message, "give it the annotation org.opencontainers.image.revision") || len(e.told) != 0 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("an installation that builds everything itself ignores it", func(t *testing.T) {
		if got := newFixture(t).happened(t, "github", "workflow_run", "d1", sample(t, "github-workflow_run")); got.Kind != Ignored || !strings.Contains(got.Message, "nothing is built elsewhere") {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("who is away is told later", func(t *testing.T) {
		f, _, e := withParts(t)
		e.err = errAway
		id := f.accept(t, "workflow_run", "d1", sample(t, "github-workflow_run"))
		f.once(t)
		f.pending(t, id)
	})
}

func TestAJobThatWaitsForOurWordIsKept(t *testing.T) {
	f, _, e := withParts(t)
	body := sample(t, "github-deployment_protection_rule")
	got := f.happened(t, "github", "deployment_protection_rule", "d1", body)
	want := "acme/checkout 16012345678 production " + commitB + " https://api.github.com/repos/acme/checkout/actions/runs/16012345678/deployment_protection_rule"
	if got.Kind != Told || !reflect.DeepEqual(e.protects, []string{want}) {
		t.Errorf("got %+v, kept %v", got, e.protects)
	}
	e.err = errAway
	id := f.accept(t, "deployment_protection_rule", "d2", body)
	f.once(t)
	f.pending(t, id)
	if got := newFixture(t).happened(t, "github", "deployment_protection_rule", "d1", body); got.Kind != Ignored || !strings.Contains(got.Message, "nobody here answers") {
		t.Errorf("without anybody who answers: %+v", got)
	}
}

func TestTheCodeOfAForkIsNeverRun(t *testing.T) {
	f, _, _ := withParts(t)
	body := changed(t, "github-pull_request", `"full_name": "acme/checkout",
    "fork"`, `"full_name": "eve/checkout",
    "fork"`)
	for i, tt := range []struct {
		body string
		want OutcomeKind
		says string
	}{
		{sample(t, "github-pull_request"), Ignored, "no environment has previews"},
		{body, Refused, "from eve/checkout, and the code of forks is not run"},
		{`{"action":"labeled","number":1,"pull_request":{"state":"open","head":{"ref":"x","sha":"` + commitA + `","repo":null},"labels":[{"name":"preview"}]},"repository":{"full_name":"acme/checkout"}}`, Refused, "a repository that is gone"},
	} {
		if got := f.happened(t, "github", "pull_request", fmt.Sprint("d", i), tt.body); got.Kind != tt.want || !strings.Contains(got.Message, tt.says) {
			t.Errorf("got %+v, want %s with %q", got, tt.want, tt.says)
		}
	}
	if len(f.lanes.requests) != 0 {
		t.Errorf("asked %+v", f.lanes.requests)
	}
}

func TestAButtonAsksForTheSameAgain(t *testing.T) {
	f, _, e := withParts(t)
	e.was[seventh] = Was{Commit: commitB, Message: "Fix the fare"}
	f.people = peopleFunc(func(source, name string) (release.Actor, error) {
		if name != "mona" {
			return release.Actor{}, errors.New(name + " is nobody here")
		}
		return release.Actor{Name: name, Source: source, Person: "Mona"}, nil
	})
	f.routes.Branches["main"] = []string{"production", "staging"}
	body := sample(t, "github-check_run-rerequested")
	got := f.happened(t, "github", "check_run", "d1", body)
	if got.Kind != Started || len(f.lanes.requests) != 1 {
		t.Fatalf("got %+v, asked %+v", got, f.lanes.requests)
	}
	want := release.Request{
		Key: "production acme/checkout refs/heads/main " + zero + " " + commitB + " rerun=d1", Lane: seventh.Lane,
		Repository: "https://robot:hunter2@git.example/acme/checkout.git", Ref: "refs/heads/main", Commit: commitB, Message: "Fix the fare",
		Requester: release.Actor{Name: "mona", Source: "github", Person: "Mona"}, At: f.inbox.events[1].ReceivedAt, Concurrency: release.Queue,
	}
	if got := f.lanes.requests[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("asked %+v\nwant  %+v", got, want)
	}
	// Pressed once more, it is another release; a tag that is known is released as it was.
	e.was[seventh] = Was{Ref: "refs/tags/v1.2.0", Commit: commitB}
	got = f.happened(t, "github", "check_run", "d2", changed(t, "github-check_run-abort", `"abort"`, `"rerun"`))
	if got.Kind != Superseding || len(f.lanes.requests) != 2 || f.lanes.requests[1].Ref != "refs/tags/v1.2.0" {
		t.Errorf("got %+v, asked %+v", got, f.lanes.requests)
	}
}

func TestAButtonAborts(t *testing.T) {
	f, _, e := withParts(t)
	e.was[seventh] = Was{Commit: commitB}
	got := f.happened(t, "github", "check_run", "d1", sample(t, "github-check_run-abort"))
	want := []release.Instruction{{ID: "github d1", By: release.Actor{Name: "mona", Source: "github"}, Comment: "pressed at the check run", At: f.inbox.events[1].ReceivedAt}}
	if got.Kind != Told || !reflect.DeepEqual(got.Releases, []release.ID{seventh}) || !reflect.DeepEqual(e.words, []string{"abort acme/checkout/production/7"}) || !reflect.DeepEqual(e.given, want) {
		t.Errorf("got %+v, said %v %+v", got, e.words, e.given)
	}
	for i, tt := range []struct {
		err  error
		want OutcomeKind
		says string
	}{
		{release.ErrFinished, Ignored, "has ended"},
		{release.ErrNotFound, Ignored, "has ended"},
		{fmt.Errorf("%w: only release managers may", release.ErrConflict), Refused, "only release managers may"},
	} {
		e.refuse = tt.err
		if got := f.happened(t, "github", "check_run", fmt.Sprint("e", i), sample(t, "github-check_run-abort")); got.Kind != tt.want || !strings.Contains(got.Message, tt.says) {
			t.Errorf("%v: got %+v, want %s", tt.err, got, tt.want)
		}
	}
	e.refuse = errAway
	id := f.accept(t, "check_run", "later", sample(t, "github-check_run-abort"))
	f.once(t)
	f.pending(t, id)
}

func TestAButtonThatIsNotOursToPressDoesNothing(t *testing.T) {
	body := sample(t, "github-check_run-rerequested")
	for _, tt := range []struct {
		name, body string
		set        func(f *fixture, e *elsewhere)
		want       OutcomeKind
		says       string
	}{
		{"a repository that is not released", strings.Replace(body, `"full_name": "acme/checkout"`, `"full_name": "acme/unheard"`, 1), nil, Refused, "no application is released from acme/unheard"},
		{"a release of another application", strings.Replace(body, "acme/checkout/production/7", "acme/search/production/7", 1), nil, Refused, "is no release of acme/checkout"},
		{"a release that never was", strings.Replace(body, "acme/checkout/production/7", "acme/checkout/production/8", 1), nil, Refused, "there is no release acme/checkout/production/8"},
		{"another commit than the release's", body, func(_ *fixture, e *elsewhere) { e.was[seventh] = Was{Commit: commitA} }, Refused, "is of commit " + commitA},
		{"somebody nobody knows", body, func(f *fixture, _ *elsewhere) {
			f.people = peopleFunc(func(string, string) (release.Actor, error) { return release.Actor{}, errors.New("mona is nobody here") })
		}, Refused, "not done: mona is nobody here"},
		{"an environment that has moved to another branch", body, func(f *fixture, _ *elsewhere) {
			f.lastGood(map[string][]string{"stable": {"production"}})
		}, Refused, "branch main may not be released to production"},
		{"an environment that the manifest no longer has", body, func(f *fixture, _ *elsewhere) { f.routes.Branches = nil }, Refused, "no branch is released to production"},
		{"a commit that is gone", body, func(f *fixture, _ *elsewhere) {
			f.manifests = func(context.Context, string) (Routes, error) { return Routes{}, release.ErrNotFound }
		}, Refused, "has no commit " + commitB},
		{"an installation without the parts", body, func(f *fixture, _ *elsewhere) { f.With(Parts{}) }, Ignored, "do nothing"},
		{"an application in dispute", body, func(f *fixture, _ *elsewhere) { f.registry.err = release.ErrConflict }, Refused, "conflict"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _, e := withParts(t)
			e.was[seventh] = Was{Commit: commitB}
			if tt.set != nil {
				tt.set(f, e)
			}
			got := f.happened(t, "github", "check_run", "d1", tt.body)
			if got.Kind != tt.want || !strings.Contains(got.Message, tt.says) || len(f.lanes.requests)+len(e.words) != 0 {
				t.Errorf("got %+v, asked %+v", got, f.lanes.requests)
			}
			if strings.Contains(got.Message, "hunter2") {
				t.Errorf("the message tells a password: %s", got.Message)
			}
		})
	}
}

func TestAPublishedTagIsResolved(t *testing.T) {
	body := sample(t, "github-release")
	for _, tt := range []struct {
		name string
		set  func(f *fixture, h *heads)
		want OutcomeKind
		says string
	}{
		{"it is a change of the tag", nil, Ignored, "refs/tags/v1.2.0 is not a branch"},
		{"a tag that is gone", func(_ *fixture, h *heads) { delete(h.refs, "refs/tags/v1.2.0") }, Refused, "has no refs/tags/v1.2.0"},
		{"nobody who knows", func(f *fixture, _ *heads) { f.With(Parts{}) }, Ignored, "nobody here can say"},
		{"a repository that is not released", func(f *fixture, _ *heads) { f.registry.known = nil }, Refused, "no application is released from acme/checkout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, h, _ := withParts(t)
			if tt.set != nil {
				tt.set(f, h)
			}
			if got := f.happened(t, "github", "release", "d1", body); got.Kind != tt.want || !strings.Contains(got.Message, tt.says) || strings.Contains(got.Message, "hunter2") {
				t.Errorf("got %+v", got)
			}
		})
	}
	f, h, _ := withParts(t)
	h.err = errAway
	id := f.accept(t, "release", "d1", body)
	f.once(t)
	f.pending(t, id)
}
