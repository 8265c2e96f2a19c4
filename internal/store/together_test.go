package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store/storetest"
)

// onBoth runs a test on a new store of each kind.
func onBoth(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, openTest(t, filepath.Join(t.TempDir(), "store.db"))) })
	t.Run("postgres", func(t *testing.T) { test(t, openTest(t, storetest.Schema(t))) })
}

// behind makes changes that come while the store is busy with first ones, so that those of a queue share a transaction:
// when all of them wait, the first are let go.
func behind(t *testing.T, s *Store, changes ...func()) {
	t.Helper()
	let := make(chan struct{})
	var wait sync.WaitGroup
	queues := slices.Compact([]*queue{s.arrivals, s.outcomes})
	for _, q := range queues {
		occupy(t, q, let, &wait)
	}
	for n, change := range changes {
		wait.Go(change)
		for waiting := 0; waiting <= n && t.Context().Err() == nil; {
			waiting = 0
			for _, q := range queues {
				waiting += waitingIn(q)
			}
			runtime.Gosched()
		}
	}
	close(let)
	wait.Wait()
}

// occupy begins a transaction of a queue, which ends when it is let go.
func occupy(t *testing.T, q *queue, let <-chan struct{}, wait *sync.WaitGroup) {
	t.Helper()
	begun := make(chan struct{})
	wait.Go(func() {
		err := q.together(t.Context(), &joint{do: func(context.Context, *batch) (error, error) {
			close(begun)
			<-let
			return nil, nil
		}})
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
}

func waitingIn(q *queue) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

func TestChangesThatComeTogetherShareATransactionAndEachHasItsAnswer(t *testing.T) {
	s := openTest(t, storetest.Schema(t))
	const n = 50
	var mu sync.Mutex
	ids := map[int64]int{}
	changes := make([]func(), n)
	for i := range changes {
		changes[i] = func() {
			// Every delivery comes twice.
			id, _, err := s.Accept(t.Context(), Event{Source: "github", Delivery: fmt.Sprint(i / 2), Kind: "push"})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[id]++
		}
	}
	behind(t, s, changes...)
	for id := range int64(n / 2) {
		if ids[id+1] != 2 {
			t.Errorf("event %d was the answer %d times, want twice: %v", id+1, ids[id+1], ids)
		}
	}
	var transactions int
	if err := s.read.GetContext(t.Context(), &transactions, `SELECT COUNT(DISTINCT CAST(xmin AS TEXT)) FROM inbox`); err != nil || transactions != 1 {
		t.Errorf("%d transactions, %v, want one for all", transactions, err)
	}
}

func TestAChangeThatFailsFailsNoOther(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		const broken = `INSERT INTO inbox (id) VALUES (NULL)`
		fails := func(ctx context.Context, b *batch) (said, err error) {
			_, err = exec(ctx, b.Tx, broken)
			return nil, err
		}
		accept := func(delivery string) func() {
			return func() {
				if _, duplicate, err := s.Accept(t.Context(), Event{Source: "github", Delivery: delivery, Kind: "push"}); err != nil || duplicate {
					t.Errorf("%s: duplicate %v, error %v", delivery, duplicate, err)
				}
			}
		}
		behind(t, s,
			accept("before"),
			func() {
				if err := s.arrivals.together(t.Context(), &joint{do: fails}); err == nil {
					t.Error("what the database refuses is no error")
				}
			},
			accept("after"),
			func() {
				if err := s.Settle(t.Context(), 99, Outcome{Kind: Ignored}, time.Now()); !errors.Is(err, release.ErrNotFound) {
					t.Errorf("settle: error %v, want %v", err, release.ErrNotFound)
				}
			},
		)
		events, err := s.Pending(t.Context(), time.Now(), 10)
		if err != nil || len(events) != 2 || events[0].ID != 1 || events[1].ID != 2 {
			t.Errorf("pending %+v, %v, want both events, and no number lost", events, err)
		}
	})
}

func TestAChangeNobodyWaitsForIsNotBegun(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		gone := &joint{ctx: ctx, done: make(chan error, 1), do: func(context.Context, *batch) (error, error) {
			t.Error("it was begun")
			return nil, nil
		}}
		behind(t, s, func() {
			s.arrivals.mu.Lock()
			defer s.arrivals.mu.Unlock()
			s.arrivals.waiting = append(s.arrivals.waiting, gone)
		}, func() {
			if _, _, err := s.Accept(t.Context(), Event{Source: "github", Delivery: "here", Kind: "push"}); err != nil {
				t.Error(err)
			}
		})
		if err := <-gone.done; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
		_, _, err := s.Accept(ctx, Event{Source: "github", Delivery: "late", Kind: "push"})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	})
}

func TestAStoreThatCannotBeginFailsAllAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				_, _, err := s.Accept(t.Context(), Event{Source: "github", Delivery: fmt.Sprint(i), Kind: "push"})
				if err == nil || !strings.Contains(err.Error(), "accept event") {
					t.Errorf("error %v, want one that says what was done", err)
				}
			})
		}
		wait.Wait()
	})
}

func TestAFullDiskFailsTheLargeEventAndNotTheSmallOnesBesideIt(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "store.db"))
	var pages int
	if err := s.write.GetContext(t.Context(), &pages, "PRAGMA page_count"); err != nil {
		t.Fatal(err)
	}
	run(t, s, fmt.Sprintf("PRAGMA max_page_count = %d", pages+20))
	accept := func(delivery string, size int, want bool) func() {
		return func() {
			_, _, err := s.Accept(t.Context(), Event{Source: "github", Delivery: delivery, Kind: "push", Body: make([]byte, size)})
			if (err == nil) != want {
				t.Errorf("%s: error %v, want it stored: %v", delivery, err, want)
			}
		}
	}
	behind(t, s, accept("small", 10, true), accept("large", 1<<20, false), accept("small too", 10, true))
	events, err := s.Pending(t.Context(), time.Now(), 10)
	if err != nil || len(events) != 2 || events[0].ID != 1 || events[1].ID != 2 {
		t.Errorf("pending %d, %v, want the two small ones", len(events), err)
	}
}
