package intake

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// arrives hands an event with a push on, and says what became of it.
func (f *fixture) arrives(t *testing.T, delivery, ref, before, after string) Outcome {
	t.Helper()
	id := f.accept(t, "push", delivery, pushBody("acme/checkout", ref, before, after))
	f.tries[id] = lagTries // the host has had its time to show it
	f.once(t)
	return f.outcome(t, id)
}

func TestALateEventNeverReleasesAnOlderCommit(t *testing.T) {
	const main = "refs/heads/main"
	elsewhere := strings.Repeat("e", 40)
	// Each event comes when the branch is at now; without it, at C, or where the test has put it.
	type event struct {
		before, after string
		want          OutcomeKind
		says          string
		now           string
	}
	for _, tt := range []struct {
		name   string
		set    func(r *repository)
		events []event
		want   []string // the commits that are released, in order
	}{
		{
			name:   "in their order",
			events: []event{{zero, commitA, Started, "", ""}, {commitA, commitB, Superseding, "", ""}, {commitB, commitC, Superseding, "", ""}},
			want:   []string{commitA, commitB, commitC},
		},
		{
			name: "the last one first",
			events: []event{
				{commitB, commitC, Started, "", ""}, {commitA, commitB, Superseded, "branch main has come to 111111111111 since, which has this commit in it", ""},
				{zero, commitA, Superseded, "has come to 111111111111", ""},
			},
			want: []string{commitC},
		},
		{
			name:   "one in the middle is missing, and comes late",
			events: []event{{zero, commitA, Started, "", ""}, {commitB, commitC, Superseding, "", ""}, {commitA, commitB, Superseded, "", ""}},
			want:   []string{commitA, commitC},
		},
		{
			name: "a branch that is forced back goes back",
			events: []event{
				{zero, commitA, Started, "", commitA}, {commitA, commitB, Superseding, "", commitB},
				{commitB, commitA, Superseding, "", commitA}, {commitA, commitB, Superseding, "", commitB},
			},
			want: []string{commitA, commitB, commitA, commitB},
		},
		{
			name: "what a branch was forced back from is told late",
			events: []event{
				{zero, commitA, Started, "", commitA}, {commitB, commitA, Duplicate, "", commitA}, {zero, commitB, Superseded, "branch main is at 6113728f27ae now, which does not have this commit in it", commitA},
			},
			want: []string{commitA},
		},
		{
			name: "a branch that was made is gone before that is told",
			events: []event{
				{zero, commitA, Started, "", commitA}, {commitA, zero, Ignored, "", "gone"}, {zero, commitB, Superseded, "branch main is gone", "gone"},
			},
			want: []string{commitA},
		},
		{
			name: "what a forced push has thrown away comes late",
			set:  func(r *repository) { r.refs[main] = elsewhere; r.parents[elsewhere] = commitA },
			events: []event{
				{zero, commitA, Started, "", ""}, {commitC, elsewhere, Superseding, "", ""},
				{commitA, commitB, Superseded, "branch main is at eeeeeeeeeeee now", ""}, {commitB, commitC, Superseded, "is at eeeeeeeeeeee", ""},
			},
			want: []string{commitA, elsewhere},
		},
		{
			name: "a branch that is gone",
			set:  func(r *repository) { delete(r.refs, main) },
			events: []event{
				{zero, commitA, Started, "", commitA}, {commitB, zero, Ignored, "branch main was deleted", "gone"}, {commitA, commitB, Superseded, "branch main is gone", "gone"},
			},
			want: []string{commitA},
		},
		{
			name: "a deletion that is told after the branch is there again",
			events: []event{
				{zero, commitA, Started, "", ""}, {zero, commitC, Superseding, "", ""}, {commitA, zero, Superseded, "branch main is there again, at 111111111111", ""},
			},
			want: []string{commitA, commitC},
		},
		{
			name: "a branch that is made again at the commit it had",
			events: []event{
				{zero, commitC, Started, "", ""}, {commitC, zero, Ignored, "was deleted", "gone"}, {zero, commitC, Superseding, "", commitC},
			},
			want: []string{commitC, commitC},
		},
		{
			name:   "the first that is told of a branch is late already",
			set:    func(r *repository) { r.refs[main] = elsewhere; r.parents[elsewhere] = commitA },
			events: []event{{commitA, commitB, Superseded, "branch main is at eeeeeeeeeeee now", ""}, {zero, elsewhere, Started, "", ""}},
			want:   []string{elsewhere},
		},
		{
			name:   "the same told by two hooks",
			events: []event{{zero, commitA, Started, "", ""}, {zero, commitA, Duplicate, "main came to 6113728f27ae by event 1 already", ""}},
			want:   []string{commitA},
		},
		{
			name: "what was seen last is not in the repository any more",
			set:  func(r *repository) { delete(r.parents, commitB) },
			events: []event{
				{commitA, commitB, Started, "", commitB}, {elsewhere, commitC, Superseding, "", commitC},
			},
			want: []string{commitB, commitC},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.repo.fixed = true
			if tt.set != nil {
				tt.set(f.repo)
			}
			for i, e := range tt.events {
				switch e.now {
				case "":
				case "gone":
					delete(f.repo.refs, main)
				default:
					f.repo.refs[main] = e.now
				}
				got := f.arrives(t, "d"+string(rune('a'+i)), main, e.before, e.after)
				if got.Kind != e.want || !strings.Contains(got.Message, e.says) {
					t.Errorf("event %d: %s: %s; want %s: %s", i+1, got.Kind, got.Message, e.want, e.says)
				}
				if got.Kind == Duplicate && len(got.Releases) == 0 {
					t.Errorf("event %d is a duplicate, and does not say of which release", i+1)
				}
			}
			if got := f.lanes.commits(); !slices.Equal(got, tt.want) {
				t.Errorf("released %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAnEventThatWasInterruptedIsNotItsOwnDuplicate(t *testing.T) {
	f := newFixture(t)
	f.inbox.failing("settle")
	id := f.accept(t, "push", "d1", pushBody("acme/checkout", "refs/heads/main", zero, commitA))
	_ = f.Once(t.Context())
	f.pending(t, id)
	f.inbox.failing("")
	f.away(false)
	again := NewRouter(f.parts(f.Router.manifests)) // after a restart
	if err := again.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.outcome(t, id); len(got.Releases) != 1 || len(f.lanes.commits()) != 1 {
		t.Errorf("outcome %+v after %v", got, f.lanes.commits())
	}
}

func TestWhatCannotBeComparedWaits(t *testing.T) {
	f := newFixture(t)
	f.arrives(t, "d1", "refs/heads/main", zero, commitA)
	f.repo.err = errAway
	id := f.accept(t, "push", "d2", pushBody("acme/checkout", "refs/heads/main", commitB, commitC))
	f.once(t)
	f.pending(t, id)
	if got := f.lanes.commits(); !slices.Equal(got, []string{commitA}) {
		t.Errorf("released %v", got)
	}
}

func TestAMessageThatSaysSoIsNotReleased(t *testing.T) {
	body := func(message string) string {
		return strings.TrimSuffix(pushBody("acme/checkout", "refs/heads/main", zero, commitA), "}") + `,"head_commit":{"message":"` + message + `"}}`
	}
	for _, tt := range []struct {
		message string
		want    OutcomeKind
	}{
		{`docs\n\n[skip release]`, Ignored},
		{"[Skip Release] typo", Ignored},
		{"skip release", Started},
		{"[skip ci]", Started},
	} {
		f := newFixture(t)
		id := f.accept(t, "push", "d1", body(tt.message))
		f.once(t)
		if got := f.outcome(t, id); got.Kind != tt.want {
			t.Errorf("%q is %s: %s; want %s", tt.message, got.Kind, got.Message, tt.want)
		}
		// It was seen all the same, so nobody takes it for lost.
		if head, err := f.seen.Head(t.Context(), release.Application{Name: "checkout"}, "refs/heads/main"); err != nil || head.Commit != commitA || head.Released != (tt.want == Started) {
			t.Errorf("%q: seen %+v, %v", tt.message, head, err)
		}
	}
}

func TestAForcedPushIsSaid(t *testing.T) {
	f := newFixture(t)
	f.arrives(t, "d1", "refs/heads/main", zero, commitB)
	id := f.accept(t, "push", "d2", strings.TrimSuffix(pushBody("acme/checkout", "refs/heads/main", commitB, commitA), "}")+`,"forced":true}`)
	f.once(t)
	if got := f.outcome(t, id); got.Kind != Superseding || !strings.Contains(got.Message, "branch main was forced: 0d1a26e67d8f is no longer in it") {
		t.Errorf("%s: %s", got.Kind, got.Message)
	}
}

func TestARepositoryThatLagsBehindItsEventsIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.repo.fixed = true
		f.repo.refs["refs/heads/main"] = commitA
		f.arrives(t, "d1", "refs/heads/main", zero, commitA)
		id := f.accept(t, "push", "d2", pushBody("acme/checkout", "refs/heads/main", commitA, commitB))
		f.once(t)
		f.pending(t, id)
		f.repo.refs["refs/heads/main"] = commitB
		time.Sleep(retryFirst) //nolint:forbidigo // the bubble's clock
		f.once(t)
		if got := f.outcome(t, id); got.Kind != Superseding {
			t.Errorf("%s: %s", got.Kind, got.Message)
		}
		// One that never shows it was forced back.
		f.repo.refs["refs/heads/main"] = commitB
		id = f.accept(t, "push", "d3", pushBody("acme/checkout", "refs/heads/main", commitB, commitC))
		for range lagTries + 1 {
			f.once(t)
			time.Sleep(retryMost) //nolint:forbidigo // the bubble's clock
		}
		if got := f.outcome(t, id); got.Kind != Superseded {
			t.Errorf("%s: %s", got.Kind, got.Message)
		}
	})
}
