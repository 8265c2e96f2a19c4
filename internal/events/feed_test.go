package events_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/store/storetest"
)

// onEach runs a test on a new database of each kind there is, opened twice where two programs can share it.
func onEach(t *testing.T, test func(t *testing.T, one, other *store.Store)) {
	open := func(t *testing.T, dsn string) *store.Store {
		t.Helper()
		s, err := store.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	t.Run("sqlite", func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "store.db"))
		test(t, s, s)
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := storetest.Schema(t)
		test(t, open(t, dsn), open(t, dsn))
	})
}

// outbox is the store in the words of a feed.
type outbox struct{ *store.Store }

func (o outbox) Happened(ctx context.Context, after int64, most int) ([]events.Entry, error) {
	kept, err := o.Store.Happened(ctx, after, most)
	out := make([]events.Entry, len(kept))
	for i, entry := range kept {
		out[i] = events.Entry(entry)
	}
	return out, err
}

// startFeed runs a feed until the test ends.
func startFeed(t *testing.T, s *store.Store) *events.Feed {
	t.Helper()
	feed := events.NewFeed(outbox{s}, here, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); feed.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return feed
}

func happen(t *testing.T, s *store.Store, number, n int) {
	t.Helper()
	id := release.ID{Lane: lane, Number: number}
	entry := release.Entry{Number: n, At: noon, Kind: release.EntryPhase, Message: fmt.Sprint("message ", n)}
	if err := s.SaveProgress(t.Context(), release.Summary{ID: id, Updated: noon}, []release.Entry{entry}); err != nil {
		t.Error(err)
	}
}

// prune makes the outbox forget all that is in it.
func prune(t *testing.T, s *store.Store) {
	t.Helper()
	for {
		entries, err := s.ToRoute(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			break
		}
		for _, entry := range entries {
			if err := s.Routed(t.Context(), entry, nil, noon); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.PruneDeliveries(t.Context(), noon.Add(time.Second), noon, noon.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
}

// follow reads what a feed has after a sequence until it has come to another.
func follow(t *testing.T, feed *events.Feed, after, until int64) (out []events.Event) {
	t.Helper()
	giveUp := time.After(5 * time.Minute)
	for after < until {
		changed := feed.Changed()
		batch, err := feed.After(t.Context(), after)
		if err != nil {
			t.Error(err)
			return out
		}
		for _, event := range batch.Events {
			if event.Sequence != after+1 {
				t.Errorf("%d follows on %d", event.Sequence, after)
			}
			after = event.Sequence
		}
		out = append(out, batch.Events...)
		if batch.Reached > after {
			t.Errorf("reached %d beyond %d", batch.Reached, after)
			return out
		}
		if len(batch.Events) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-giveUp:
			t.Errorf("nothing after %d for minutes", after)
			return out
		}
	}
	return out
}

func TestWhoeverFollowsSeesEachEventOnceAndInOrderWhileOthersWrite(t *testing.T) {
	onEach(t, func(t *testing.T, one, other *store.Store) {
		const releases, each = 6, 120 // more than are kept in memory
		first, second := startFeed(t, one), startFeed(t, other)
		var running sync.WaitGroup
		for number := 1; number <= releases; number++ {
			writer, feed := one, first
			if number%2 == 0 {
				writer, feed = other, second
			}
			running.Go(func() {
				for n := 1; n <= each; n++ {
					happen(t, writer, number, n)
					feed.Kick()
				}
			})
		}
		var mu sync.Mutex
		var texts []string
		for i := range 4 {
			feed := first
			if i%2 == 1 {
				feed = second
			}
			running.Go(func() {
				text := ""
				for _, event := range follow(t, feed, 0, releases*each) {
					text += string(event.JSON) + "\n"
				}
				mu.Lock()
				defer mu.Unlock()
				texts = append(texts, text)
			})
		}
		running.Wait()
		for _, text := range texts {
			if text != texts[0] {
				t.Error("two followers saw different events")
			}
		}
		// From anywhere, from memory and from before.
		for _, from := range []int64{0, 1, 99, 100, releases*each - 600, releases*each - 1} {
			if got := follow(t, first, from, releases*each); len(got) != int(releases*each-from) {
				t.Errorf("%d events after %d", len(got), from)
			}
		}
	})
}

func TestWhatIsKeptNoLongerIsSeenToBeMissing(t *testing.T) {
	onEach(t, func(t *testing.T, one, _ *store.Store) {
		feed := events.NewFeed(outbox{one}, here, nil)
		for n := 1; n <= 3; n++ {
			happen(t, one, 1, n)
		}
		prune(t, one)
		batch, err := feed.After(t.Context(), 1)
		if err != nil || len(batch.Events) != 0 || batch.Reached != 3 {
			t.Errorf("batch %+v, %v; want none, up to 3", batch, err)
		}
		happen(t, one, 1, 4)
		batch, err = feed.After(t.Context(), 1)
		if err != nil || len(batch.Events) != 1 || batch.Events[0].Sequence != 4 || batch.Reached != 4 {
			t.Errorf("batch %+v, %v; want the fourth", batch, err)
		}
		batch, err = feed.After(t.Context(), 4)
		if err != nil || len(batch.Events) != 0 || batch.Reached != 4 {
			t.Errorf("batch %+v, %v; want nothing new", batch, err)
		}
	})
}
