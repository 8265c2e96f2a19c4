package apitest

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
)

// Receive adds an event with its body, under the next number, which it returns.
func (i *Installation) Receive(event api.Event, body string) int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.receive(event, body)
}

func (i *Installation) receive(event api.Event, body string) int64 {
	event.ID, event.BodySize = int64(len(i.events)+1), int64(len(body))
	i.events, i.bodies[event.ID] = append(i.events, event), body
	return event.ID
}

// Settle gives an event its outcome.
func (i *Installation) Settle(id int64, outcome, message string, releases ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.settle(id, outcome, message, releases)
}

// OnReplay gives replays their outcome, each once it has been looked at without one; without it they wait.
func (i *Installation) OnReplay(outcome func(api.Event) (outcome, message string, releases []string)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.replayed = outcome
}

func (i *Installation) settle(id int64, outcome, message string, releases []string) {
	e := &i.events[id-1]
	at := e.Received
	e.Outcome, e.Message, e.Releases, e.Settled, e.Due = outcome, message, releases, &at, nil
}

// ForgetBody leaves an event without its body, as it is after a while.
func (i *Installation) ForgetBody(id int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	at := i.events[id-1].Received
	i.events[id-1].BodyPruned = &at
	delete(i.bodies, id)
}

// InboxEvents are those that match, the newest first. A cursor is the number of the last event of a page.
func (i *Installation) InboxEvents(_ context.Context, filter api.EventFilter) ([]api.Event, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := int64(len(i.events) + 1)
	if filter.Before != "" {
		var err error
		if before, err = strconv.ParseInt(filter.Before, 10, 64); err != nil {
			return nil, "", fmt.Errorf("%w: %w", api.ErrCursor, err)
		}
	}
	var out []api.Event
	for _, e := range slices.Backward(i.events) {
		if e.ID >= before || !chosen(e, filter) {
			continue
		}
		if len(out) == filter.Limit {
			return out, strconv.FormatInt(out[len(out)-1].ID, 10), i.broken
		}
		out = append(out, e)
	}
	return out, "", i.broken
}

func chosen(e api.Event, f api.EventFilter) bool {
	for _, pair := range [][2]string{{f.Source, e.Source}, {f.Kind, e.Kind}, {f.Delivery, e.Delivery}, {f.Outcome, e.Outcome}} {
		if pair[0] != "" && pair[0] != pair[1] {
			return false
		}
	}
	return (!f.Pending || e.Outcome == "") && !e.Received.Before(f.Since)
}

// InboxEvent is an event with its replays.
func (i *Installation) InboxEvent(_ context.Context, id int64) (api.Event, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if id > int64(len(i.events)) {
		return api.Event{}, release.ErrNotFound
	}
	event := i.events[id-1]
	for _, e := range i.events {
		if e.ReplayOf == id {
			event.Replays = append(event.Replays, e.ID)
		}
	}
	if event.ReplayOf > 0 && event.Outcome == "" && i.replayed != nil {
		outcome, message, releases := i.replayed(event)
		i.settle(id, outcome, message, releases)
	}
	return event, i.broken
}

// InboxBody is the body of an event.
func (i *Installation) InboxBody(_ context.Context, id int64) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if id > int64(len(i.events)) {
		return nil, release.ErrNotFound
	}
	body, kept := i.bodies[id]
	if !kept {
		return nil, api.ErrForgotten
	}
	return []byte(body), i.broken
}

// ReplayEvent adds a replay, which waits for its outcome until the test gives it.
func (i *Installation) ReplayEvent(_ context.Context, id int64, body api.ReplayBody, by release.Actor) (api.Event, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if id > int64(len(i.events)) {
		return api.Event{}, release.ErrNotFound
	}
	key := fmt.Sprintf("%d %s", id, body.Request)
	if known := i.requests[key]; known > 0 && body.Request != "" {
		return i.events[known-1], i.broken
	}
	first := i.events[id-1]
	text, kept := i.bodies[id]
	switch {
	case !kept:
		return api.Event{}, api.ErrForgotten
	case first.Outcome == "":
		return api.Event{}, fmt.Errorf("event %d waits for its outcome: %w", id, release.ErrConflict)
	}
	replay := api.Event{
		Source: first.Source, Kind: first.Kind, Delivery: fmt.Sprintf("replay-1-of-%d", id), Received: first.Received, ReplayOf: id, Again: body.Again, AskedBy: &by,
	}
	i.requests[key] = i.receive(replay, text)
	return i.events[i.requests[key]-1], i.broken
}
