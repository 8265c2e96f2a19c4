package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const (
	// lookEach is how often the outbox is looked at without a word that there is something in it: another program may have
	// put it there.
	lookEach = time.Second
	// readAt is how many events are read at once.
	readAt = 100
	// recent is how many of the newest events are kept in memory for those who follow closely, 10 MiB at the very most.
	recent = 512
)

// Outbox keeps what happened, in the order of the commits.
type Outbox interface {
	// Happened are the entries after a seq, in order, at most so many.
	Happened(ctx context.Context, after int64, most int) ([]Entry, error)
	// LastHappened is the seq of the newest entry; 0 when there has been none.
	LastHappened(ctx context.Context) (int64, error)
	// Release is [release.ErrNotFound] for one that was never recorded.
	Release(ctx context.Context, id release.ID) (release.Summary, error)
}

// Feed reads the outbox for all who follow it: they are told from memory, and only who comes from further back has the
// database read for them. It is safe for concurrent use.
type Feed struct {
	outbox Outbox
	from   Installation
	log    *slog.Logger
	kick   chan struct{}

	mu sync.Mutex
	// last are the newest events without a hole in between, after start and up to end. Before the first look both are -1.
	last       []Event
	start, end int64
	changed    chan struct{}
}

// NewFeed is a feed; somebody has to run it.
func NewFeed(outbox Outbox, from Installation, log *slog.Logger) *Feed {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Feed{outbox: outbox, from: from, log: log, kick: make(chan struct{}, 1), start: -1, end: -1, changed: make(chan struct{})}
}

// Kick says that something happened.
func (f *Feed) Kick() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// Run looks at the outbox until ctx ends.
func (f *Feed) Run(ctx context.Context) {
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	failed := false
	for {
		more, err := f.look(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			// Said once: the same store that is away is away every second.
			f.log.ErrorContext(ctx, "events wait", "error", err)
		}
		failed = err != nil
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-f.kick:
		}
	}
}

// look takes what is new into memory.
func (f *Feed) look(ctx context.Context) (more bool, err error) {
	f.mu.Lock()
	end := f.end
	f.mu.Unlock()
	last, err := f.Last(ctx)
	if err != nil || last == end {
		return false, err
	}
	if last < end || end < 0 {
		// Nothing is known yet, or the database was put back; who wants what was before has it read.
		f.mu.Lock()
		defer f.mu.Unlock()
		f.last, f.start, f.end = nil, last, last
		f.wake()
		return false, nil
	}
	events, err := f.read(ctx, end)
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = append(f.last, events...)
	if drop := len(f.last) - recent; drop > 0 {
		f.start = f.last[drop-1].Sequence
		f.last = append([]Event(nil), f.last[drop:]...)
	}
	f.end = last
	if len(events) > 0 {
		f.end = events[len(events)-1].Sequence
	}
	f.wake()
	return len(events) == readAt, nil
}

func (f *Feed) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// Last is the sequence of the newest event; 0 before the first.
func (f *Feed) Last(ctx context.Context) (int64, error) { return f.outbox.LastHappened(ctx) }

// Changed is closed once there are more events than there are now. Take it before [Feed.After].
func (f *Feed) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// Batch is a piece of what happened.
type Batch struct {
	// Events are in order. One that does not follow on the sequence before it follows on events that are kept no longer.
	Events []Event
	// Reached is how far the batch goes: that of its last event, or of one that is kept no longer.
	Reached int64
}

// After are the events after a sequence, some of them where there are many, and none when nothing happened since.
func (f *Feed) After(ctx context.Context, after int64) (Batch, error) {
	f.mu.Lock()
	if f.end >= 0 && after >= f.end {
		f.mu.Unlock()
		return Batch{Reached: after}, nil
	}
	if f.start >= 0 && after >= f.start {
		defer f.mu.Unlock()
		first := len(f.last)
		for first > 0 && f.last[first-1].Sequence > after {
			first--
		}
		// What is appended later is behind the end of this slice, and nothing in it is ever changed.
		return Batch{Events: f.last[first:len(f.last):len(f.last)], Reached: f.end}, nil
	}
	f.mu.Unlock()
	// In this order: what is stored in between is read, and is never taken for something that is gone.
	last, err := f.Last(ctx)
	if err != nil {
		return Batch{}, err
	}
	events, err := f.read(ctx, after)
	if err != nil {
		return Batch{}, err
	}
	if len(events) == 0 {
		return Batch{Reached: max(after, last)}, nil
	}
	return Batch{Events: events, Reached: events[len(events)-1].Sequence}, nil
}

// read reads events from the outbox, each release once.
func (f *Feed) read(ctx context.Context, after int64) ([]Event, error) {
	entries, err := f.outbox.Happened(ctx, after, readAt)
	if err != nil {
		return nil, err
	}
	summaries := map[release.ID]release.Summary{}
	out := make([]Event, len(entries))
	for i, entry := range entries {
		of := entry.Release
		if _, known := summaries[of]; !known && of.Number > 0 {
			summary, err := f.outbox.Release(ctx, of)
			if err != nil && !errors.Is(err, release.ErrNotFound) && !unreadable(err) {
				return nil, fmt.Errorf("event %s: %w", entry.ID, err)
			}
			summaries[of] = summary
		}
		if out[i], err = f.from.Event(entry, summaries[of]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// unreadable says whether a release is stored in a way that cannot be read. Its events are told without what it says: it
// must not hold those of others for ever.
func unreadable(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind)
}
