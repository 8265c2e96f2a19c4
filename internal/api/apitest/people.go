package apitest

import (
	"context"
	"slices"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
)

// AddFreeze keeps a freeze.
func (i *Installation) AddFreeze(_ context.Context, freeze release.Freeze) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.freezes = append(i.freezes, freeze)
	return i.broken
}

// Freezes are those that were declared and not lifted, and have not ended.
func (i *Installation) Freezes(_ context.Context, at time.Time) ([]release.Freeze, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	ended := func(f release.Freeze) bool { return f.Ends != nil && !at.Before(*f.Ends) }
	return slices.DeleteFunc(slices.Clone(i.freezes), ended), i.broken
}

// LiftFreeze ends a freeze.
func (i *Installation) LiftFreeze(_ context.Context, id string, _ release.Actor, _ time.Time) (release.Freeze, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := slices.IndexFunc(i.freezes, func(f release.Freeze) bool { return f.ID == id })
	if n < 0 {
		return release.Freeze{}, release.ErrNotFound
	}
	freeze := i.freezes[n]
	i.freezes = slices.Delete(i.freezes, n, n+1)
	return freeze, nil
}

// Deliver adds a message that somebody was told.
func (i *Installation) Deliver(delivery api.Delivery) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.deliveries = append(i.deliveries, delivery)
}

// Deliveries are the messages, the last one first.
func (i *Installation) Deliveries(_ context.Context, dead bool, most int) ([]api.Delivery, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []api.Delivery
	for _, d := range slices.Backward(i.deliveries) {
		if (!dead || d.State == "dead") && len(out) < most {
			out = append(out, d)
		}
	}
	return out, i.broken
}

// RetryDelivery lets a dead message wait again.
func (i *Installation) RetryDelivery(_ context.Context, id string, _ time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, d := range i.deliveries {
		if d.ID == id && d.State == "dead" {
			i.deliveries[n].State = "waiting"
			return nil
		}
	}
	return release.ErrNotFound
}

// DecisionsSince are those of all releases, all at once.
func (i *Installation) DecisionsSince(_ context.Context, since time.Time, after string, _ int) ([]api.Decision, string, error) {
	if after != "" {
		return nil, "", api.ErrCursor
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []api.Decision
	for _, decisions := range i.decisions {
		for _, d := range decisions {
			if !d.At.Before(since) {
				out = append(out, d)
			}
		}
	}
	slices.SortFunc(out, func(a, b api.Decision) int { return a.At.Compare(b.At) })
	return out, "", i.broken
}
