package intake

import (
	"context"
	"slices"

	"github.com/skyisland/skyisland/internal/release"
)

// named is the delivery by which what happened is told from everything else that happens. A replay is the same happening
// as the event that it repeats: a lane that has had the request answers it as a duplicate, and one that never had it, since
// the event was refused or ignored before, takes it. Only one that asks again is another happening.
func (e Event) named() string {
	if e.ReplayOf == 0 || e.Again {
		return e.Delivery
	}
	return e.First
}

// key is the request's key of an event's happening in an environment. Where the happening has a name of its own, whatever
// its delivery is called, one that asks again has to be told apart by its delivery.
func (e Event) key(environment, happening string) string {
	if e.Again {
		happening += " " + e.Delivery
	}
	return environment + " " + happening
}

// ask submits a request for an event, unless it repeats one that has had its release in the lane.
func (r *Router) ask(ctx context.Context, event Event, req release.Request) (release.Submission, error) {
	if had, ok := event.released(req.Lane); ok {
		return had, nil
	}
	return r.submitter.Submit(ctx, req)
}

// released is the answer for a lane of which the event that is repeated has had a release. A lane remembers its requests
// for a while only, so it is not asked.
func (e Event) released(lane release.Lane) (release.Submission, bool) {
	i := slices.IndexFunc(e.Released, func(id release.ID) bool { return id.Lane == lane })
	if i < 0 || e.Again {
		return release.Submission{}, false
	}
	id := e.Released[i]
	return release.Submission{Release: id, Answer: release.Duplicate, Message: "this is release " + id.String() + " already; a replay with --again asks for another"}, true
}
