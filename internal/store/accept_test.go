package store

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/store/storetest"
)

// patience is how long a test waits for what has to happen.
const patience = 30 * time.Second

func TestWhoSendsAnEventWaitsForNothingThatBecomesOfOthers(t *testing.T) {
	s := openTest(t, storetest.Schema(t))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first, _, err := s.Accept(ctx, Event{Source: "github", Delivery: "first", Kind: "push"})
	if err != nil {
		t.Fatal(err)
	}
	// An outcome is being stored, others wait behind it, and every connection but that of arrivals is taken.
	let := make(chan struct{})
	var wait sync.WaitGroup
	occupy(t, s.outcomes, let, &wait)
	wait.Go(func() {
		if err := s.Settle(t.Context(), first, Outcome{Kind: Ignored}, time.Now()); err != nil {
			t.Error(err)
		}
	})
	for n := s.write.Stats().InUse; n < s.write.Stats().MaxOpenConnections; n++ {
		tx, err := s.write.BeginTxx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback() })
	}
	for n := range 10 {
		if _, duplicate, err := s.Accept(ctx, Event{Source: "github", Delivery: fmt.Sprint(n), Kind: "push"}); err != nil || duplicate {
			t.Fatalf("event %d: duplicate %v, error %v", n, duplicate, err)
		}
	}
	close(let)
	wait.Wait()
}

// Whoever reads events after a number must not pass one that appears later: numbers become visible in their order, whoever
// stores them.
func TestAnEventWaitsForTheOneThatHasTheNumberBeforeIt(t *testing.T) {
	dsn := storetest.Schema(t)
	one, other := openTest(t, dsn), openTest(t, dsn)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	pid, let := make(chan int, 1), make(chan struct{})
	first := &acceptance{event: Event{Source: "github", Delivery: "first", Kind: "push"}}
	var second int64
	var wait sync.WaitGroup
	wait.Go(func() {
		err := one.arrivals.together(ctx, &joint{do: func(ctx context.Context, b *batch) (said, err error) {
			var at int
			if err := b.accept(ctx, first); err != nil {
				return nil, err
			}
			err = b.GetContext(ctx, &at, `SELECT pg_backend_pid()`)
			pid <- at
			<-let
			return nil, err
		}})
		if err != nil {
			t.Error(err)
		}
	})
	at := <-pid
	wait.Go(func() {
		var err error
		if second, _, err = other.Accept(ctx, Event{Source: "github", Delivery: "second", Kind: "push"}); err != nil {
			t.Error(err)
		}
	})
	awaitBlocked(ctx, t, one, at)
	seen, _, err := one.Events(t.Context(), EventFilter{})
	if err != nil || len(seen) != 0 {
		t.Errorf("%d events are seen, %v, want none before the first", len(seen), err)
	}
	close(let)
	wait.Wait()
	if first.id != 1 || second != 2 {
		t.Errorf("numbers %d and %d, want 1 and 2", first.id, second)
	}
}

// awaitBlocked waits until somebody waits for a lock of a connection, which is named by its process.
func awaitBlocked(ctx context.Context, t *testing.T, s *Store, pid int) {
	t.Helper()
	for blocked := 0; blocked == 0; {
		const query = `SELECT COUNT(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))`
		if err := s.read.GetContext(ctx, &blocked, query, pid); err != nil {
			t.Errorf("nobody waits for what is locked: %v", err)
			return
		}
	}
}

func TestWhoFollowsEventsByNumberMissesNone(t *testing.T) {
	dsn := storetest.Schema(t)
	stores := []*Store{openTest(t, dsn), openTest(t, dsn)}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const senders, each, replayed = 3, 40, 10
	var wait sync.WaitGroup
	defer wait.Wait()
	for n, s := range stores {
		for sender := range senders {
			wait.Go(func() {
				for i := range each {
					// Every fifth comes twice: a number that was not used must not leave a hole.
					event := Event{Source: "github", Delivery: fmt.Sprintf("%d-%d-%d", n, sender, i-i%5/4), Kind: "push"}
					if _, _, err := s.Accept(ctx, event); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	const originals = 2 * senders * each * 4 / 5
	want := int64(originals + originals/replayed)
	for cursor := int64(0); cursor < want; runtime.Gosched() {
		var ids []int64
		if err := stores[0].list(ctx, &ids, `SELECT id FROM inbox WHERE id > ? ORDER BY id`, cursor); err != nil {
			t.Fatalf("after event %d of %d: %v", cursor, want, err)
		}
		for _, id := range ids {
			if id != cursor+1 {
				t.Fatalf("event %d appeared after event %d was read", id, cursor)
			}
			cursor = id
			wait.Go(func() { settleAndReplay(ctx, t, stores[id%2], id, id%replayed == 0 && id <= originals) })
		}
	}
}

// settleAndReplay gives an event its outcome, and asks for it once more where that is wanted.
func settleAndReplay(ctx context.Context, t *testing.T, s *Store, id int64, again bool) {
	if err := s.Settle(ctx, id, Outcome{Kind: Ignored}, time.Now()); err != nil {
		t.Error(err)
	}
	if !again {
		return
	}
	if _, _, err := s.Replay(ctx, id, Replay{}, time.Now()); err != nil {
		t.Error(err)
	}
}

func TestPendingNeedsOneConnection(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "store.db"))
	s.read.SetMaxOpenConns(1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// What is given at once ends within the events that are due: a replay, and one more.
	for n := range 3 {
		event := Event{Source: "github", Delivery: fmt.Sprint(n), Kind: "push", Body: make([]byte, maxPending/2)}
		if _, _, err := s.Accept(ctx, event); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			continue
		}
		if err := s.Settle(ctx, 1, Outcome{Kind: Ignored}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Replay(ctx, 1, Replay{}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	events, err := s.Pending(ctx, time.Now(), 10)
	if err != nil || len(events) != 2 || events[0].ReplayOf != 1 {
		t.Errorf("%d events, %v, want the replay and one more", len(events), err)
	}
}
