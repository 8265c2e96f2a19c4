package apitest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
)

// happened is what happens, in memory.
type happened struct {
	events  []events.Event
	pruned  int64
	changed chan struct{}
}

// Happen makes something happen to a release, or a lane.
func (i *Installation) Happen(about release.ID, entry release.Entry) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	seq := i.happened.pruned + int64(len(i.happened.events)) + 1
	summary := release.Summary{ID: about}
	for _, known := range i.summaries {
		if known.ID == about {
			summary = known
		}
	}
	id := about.String() + "#" + time.Unix(seq, 0).UTC().Format("05")
	event, err := events.Installation{URL: "http://sky.example"}.Event(events.Entry{Seq: seq, ID: id, Release: about, Entry: entry, Requester: summary.Requester}, summary)
	if err != nil {
		return err
	}
	i.happened.events = append(i.happened.events, event)
	close(i.happened.changed)
	i.happened.changed = make(chan struct{})
	return nil
}

// PruneEvents forgets so many of the oldest events.
func (i *Installation) PruneEvents(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.happened.events = i.happened.events[n:]
	i.happened.pruned += int64(n)
}

// Last implements [api.Happenings].
func (i *Installation) Last(context.Context) (int64, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.happened.pruned + int64(len(i.happened.events)), i.broken
}

// After implements [api.Happenings]; it gives two at a time.
func (i *Installation) After(_ context.Context, after int64) (events.Batch, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	from := min(max(after-i.happened.pruned, 0), int64(len(i.happened.events)))
	out := slices.Clone(i.happened.events[from:])
	out = out[:min(2, len(out))]
	return events.Batch{Events: out, Reached: max(after, i.happened.pruned+from+int64(len(out)))}, i.broken
}

// Changed implements [api.Happenings].
func (i *Installation) Changed() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.happened.changed
}

// Subscribe adds a subscription, and deliveries to it.
func (i *Installation) Subscribe(subscription api.Subscription, deliveries ...api.EventDelivery) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.subscriptions = append(i.subscriptions, subscription)
	i.eventDeliveries[subscription.Name] = deliveries
}

// Subscriptions implements [api.Subscriptions].
func (i *Installation) Subscriptions(context.Context) ([]api.Subscription, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.subscriptions), i.broken
}

// EventDeliveries implements [api.Subscriptions].
func (i *Installation) EventDeliveries(_ context.Context, name string, filter api.EventDeliveryFilter) ([]api.EventDelivery, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	all, there := i.eventDeliveries[name]
	if !there {
		return nil, "", release.ErrNotFound
	}
	var out []api.EventDelivery
	for _, d := range all {
		if matches(filter.State, d.State) {
			out = append(out, d)
		}
	}
	out, next, err := part(out, filter.After, filter.Limit)
	return out, next, errors.Join(err, i.broken)
}

// RetryEvent implements [api.Subscriptions].
func (i *Installation) RetryEvent(_ context.Context, name, id string, at time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, d := range i.eventDeliveries[name] {
		if d.ID != id || d.State != "dead" {
			continue
		}
		for _, s := range i.subscriptions {
			if s.Name == name && s.State == api.SubscriptionDisabled {
				return release.ErrConflict
			}
		}
		i.eventDeliveries[name][n].State, i.eventDeliveries[name][n].Due = "waiting", &at
		return nil
	}
	return release.ErrNotFound
}
