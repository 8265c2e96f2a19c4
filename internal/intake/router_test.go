package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// away makes the lanes unreachable until the test ends it.
func (f *fixture) away(gone bool) {
	f.lanes.before = nil
	if gone {
		f.lanes.before = func(context.Context, release.Request) error { return errAway }
	}
}

func TestAnEventIsPostponedLongerEachTimeAndSettledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.push(t, "d1", commitA, commitB)
		f.away(true)
		for i, wait := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			want := time.Duration(wait) * time.Second
			f.once(t)
			f.pending(t, id)
			if got := time.Until(f.inbox.until[id]); got != want {
				t.Errorf("after try %d it waits %s, want %s", i+1, got, want)
			}
			if why := f.inbox.why[id]; !strings.Contains(why, "acme/checkout/production") || !strings.Contains(why, errAway.Error()) {
				t.Errorf("it waits because %q, want the lane and what it said", why)
			}
			time.Sleep(want - time.Millisecond) //nolint:forbidigo // the bubble's clock
			tried := f.inbox.until[id]
			f.once(t)
			if f.inbox.until[id] != tried {
				t.Fatal("tried before its time")
			}
			time.Sleep(time.Millisecond) //nolint:forbidigo // the bubble's clock
		}
		f.away(false)
		f.once(t)
		if got := f.outcome(t, id); got.Kind != Started {
			t.Errorf("outcome = %+v, want started", got)
		}
		f.once(t)
		if f.inbox.settles[id] != 1 || len(f.lanes.requests) != 1 {
			t.Errorf("settled %d times with %d requests, want once", f.inbox.settles[id], len(f.lanes.requests))
		}
		if len(f.tries)+len(f.held)+len(f.busy)+len(f.slots) != 0 {
			t.Errorf("the router remembers settled events: %v %v %v", f.tries, f.held, f.busy)
		}
	})
}

func TestAPushThatCannotBeHandedOnIsGivenUpAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.manifests = func(_ context.Context, commit string) (Routes, error) {
			if commit == commitA {
				return Routes{}, errors.New("https://robot:hunter2@git.example/acme/checkout.git does not answer")
			}
			return f.routes, nil
		}
		id := f.push(t, "d1", zero, commitA)
		newer := f.push(t, "d2", commitA, commitB)
		begun := time.Now()
		for time.Since(begun) < giveUpAfter {
			f.once(t)
			f.pending(t, id)
			f.pending(t, newer)
			time.Sleep(retryMost) //nolint:forbidigo // the bubble's clock
		}
		f.once(t)
		got := f.outcome(t, id)
		if got.Kind != Refused || got.Message != "given up after 24h0m0s: read the manifest of "+commitA+": https://git.example/acme/checkout.git does not answer" {
			t.Errorf("outcome = %+v, want it refused with the last reason and no password", got)
		}
		time.Sleep(retryMost) //nolint:forbidigo // the bubble's clock
		f.once(t)
		if got := f.outcome(t, newer); got.Kind != Started {
			t.Errorf("the push behind it: %+v, want it started", got)
		}
		if len(f.tries)+len(f.held) != 0 {
			t.Errorf("the router remembers settled events: %v %v", f.tries, f.held)
		}
	})
}

func TestAnOldPushHasItsTriesBeforeItIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.push(t, "d1", zero, commitA)
		time.Sleep(2 * giveUpAfter) //nolint:forbidigo // nobody works on the inbox
		f.away(true)
		for range leastTries - 1 {
			f.once(t)
			f.pending(t, id)
			time.Sleep(retryMost) //nolint:forbidigo // the bubble's clock
		}
		f.away(false)
		f.once(t)
		if got := f.outcome(t, id); got.Kind != Started {
			t.Errorf("outcome = %+v, want it started", got)
		}
	})
}

func TestAContradictionAboutTheApplicationIsFinal(t *testing.T) {
	conflict := fmt.Errorf("repository https://robot:hunter2@git.example/acme/checkout.git is that of application a/b: %w", release.ErrConflict)
	for name, set := range map[string]func(f *fixture){
		"when it is looked up": func(f *fixture) { f.registry.err = conflict },
		"when it is saved":     func(f *fixture) { f.registry.saveErr = conflict },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			set(f)
			id := f.push(t, "d1", commitA, commitB)
			f.once(t)
			got := f.outcome(t, id)
			if got.Kind != Refused || !strings.Contains(got.Message, "is that of application a/b") || strings.Contains(got.Message, "hunter2") {
				t.Errorf("outcome = %+v, want it refused with the sentence, and no password", got)
			}
			if len(f.lanes.requests) != 0 {
				t.Errorf("asked for %+v", f.lanes.requests)
			}
		})
	}
}

func TestWhatIsAwayOnTheWayPostpones(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(f *fixture)
		why  string
	}{
		{"the applications", func(f *fixture) { f.registry.err = errAway }, "find the application of acme/checkout: nobody there"},
		{"the list of applications", func(f *fixture) { f.registry.known, f.registry.err = nil, errAway }, "find the application of acme/checkout: nobody there"},
		{"the manifest", func(f *fixture) {
			f.manifests = func(context.Context, string) (Routes, error) { return Routes{}, errAway }
		}, "read the manifest of " + commitB + ": nobody there"},
		{"a database that does not take the outcome", func(f *fixture) { f.inbox.failing("settle") }, "nobody there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			tt.set(f)
			id := f.push(t, "d1", commitA, commitB)
			f.once(t)
			f.pending(t, id)
			if f.inbox.why[id] != tt.why {
				t.Errorf("it waits because %q, want %q", f.inbox.why[id], tt.why)
			}
		})
	}
}

func TestAnOldPushNeverOvertakesANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.away(true)
		old := f.push(t, "d1", zero, commitA)
		f.once(t)
		f.once(t) // not its turn
		f.away(false)
		newer := f.push(t, "d2", commitA, commitB)
		other := f.accept(t, "push", "d3", pushBody("acme/search", "refs/heads/main", zero, commitC))
		f.once(t)
		f.pending(t, old)
		f.pending(t, newer)
		f.outcome(t, other)
		if got, want := f.inbox.why[newer], fmt.Sprintf("waits for event %d, an earlier push of the same ref", old); got != want {
			t.Errorf("the newer waits because %q, want %q", got, want)
		}
		time.Sleep(retryFirst) //nolint:forbidigo // the bubble's clock
		f.once(t)
		f.outcome(t, old)
		f.outcome(t, newer)
		if got, want := f.lanes.commits(), []string{commitC, commitA, commitB}; !slices.Equal(got, want) {
			t.Errorf("asked for %v, want %v", got, want)
		}
	})
}

func TestARestartTriesWhatWaitsBeforeWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.away(true)
		old := f.push(t, "d1", zero, commitA)
		f.once(t)
		newer := f.push(t, "d2", commitA, commitB)
		f.away(false)
		// Another process, with the same inbox, does not know of the first one's tries.
		g := NewRouter(f.parts(f.Router.manifests))
		if err := g.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.outcome(t, old)
		f.outcome(t, newer)
		if got, want := f.lanes.commits(), []string{commitA, commitB}; !slices.Equal(got, want) {
			t.Errorf("asked for %v, want %v", got, want)
		}
	})
}

func TestALineGoesOnWhenItsFirstEventIsSettledElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(f *fixture, id int64)
	}{
		{"settled", func(f *fixture, id int64) { f.inbox.outcomes[id] = Outcome{Kind: Ignored} }},
		{"deleted", func(f *fixture, id int64) { delete(f.inbox.events, id) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.away(true)
			old := f.push(t, "d1", zero, commitA)
			newer := f.push(t, "d2", commitA, commitB)
			f.inbox.until[newer] = time.Now().Add(time.Hour)
			f.once(t)
			f.away(false)
			delete(f.inbox.until, newer)
			tt.end(f, old)
			f.once(t)
			if got := f.outcome(t, newer); got.Kind != Started {
				t.Errorf("outcome = %+v, want started", got)
			}
		})
	}
}

func TestALineIsHeldByTheEventThatFailedAndByNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		oldest, failed, newest := f.push(t, "d1", zero, commitA), f.push(t, "d2", commitA, commitB), f.push(t, "d3", commitB, commitC)
		f.inbox.until[oldest] = time.Now().Add(time.Hour)
		f.inbox.until[newest] = time.Now().Add(time.Hour)
		f.away(true)
		f.once(t)
		f.away(false)
		// A router elsewhere has put off the one that failed for longer than this one knows, and the others come.
		f.inbox.until[failed] = time.Now().Add(2 * time.Hour)
		time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock
		f.once(t)
		f.outcome(t, oldest)
		f.pending(t, failed)
		f.pending(t, newest)
		if got := time.Until(f.inbox.until[newest]); got != retryFirst {
			t.Errorf("the newest waits %s, want %s: a time that is past would be no wait", got, retryFirst)
		}
	})
}

func TestAnEventThatHangsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		tries := 0
		f.manifests = func(ctx context.Context, commit string) (Routes, error) {
			if commit == commitA {
				tries++
				<-ctx.Done() // a host that never answers
				return Routes{}, ctx.Err()
			}
			return f.routes, nil
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx) }()
		hanging := f.push(t, "d1", zero, commitA)
		f.Wake()
		synctest.Wait()
		other := f.accept(t, "push", "d2", pushBody("acme/search", "refs/heads/main", commitA, commitB))
		f.Wake()
		synctest.Wait()
		f.outcome(t, other) // at once: no time has passed
		f.pending(t, hanging)
		time.Sleep(tryLimit) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if tries != 1 {
			t.Errorf("%d tries of the event at once, want 1", tries)
		}
		if why := f.inbox.why[hanging]; !strings.Contains(why, context.DeadlineExceeded.Error()) {
			t.Errorf("the hanging event waits because %q, want its time limit", why)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

func TestAnEventThatCannotBeStoredBackHoldsUpNoOther(t *testing.T) {
	f := newFixture(t)
	poison := f.push(t, "d1", zero, commitA)
	other := f.accept(t, "push", "d2", pushBody("acme/search", "refs/heads/main", commitA, commitB))
	f.inbox.fail = func(call string, id int64) error {
		if id == poison && (call == "settle" || call == "postpone") {
			return errAway
		}
		return nil
	}
	behind := f.push(t, "d3", commitA, commitC)
	if err := f.Once(t.Context()); !errors.Is(err, errAway) || !strings.Contains(err.Error(), "postpone event 1") {
		t.Errorf("Once = %v, want what the inbox said of event 1", err)
	}
	f.outcome(t, other)
	f.pending(t, poison)
	f.pending(t, behind)
	f.inbox.failing("")
	f.once(t)
	f.outcome(t, behind)
	if got := f.outcome(t, poison); got.Kind != Duplicate || len(got.Releases) != 1 || got.Releases[0].Number != 1 {
		t.Errorf("outcome = %+v, want the release of the first try", got)
	}
	// The two lines go beside each other, so only the last is sure of its place.
	if got := f.lanes.commits(); len(got) != 3 || got[2] != commitC {
		t.Errorf("asked for %v, want each once, and %s last", got, commitC)
	}
}

func TestTheInboxAwayIsReported(t *testing.T) {
	f := newFixture(t)
	id := f.push(t, "d1", zero, commitA)
	f.inbox.failing("pending")
	if err := f.Once(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("Once = %v, want %v", err, errAway)
	}
	f.inbox.failing("")
	f.once(t)
	f.outcome(t, id)
}

func TestAFailureHalfwayAsksNoLaneTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.routes.Branches["main"] = []string{"staging", "production"}
		f.lanes.before = func(_ context.Context, req release.Request) error {
			if req.Lane.Environment == "production" {
				return errAway
			}
			return nil
		}
		id := f.push(t, "d1", zero, commitA)
		f.once(t)
		f.pending(t, id)
		f.away(false)
		time.Sleep(retryFirst) //nolint:forbidigo // the bubble's clock
		f.once(t)
		got := f.outcome(t, id)
		if got.Kind != Started || len(got.Releases) != 2 || len(f.lanes.requests) != 2 {
			t.Errorf("outcome %+v after %d requests, want both releases, asked for once each", got, len(f.lanes.requests))
		}
	})
}

func TestThePushDecidesWhatIsTheSame(t *testing.T) {
	at := func(before, after string, pushedAt string) string {
		return `{"ref":"refs/heads/main","before":"` + before + `","after":"` + after + `","repository":{"full_name":"acme/checkout","pushed_at":` + pushedAt + `}}`
	}
	for _, tt := range []struct {
		name   string
		bodies []string // each is delivered under a name of its own
		want   []OutcomeKind
	}{
		{"two hooks tell of one push", []string{at(commitA, commitB, "1700000000"), at(commitA, commitB, "1700000000")}, []OutcomeKind{Started, Duplicate}},
		{
			"back to an old commit and forth again is three releases",
			[]string{at(commitA, commitB, "1700000000"), at(commitB, commitA, "1700000060"), at(commitA, commitB, "1700000120")},
			[]OutcomeKind{Started, Superseding, Superseding},
		},
		{
			"a sender without pushed_at has a delivery for each push",
			[]string{at(commitA, commitB, "null"), at(commitB, commitA, "null"), at(commitA, commitB, "null")},
			[]OutcomeKind{Started, Superseding, Superseding},
		},
		{"pushed_at as text is not relied on, and the commit is known", []string{at(commitA, commitB, `"2024-01-01T00:00:00Z"`), at(commitA, commitB, `"2024-01-01T00:00:00Z"`)}, []OutcomeKind{Started, Duplicate}},
		{"two hooks that differ in pushed_at", []string{at(commitA, commitB, "1700000000"), at(commitA, commitB, "1700000001")}, []OutcomeKind{Started, Duplicate}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			var got []OutcomeKind
			for i, body := range tt.bodies {
				id := f.accept(t, "push", fmt.Sprintf("d%d", i), body)
				f.once(t)
				got = append(got, f.outcome(t, id).Kind)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("outcomes = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMoreThanABatchIsHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		var ids []int64
		for i := range 3*batch + 7 {
			ids = append(ids, f.accept(t, "push", fmt.Sprintf("d%d", i), pushBody("acme/checkout", fmt.Sprintf("refs/heads/b%d", i%9), commitA, commitB)))
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = f.Run(ctx) }()
		synctest.Wait() // without a tick: the work itself wakes the router
		for _, id := range ids {
			f.outcome(t, id)
		}
	})
}

func TestABrokenInboxIsLookedAtOnceATick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.push(t, "d1", zero, commitA)
		looks := 0
		f.inbox.fail = func(call string, _ int64) error {
			switch call {
			case "pending":
				looks++
			case "settle", "postpone":
				return errAway
			}
			return nil
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = f.Run(ctx) }()
		time.Sleep(10*lookEvery - time.Millisecond) //nolint:forbidigo // the bubble's clock
		stop()
		synctest.Wait()
		if looks != 10 {
			t.Errorf("looked %d times in 10 ticks, want 10", looks)
		}
	})
}

func TestAnEndIsNotTheEventsFault(t *testing.T) {
	f := newFixture(t)
	ctx, stop := context.WithCancel(t.Context())
	f.lanes.before = func(ctx context.Context, _ release.Request) error {
		stop()
		return ctx.Err()
	}
	id := f.push(t, "d1", zero, commitA)
	if err := f.Once(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Once = %v, want %v", err, context.Canceled)
	}
	if why, ok := f.inbox.why[id]; ok {
		t.Errorf("postponed because %q, want it left for the next start", why)
	}
	if len(f.tries)+len(f.held) != 0 {
		t.Errorf("counted as a try of the event: %v %v", f.tries, f.held)
	}
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		first, second := f.push(t, "d1", zero, commitA), f.push(t, "d2", commitA, commitB)
		type result struct {
			outcome Outcome
			ok      bool
			err     error
		}
		results := make(chan result, 2)
		for _, id := range []int64{second, second} {
			go func() {
				outcome, ok, err := f.Await(t.Context(), id)
				results <- result{outcome, ok, err}
			}()
		}
		synctest.Wait() // both wait
		f.once(t)
		for range 2 {
			if got := <-results; got.err != nil || !got.ok || got.outcome.Kind != Superseding {
				t.Errorf("Await = %+v, want the outcome of the event that was asked for", got)
			}
		}
		if got, ok, err := f.Await(t.Context(), first); err != nil || !ok || got.Kind != Started {
			t.Errorf("Await of a settled event = %+v, %t, %v", got, ok, err)
		}

		waiting := f.accept(t, "push", "d3", pushBody("acme/search", "refs/heads/main", zero, commitA))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, ok, err := f.Await(ctx, waiting); ok || err != nil {
			t.Errorf("Await of a waiting event = %t, %v; want neither", ok, err)
		}
		if _, ok, err := f.Await(ctx, waiting); ok || err != nil {
			t.Errorf("Await after the end = %t, %v; want neither", ok, err)
		}
		if _, _, err := f.Await(t.Context(), 99); !errors.Is(err, release.ErrNotFound) {
			t.Errorf("Await of an unknown event: %v, want %v", err, release.ErrNotFound)
		}
	})
}
