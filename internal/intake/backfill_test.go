package intake

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// backfilled is a backfill with a clock of its own, which has seen main at A.
type backfilled struct {
	*fixture

	fill  *Backfill
	clock time.Time
}

func newBackfilled(t *testing.T) *backfilled {
	t.Helper()
	b := &backfilled{fixture: newFixture(t), clock: time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)}
	// The store finds an application by its address too.
	application := b.registry.known["acme/checkout"]
	application.Branches = map[string][]string{"main": {"production"}}
	b.registry.known = map[string]release.Application{"acme/checkout": application}
	b.repo.fixed = true
	b.repo.refs["refs/heads/main"] = commitA
	b.repo.commits[commitB] = Commit{Message: "fares\n", Email: "ada@example.com"}
	b.fill = NewBackfill(b.parts(b.Router.manifests), b.Router, nil)
	b.fill.now = func() time.Time { return b.clock }
	return b
}

// look lets the time of an event on its way pass, and looks before and after.
func (b *backfilled) look(t *testing.T) {
	t.Helper()
	for range 2 {
		if err := b.fill.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.clock = b.clock.Add(backfillGrace)
	}
	b.once(t)
}

// releasesTags has tags v* released instead of pushes, with main at C.
func (b *backfilled) releasesTags() {
	application := b.registry.known["acme/checkout"]
	application.Triggers = map[string]release.Trigger{"production": {Tags: []string{"v*"}}}
	b.registry.known["acme/checkout"], b.routes.Triggers = application, application.Triggers
	b.repo.refs["refs/heads/main"] = commitC
}

func TestWhatWasThereFirstIsNoChange(t *testing.T) {
	b := newBackfilled(t)
	b.repo.refs["refs/tags/v1"] = commitA
	b.look(t)
	if b.inbox.count() != 0 {
		t.Errorf("%d events", b.inbox.count())
	}
}

func TestAnAddedApplicationIsLookedAtAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackfilled(t)
		application := b.registry.known["acme/checkout"]
		b.registry.known = nil
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.fill.Run(ctx) }()
		synctest.Wait()
		b.registry.known = map[string]release.Application{"acme/checkout": application}
		b.fill.Kick()
		synctest.Wait()
		if seen, err := b.seen.Head(ctx, application, "refs/heads/main"); err != nil || seen.Commit != commitA {
			t.Errorf("main was seen at %q, %v", seen.Commit, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestALostPushIsFoundAndReleasedOnce(t *testing.T) {
	b := newBackfilled(t)
	b.look(t)
	b.repo.refs["refs/heads/main"] = commitB
	if err := b.fill.Look(t.Context()); err != nil || b.inbox.count() != 0 {
		t.Errorf("%v; %d events before it can be lost", err, b.inbox.count())
	}
	for range 3 {
		b.look(t)
	}
	if b.inbox.count() != 1 {
		t.Fatalf("%d events, want 1", b.inbox.count())
	}
	if got := b.outcome(t, 1); got.Kind != Started {
		t.Errorf("%s: %s", got.Kind, got.Message)
	}
	req := b.lanes.requests[0]
	if req.Commit != commitB || req.Message != "fares\n" || req.Requester.String() != "ada@example.com (git)" {
		t.Errorf("asked for %+v", req)
	}
	// And then the delivery comes after all.
	if got := b.arrives(t, "late", "refs/heads/main", commitA, commitB); got.Kind != Duplicate || len(got.Releases) != 1 {
		t.Errorf("the late delivery: %s: %s", got.Kind, got.Message)
	}
	if got := b.lanes.commits(); !slices.Equal(got, []string{commitB}) {
		t.Errorf("released %v", got)
	}
}

func TestAPushThatIsToldInTimeIsNotFound(t *testing.T) {
	b := newBackfilled(t)
	b.look(t)
	b.repo.refs["refs/heads/main"] = commitB
	if err := b.fill.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.arrives(t, "d1", "refs/heads/main", commitA, commitB)
	b.look(t)
	if b.inbox.count() != 1 {
		t.Errorf("%d events, want the delivery alone", b.inbox.count())
	}
}

func TestTheEventThatIsStillWaitingGoesFirst(t *testing.T) {
	b := newBackfilled(t)
	b.look(t)
	b.repo.refs["refs/heads/main"] = commitB
	id := b.accept(t, "push", "d1", pushBody("acme/checkout", "refs/heads/main", commitA, commitB)) // and nobody worked on it yet
	b.look(t)
	if b.inbox.count() != 2 {
		t.Fatalf("%d events", b.inbox.count())
	}
	if first, second := b.outcome(t, id), b.outcome(t, 2); first.Kind != Started || second.Kind != Duplicate {
		t.Errorf("outcomes %s and %s: %s", first.Kind, second.Kind, second.Message)
	}
}

func TestALostTagAndABranchThatIsNobodys(t *testing.T) {
	b := newBackfilled(t)
	application := b.registry.known["acme/checkout"]
	application.Triggers = map[string]release.Trigger{"production": {Tags: []string{"v*"}}}
	b.registry.known["acme/checkout"] = application
	b.look(t)
	b.repo.refs["refs/tags/v1"], b.repo.refs["refs/tags/x1"], b.repo.refs["refs/heads/feature"] = commitA, commitA, commitB
	b.look(t)
	b.look(t)
	if b.inbox.count() != 1 || len(b.lanes.requests) != 1 || b.lanes.requests[0].Ref != "refs/tags/v1" {
		t.Errorf("%d events, asked for %+v", b.inbox.count(), b.lanes.requests)
	}
}

func TestAFirstPushThatIsLostIsFound(t *testing.T) {
	b := newBackfilled(t)
	application := b.registry.known["acme/checkout"]
	application.Branches = nil
	b.registry.known["acme/checkout"] = application
	b.look(t)
	b.repo.refs["refs/heads/main"] = commitB
	b.look(t)
	if got := b.lanes.commits(); !slices.Equal(got, []string{commitB}) {
		t.Errorf("released %v", got)
	}
}

func TestOneRepositoryThatIsAwayDoesNotKeepTheOthers(t *testing.T) {
	b := newBackfilled(t)
	b.look(t)
	b.repo.err = errAway
	if err := b.fill.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "acme/checkout: ") {
		t.Errorf("error = %v", err)
	}
	b.repo.err = nil
	b.repo.refs["refs/heads/main"] = commitB
	b.look(t)
	if got := b.lanes.commits(); !slices.Equal(got, []string{commitB}) {
		t.Errorf("released %v", got)
	}
}

func TestASkippedCommitIsNotFoundAgain(t *testing.T) {
	b := newBackfilled(t)
	b.look(t)
	b.repo.refs["refs/heads/main"] = commitB
	b.repo.commits[commitB] = Commit{Message: "docs [skip release]"}
	b.look(t)
	b.look(t)
	if got := b.outcome(t, 1); got.Kind != Ignored || b.inbox.count() != 1 {
		t.Errorf("%s: %s, and %d events", got.Kind, got.Message, b.inbox.count())
	}
}

// sentEvents are what a source has sent and nobody knows.
type sentEvents struct {
	events []Event
	since  []time.Time
	err    error
}

func (s *sentEvents) Missed(_ context.Context, _ []release.Application, since time.Time) ([]Event, error) {
	s.since = append(s.since, since)
	return s.events, s.err
}

func TestADeliveryThatNeverCameIsTaken(t *testing.T) {
	b := newBackfilled(t)
	b.look(t)
	began := b.clock
	b.repo.refs["refs/heads/main"] = commitB
	sent := &sentEvents{err: errAway, events: []Event{
		{Source: "github", Delivery: "d1", Kind: "push", Body: []byte(pushBody("acme/checkout", "refs/heads/main", commitA, commitB)), ReceivedAt: b.clock},
		{Source: "github", Delivery: "d2", Kind: "push", Body: []byte(`{"ref":7}`), ReceivedAt: b.clock},
	}}
	b.fill.sent = sent
	if err := b.fill.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "ask what was sent") {
		t.Errorf("error = %v", err)
	}
	b.once(t)
	if got := b.outcome(t, 1); got.Kind != Started || b.inbox.count() != 1 {
		t.Errorf("%s: %s, of %d events", got.Kind, got.Message, b.inbox.count())
	}
	sent.err = nil
	b.look(t) // what was sent is known, and the head was seen
	if b.inbox.count() != 1 {
		t.Errorf("%d events", b.inbox.count())
	}
	// Until everything was told, it is asked from where it was; then from a little before.
	want := []time.Time{began.Add(-sentFor), began.Add(-sentFor), began.Add(-sentOverlap)}
	if !slices.EqualFunc(sent.since, want, time.Time.Equal) {
		t.Errorf("asked since %v, want %v", sent.since, want)
	}
}

func TestWhatWasLostTwiceIsReleasedTwice(t *testing.T) {
	b := newBackfilled(t)
	b.look(t)
	for _, commit := range []string{commitB, commitA, commitB} { // forth, back and forth, and nobody tells
		b.repo.refs["refs/heads/main"] = commit
		b.look(t)
	}
	if got := b.lanes.commits(); !slices.Equal(got, []string{commitB, commitA, commitB}) {
		t.Errorf("released %v", got)
	}
}

func TestAPushOfNobodyIsNotReleasedForItsAuthor(t *testing.T) {
	b := newBackfilled(t)
	b.people = peopleFunc(func(source, name string) (release.Actor, error) {
		if source == "git" {
			return release.Actor{Name: name, Source: source, Person: "Ada"}, nil
		}
		return release.Actor{}, errors.New(name + " is nobody here")
	})
	b.look(t)
	b.repo.refs["refs/heads/main"] = commitB
	id := b.accept(t, "push", "d1", pushBody("acme/checkout", "refs/heads/main", commitA, commitB)) // waits while it is found
	b.look(t)
	if first, second := b.outcome(t, id), b.outcome(t, 2); first.Kind != Refused || second.Kind != Duplicate || len(b.lanes.requests) != 0 {
		t.Errorf("%s: %s, then %s: %s", first.Kind, first.Message, second.Kind, second.Message)
	}
}

func TestAReplayOfWhatWasFoundIsReleasedOnceItCanBe(t *testing.T) {
	for _, ref := range []string{"refs/heads/main", "refs/tags/v1"} {
		t.Run(ref, func(t *testing.T) {
			b := newBackfilled(t)
			if ref != "refs/heads/main" {
				b.releasesTags()
			}
			known := errors.New("ada@example.com is nobody here")
			b.people = peopleFunc(func(source, name string) (release.Actor, error) {
				return release.Actor{Name: name, Source: source}, known
			})
			b.look(t)
			b.repo.refs[ref] = commitB
			b.look(t)
			if got := b.outcome(t, 1); got.Kind != Refused {
				t.Fatalf("%s: %s", got.Kind, got.Message)
			}
			for n, want := range []OutcomeKind{Refused, Started, Duplicate} {
				if want == Started {
					known = nil
				}
				id := b.replay(t, n+1, 1, false)
				b.once(t)
				if got := b.outcome(t, id); got.Kind != want {
					t.Errorf("replay %d is %s: %s; want %s", n+1, got.Kind, got.Message, want)
				}
			}
			again := b.replay(t, 4, 1, true)
			b.once(t)
			if got := b.outcome(t, again); len(got.Releases) != 1 || got.Releases[0].Number != 2 {
				t.Errorf("again: %s: %s", got.Kind, got.Message)
			}
		})
	}
}

func TestWhatWasInterruptedAfterItWasSeenIsNotItsOwnDuplicate(t *testing.T) {
	for _, ref := range []string{"refs/heads/main", "refs/tags/v1"} {
		t.Run(ref, func(t *testing.T) {
			b := newBackfilled(t)
			if ref != "refs/heads/main" {
				b.releasesTags()
			}
			b.look(t)
			b.repo.refs[ref] = commitB
			b.inbox.failing("settle")
			for range 2 {
				_ = b.fill.Look(t.Context())
				b.clock = b.clock.Add(backfillGrace)
			}
			_ = b.Once(t.Context())
			b.pending(t, 1)
			b.inbox.failing("")
			clear(b.inbox.until)
			b.once(t)
			if got := b.outcome(t, 1); len(got.Releases) != 1 || strings.Contains(got.Message, "by event 1") {
				t.Errorf("%s: %s", got.Kind, got.Message)
			}
		})
	}
}

func TestWhatCouldNotBeHandedOnIsFoundAgain(t *testing.T) {
	b := newBackfilled(t)
	b.look(t)
	b.repo.refs["refs/heads/main"] = commitB
	delete(b.repo.parents, commitB) // the host does not have it whole
	read := b.Router.manifests
	b.Router.manifests = manifestsFunc(func(context.Context, string) (Routes, error) { return Routes{}, release.ErrNotFound })
	b.look(t)
	if got := b.outcome(t, 1); got.Kind != Refused {
		t.Fatalf("%s: %s", got.Kind, got.Message)
	}
	b.Router.manifests, b.repo.parents[commitB] = read, commitA
	b.look(t)
	if b.inbox.count() != 1 {
		t.Errorf("%d events within the hour", b.inbox.count())
	}
	b.clock = b.clock.Add(time.Hour)
	b.look(t)
	if got := b.lanes.commits(); !slices.Equal(got, []string{commitB}) {
		t.Errorf("released %v", got)
	}
}
