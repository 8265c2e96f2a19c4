package apitest

import (
	"context"
	"errors"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
)

// WriteBack adds what GitHub was told of a release.
func (i *Installation) WriteBack(one api.Writeback) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.writebacks = append(i.writebacks, one)
}

// inTrouble says whether something of it failed or was given up.
func inTrouble(one api.Writeback) bool {
	for _, o := range one.Objects {
		if o.State == "dead" {
			return true
		}
	}
	return one.State == "dead" || one.Attempts > 0
}

// Writebacks are what GitHub was told.
func (i *Installation) Writebacks(_ context.Context, filter api.WritebackFilter) ([]api.Writeback, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := []api.Writeback{}
	for _, one := range i.writebacks {
		if (filter.Release.Number == 0 || one.Release == filter.Release.String()) && (!filter.Trouble || inTrouble(one)) &&
			of(filter.Tenants, one.Release) {
			out = append(out, one)
		}
	}
	out, next, err := part(out, filter.After, filter.Limit)
	return out, next, errors.Join(err, i.broken)
}

// RetryWriteback lets what was given up be sent, from a time on.
func (i *Installation) RetryWriteback(_ context.Context, of release.ID, at time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, one := range i.writebacks {
		if one.Release == of.String() && inTrouble(one) {
			i.writebacks[n].State, i.writebacks[n].Attempts, i.writebacks[n].Due, i.writebacks[n].Objects = "waiting", 0, &at, []api.WritebackObject{}
			return nil
		}
	}
	return release.ErrNotFound
}
