package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// inboxView is the stored events in the words of the API.
type inboxView struct {
	store *store.Store
	// wake has the router look at the inbox, which has something new.
	wake func()
}

func (v inboxView) InboxEvents(ctx context.Context, filter api.EventFilter) ([]api.Event, string, error) {
	found, next, err := v.store.Events(ctx, store.EventFilter{
		Source: filter.Source, Kind: filter.Kind, Delivery: filter.Delivery, Outcome: store.OutcomeKind(filter.Outcome),
		Pending: filter.Pending, Since: filter.Since, Limit: filter.Limit, Before: filter.Before,
	})
	err = wrongCursor(err)
	out := make([]api.Event, len(found))
	for i, event := range found {
		out[i] = shownEvent(event)
	}
	return out, next, err
}

func (v inboxView) InboxEvent(ctx context.Context, id int64) (api.Event, error) {
	event, err := v.store.Event(ctx, id)
	if err != nil {
		return api.Event{}, err
	}
	out := shownEvent(event)
	body, err := v.store.EventBody(ctx, id)
	if errors.Is(err, store.ErrForgotten) {
		return out, nil
	}
	if err != nil {
		return api.Event{}, err
	}
	about := intake.Describe(intake.Event{Source: event.Source, Delivery: event.Delivery, Kind: event.Kind, Body: body})
	if about != (intake.About{}) {
		out.About = &api.EventAbout{Repository: about.Repository, Application: about.Application, Ref: about.Ref, Commit: about.Commit, Who: about.Who}
	}
	return out, nil
}

func (v inboxView) InboxBody(ctx context.Context, id int64) ([]byte, error) {
	body, err := v.store.EventBody(ctx, id)
	return body, forgotten(err)
}

func (v inboxView) ReplayEvent(ctx context.Context, id int64, body api.ReplayBody, by release.Actor) (api.Event, error) {
	replay, _, err := v.store.Replay(ctx, id, store.Replay{By: by, Again: body.Again, Request: body.Request}, time.Now().UTC())
	if err != nil {
		return api.Event{}, forgotten(err)
	}
	v.wake()
	return v.InboxEvent(ctx, replay)
}

func forgotten(err error) error {
	if errors.Is(err, store.ErrForgotten) {
		return fmt.Errorf("%w: %w", api.ErrForgotten, err)
	}
	return err
}

func shownEvent(e store.EventRecord) api.Event {
	out := api.Event{
		ID: e.ID, Source: e.Source, Delivery: e.Delivery, Kind: e.Kind, Received: e.ReceivedAt, BodySize: e.BodySize,
		Outcome: string(e.Outcome.Kind), Message: e.Outcome.Message, Attempts: e.Attempts, Postponed: e.Postponed,
		ReplayOf: e.ReplayOf, Again: e.Again, Replays: e.Replays,
	}
	for _, id := range e.Outcome.Releases {
		out.Releases = append(out.Releases, id.String())
	}
	if !e.BodyPruned.IsZero() {
		out.BodyPruned = &e.BodyPruned
	}
	if e.Settled.IsZero() {
		out.Due = &e.Due
	} else {
		out.Settled = &e.Settled
	}
	if e.ReplayOf != 0 {
		out.AskedBy = &e.By
	}
	return out
}
