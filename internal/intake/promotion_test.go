package intake

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

var staged = release.ID{Lane: release.Lane{Tenant: "acme", Application: "checkout", Environment: "staging"}, Number: 4}

// memoryStory is releases that have completed, a seq each.
type memoryStory struct {
	completed []release.Summary
	cursor    int64
	err       error
}

func (m *memoryStory) Completed(_ context.Context, after int64) ([]release.Summary, int64, error) {
	if int(after) >= len(m.completed) {
		return nil, after, m.err
	}
	return m.completed[after : after+1], after + 1, m.err
}
func (m *memoryStory) Cursor(context.Context) (int64, error) { return m.cursor, m.err }
func (m *memoryStory) MoveCursor(_ context.Context, seq int64) error {
	if m.err == nil {
		m.cursor = seq
	}
	return m.err
}

// chained is an application whose production comes after staging, and whose staging has completed release 4.
func chained(t *testing.T) (*fixture, *memoryStory, *Promotions) {
	t.Helper()
	f := newFixture(t)
	application := f.registry.known["acme/checkout"]
	application.Branches = map[string][]string{"main": {"staging", "production"}}
	application.Triggers = map[string]release.Trigger{"production": {After: "staging"}}
	f.registry.known["acme/checkout"] = application
	f.routes = Routes{Branches: application.Branches, Triggers: application.Triggers, Concurrency: map[string]release.Concurrency{"production": release.Queue}}
	f.serves.number, f.serves.stable = 4, map[string]release.Revision{"web": {ID: "web-1", Artifact: "sha256:aa"}, "api": {ID: "api-1", Artifact: "sha256:bb"}}
	story := &memoryStory{completed: []release.Summary{{ID: staged, Commit: commitB, Message: "fares", Requester: release.Actor{Name: "mona", Source: "github"}}}}
	return f, story, NewPromotions(story, f.inbox, f.Router, slog.New(slog.DiscardHandler))
}

func TestWhatCompletesIsPromotedWithItsArtifacts(t *testing.T) {
	f, story, promotions := chained(t)
	for range 3 { // told again and again: a restart at any point, or two servers
		story.cursor = 0
		if err := promotions.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.once(t)
	}
	if f.inbox.count() != 1 || len(f.lanes.requests) != 1 {
		t.Fatalf("%d events, %d requests; want one of each", f.inbox.count(), len(f.lanes.requests))
	}
	req := f.lanes.requests[0]
	if req.Lane.Environment != "production" || req.Commit != commitB || req.Message != "fares" || req.Ref != "refs/heads/main" || req.Requester.Name != "mona" || req.Concurrency != release.Queue {
		t.Errorf("asked for %+v", req)
	}
	want := map[string]release.Digest{"web": "sha256:aa", "api": "sha256:bb"}
	if req.Promotion == nil || req.Promotion.From != staged || !maps.Equal(req.Promotion.Artifacts, want) {
		t.Errorf("promotion %+v, want %v of %s", req.Promotion, want, staged)
	}
}

func TestOnlyWhatIsNewestIsPromoted(t *testing.T) {
	f, story, promotions := chained(t)
	f.serves.number = 5
	story.completed = append(story.completed, release.Summary{ID: release.ID{Lane: staged.Lane, Number: 5}, Commit: commitC})
	if err := promotions.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.once(t)
	if got := f.outcome(t, 1); got.Kind != Superseded || got.Message != "release 5 has completed there since" {
		t.Errorf("%s: %s", got.Kind, got.Message)
	}
	if got := f.lanes.commits(); !slices.Equal(got, []string{commitC}) {
		t.Errorf("promoted %v", got)
	}
}

func TestAPromotionWaitsForWhatIsStored(t *testing.T) {
	f, _, promotions := chained(t)
	f.serves.number = 3
	if err := promotions.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.once(t)
	f.pending(t, 1)
	if why := f.inbox.why[1]; !strings.Contains(why, "not stored yet") {
		t.Errorf("it waits because %q", why)
	}
}

func TestNothingIsPromotedFromWhereNothingComesAfter(t *testing.T) {
	f, story, promotions := chained(t)
	story.completed[0].ID.Lane.Environment = "production"
	if err := promotions.Once(t.Context()); err != nil || f.inbox.count() != 0 || story.cursor != 1 {
		t.Errorf("%v; %d events, cursor %d", err, f.inbox.count(), story.cursor)
	}
}

func TestAPushIsNotReleasedToWhatIsPromoted(t *testing.T) {
	f, _, _ := chained(t)
	f.arrives(t, "d1", "refs/heads/main", zero, commitA)
	if len(f.lanes.requests) != 1 || f.lanes.requests[0].Lane.Environment != "staging" {
		t.Errorf("asked %+v", f.lanes.requests)
	}
}
