package apitest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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

// Deliveries are the messages, the last one first. The cursor is how many came before.
func (i *Installation) Deliveries(_ context.Context, filter api.DeliveryFilter) ([]api.Delivery, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []api.Delivery
	for _, d := range slices.Backward(i.deliveries) {
		if (!filter.Dead || d.State == "dead") && of(filter.Tenants, d.Release) {
			out = append(out, d)
		}
	}
	out, next, err := part(out, filter.After, filter.Limit)
	return out, next, errors.Join(err, i.broken)
}

// RetryDelivery lets a dead message wait again.
func (i *Installation) RetryDelivery(_ context.Context, id string, tenants []string, _ time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, d := range i.deliveries {
		if d.ID == id && d.State == "dead" && of(tenants, d.Release) {
			i.deliveries[n].State = "waiting"
			return nil
		}
	}
	return release.ErrNotFound
}

// DecisionsSince are those of all releases. The cursor is how many came before.
func (i *Installation) DecisionsSince(_ context.Context, filter api.DecisionFilter) ([]api.Decision, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []api.Decision
	for id, decisions := range i.decisions {
		for _, d := range decisions {
			if !d.At.Before(filter.Since) && of(filter.Tenants, id.String()) {
				out = append(out, d)
			}
		}
	}
	slices.SortFunc(out, func(a, b api.Decision) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	out, next, err := part(out, filter.After, filter.Limit)
	return out, next, errors.Join(err, i.broken)
}

// of says whether the name of a release is of some tenants; nil is all.
func of(tenants []string, release string) bool {
	tenant, _, named := strings.Cut(release, "/")
	return tenants == nil || (named && slices.Contains(tenants, tenant))
}

// part is the page of a list behind a cursor, which is how many came before, and the next one's.
func part[T any](all []T, after string, most int) ([]T, string, error) {
	from := 0
	if after != "" {
		var err error
		if from, err = strconv.Atoi(after); err != nil {
			return nil, "", fmt.Errorf("%w: %w", api.ErrCursor, err)
		}
	}
	all = all[min(from, len(all)):]
	if most > 0 && len(all) > most {
		return all[:most], strconv.Itoa(from + most), nil
	}
	return all, "", nil
}
