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

// withParts is a fixture whose router has all parts. Main of acme/checkout is at commitB, and so is the tag v1.2.0.
func withParts(t *testing.T) (*fixture, *elsewhere) {
	t.Helper()
	f := newFixture(t)
	f.repo.refs = map[string]string{"refs/heads/main": commitB, "refs/tags/v1.2.0": commitB, "refs/heads/round": commitB}
	e := &elsewhere{waiting: map[string][]release.ID{}, was: map[release.ID]Was{}}
	f.builds, f.released, f.instructor, f.protections = e, e, e, e
	return f, e
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
			f, e := withParts(t)
			e.waiting[commitB] = tt.waiting
			got := f.happened(t, tt.source, tt.kind, "d1", sample(t, tt.sample))
			if !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(e.told, []string{tt.told}) || len(f.lanes.requests) != 0 {
				t.Errorf("outcome %+v, told %v\nwant    %+v, told %s", got, e.told, tt.want, tt.told)
			}
		})
	}
	t.Run("an image without a commit is ignored", func(t *testing.T) {
		f, e := withParts(t)
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
		f, e := withParts(t)
		e.err = errAway
		id := f.accept(t, "workflow_run", "d1", sample(t, "github-workflow_run"))
		f.once(t)
		f.pending(t, id)
	})
}

func TestAJobThatWaitsForOurWordIsKept(t *testing.T) {
	f, e := withParts(t)
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

// previews is what the branches of acme/checkout say of previews.
func (f *fixture) previews() {
	f.lastGood(map[string][]string{"main": {"production", "preview", "demo"}})
	f.triggered(map[string]release.Trigger{"preview": {Preview: "preview"}, "demo": {Preview: "demo"}})
}

// triggered is what the branches of acme/checkout say of what releases beside their pushes.
func (f *fixture) triggered(triggers map[string]release.Trigger) {
	application := f.registry.known["acme/checkout"]
	application.Triggers = triggers
	f.registry.known["acme/checkout"] = application
}

func TestAPullRequestIsShownWhereItsLabelSays(t *testing.T) {
	body := sample(t, "github-pull_request")
	fork := changed(t, "github-pull_request", `"full_name": "acme/checkout",
    "fork"`, `"full_name": "eve/checkout",
    "fork"`)
	for _, tt := range []struct {
		name, body string
		set        func(f *fixture)
		want       OutcomeKind
		says       string
		lanes      []string
	}{
		{name: "the label of an environment", body: body, want: Started, lanes: []string{"preview"}, says: "preview/1 has started"},
		{name: "the labels of two", body: strings.Replace(body, `"bug"`, `"demo"`, 1), want: Started, lanes: []string{"demo", "preview"}},
		{name: "commits while it has the label", body: strings.Replace(body, `"labeled"`, `"synchronize"`, 1), want: Started, lanes: []string{"preview"}},
		{name: "another label", body: strings.ReplaceAll(body, `"preview"`, `"question"`), want: Ignored, says: "no label that asks for a preview: there are demo for demo, preview for preview"},
		{name: "no environment with previews", body: body, set: func(f *fixture) { f.triggered(nil) }, want: Ignored, says: "no environment has previews"},
		{name: "its own manifest does not count", body: body, set: func(f *fixture) {
			f.triggered(nil)
			f.routes.Triggers = map[string]release.Trigger{"production": {Preview: "preview"}}
		}, want: Ignored, says: "no environment has previews"},
		{name: "a fork", body: fork, want: Refused, says: "from eve/checkout, and the code of forks is not run"},
		{name: "a fork that is gone", body: `{"action":"labeled","number":1,"pull_request":{"state":"open","head":{"ref":"x","sha":"` + commitA +
			`","repo":null},"labels":[{"name":"preview"}]},"repository":{"full_name":"acme/checkout"}}`, want: Refused, says: "a repository that is gone"},
		{name: "a repository that is not released", body: strings.ReplaceAll(body, "acme/checkout", "acme/unheard"), want: Refused, says: "no application is released from acme/unheard"},
		{name: "a branch that is gone", body: body, set: func(f *fixture) { delete(f.repo.refs, "refs/heads/round") }, want: Superseded, says: "branch round is gone"},
		{name: "somebody nobody knows", body: body, set: func(f *fixture) {
			f.people = peopleFunc(func(string, string) (release.Actor, error) { return release.Actor{}, errors.New("mona is nobody here") })
		}, want: Refused, says: "not released: mona is nobody here"},
		{name: "a commit that is gone", body: body, set: func(f *fixture) {
			f.manifests = func(context.Context, string) (Routes, error) { return Routes{}, release.ErrNotFound }
		}, want: Refused, says: "has no commit " + commitB},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := withParts(t)
			f.previews()
			if tt.set != nil {
				tt.set(f)
			}
			got := f.happened(t, "github", "pull_request", "d1", tt.body)
			if got.Kind != tt.want || !strings.Contains(got.Message, tt.says) || strings.Contains(got.Message, "hunter2") {
				t.Errorf("got %+v, want %s with %q", got, tt.want, tt.says)
			}
			var lanes []string
			for _, req := range f.lanes.requests {
				lanes = append(lanes, req.Lane.Environment)
				if req.Commit != commitB || req.Ref != "refs/heads/round" || req.Requester.Name != "mona" || req.Message != "Preview of pull request 31" {
					t.Errorf("asked %+v", req)
				}
			}
			if !reflect.DeepEqual(lanes, tt.lanes) {
				t.Errorf("asked %v, want %v", lanes, tt.lanes)
			}
		})
	}
}

func TestAPullRequestIsShownOnceForACommit(t *testing.T) {
	f, _ := withParts(t)
	f.previews()
	body := sample(t, "github-pull_request")
	if got := f.happened(t, "github", "pull_request", "d1", body); got.Kind != Started {
		t.Errorf("got %+v", got)
	}
	if got := f.happened(t, "github", "pull_request", "d2", strings.Replace(body, `"labeled"`, `"synchronize"`, 1)); got.Kind != Duplicate || len(f.lanes.requests) != 1 {
		t.Errorf("got %+v", got)
	}
	// A commit that the host does not show yet is waited for, a few times.
	f.repo.refs["refs/heads/round"] = commitA
	id := f.accept(t, "pull_request", "d3", body)
	f.once(t)
	f.pending(t, id)
	f.tries[id] = lagTries
	if got, err := f.route(t.Context(), taskOf(f.inbox.events[id])); err != nil || got.Kind != Superseded || !strings.Contains(got.Message, "branch round is at "+short(commitA)) {
		t.Errorf("got %+v, %v", got, err)
	}
	f.repo.err = errAway
	id = f.accept(t, "pull_request", "d4", body)
	f.once(t)
	f.pending(t, id)
}

func TestAButtonAsksForTheSameAgain(t *testing.T) {
	f, e := withParts(t)
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
	f, e := withParts(t)
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
		{"an installation without the parts", body, func(f *fixture, _ *elsewhere) { f.released, f.instructor = nil, nil }, Ignored, "do nothing"},
		{"an application in dispute", body, func(f *fixture, _ *elsewhere) { f.registry.err = release.ErrConflict }, Refused, "conflict"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, e := withParts(t)
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

func TestAPublishedTagIsReleasedWhereTagsGo(t *testing.T) {
	f, _ := withParts(t)
	f.lastGood(map[string][]string{"main": {"production"}})
	f.triggered(map[string]release.Trigger{"production": {Tags: []string{"v*"}}})
	body := sample(t, "github-release")
	got := f.happened(t, "github", "release", "d1", body)
	if got.Kind != Started || len(f.lanes.requests) != 1 {
		t.Fatalf("got %+v, asked %+v", got, f.lanes.requests)
	}
	if req := f.lanes.requests[0]; req.Commit != commitB || req.Ref != "refs/tags/v1.2.0" || req.Requester.Name != "mona" || req.Message != "1.2.0: fares" {
		t.Errorf("asked %+v", req)
	}
	// The push of the same tag tells of the same.
	if got := f.happened(t, "github", "push", "d2", sample(t, "github-tag")); len(f.lanes.requests) != 1 {
		t.Errorf("got %+v, asked %+v", got, f.lanes.requests)
	}
	delete(f.repo.refs, "refs/tags/v1.2.0")
	if got := f.happened(t, "github", "release", "d3", body); got.Kind != Ignored || !strings.Contains(got.Message, "v1.2.0 was deleted") {
		t.Errorf("a tag that is gone: %+v", got)
	}
}
