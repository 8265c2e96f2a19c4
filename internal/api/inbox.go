package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Inbox is the events that came from outside, and what became of them.
type Inbox interface {
	// InboxEvents are those that match, the newest first, and the cursor of the next page; "" when there is none. A cursor
	// that they did not give is [ErrCursor].
	InboxEvents(ctx context.Context, filter EventFilter) ([]Event, string, error)
	// InboxEvent is [release.ErrNotFound] for one that nobody stored, or that is no longer kept.
	InboxEvent(ctx context.Context, id int64) (Event, error)
	// InboxBody is the body of an event, as it came; [ErrForgotten] when only the event is kept.
	InboxBody(ctx context.Context, id int64) ([]byte, error)
	// ReplayEvent hands an event on once more, as another event, which it returns; the same request twice is one replay.
	// It is [release.ErrConflict] while the event, or a replay of it, waits for its outcome, and [ErrForgotten] when the
	// event's body is no longer kept.
	ReplayEvent(ctx context.Context, id int64, body ReplayBody, by release.Actor) (Event, error)
}

// ErrForgotten is what an [Inbox] wraps when the body of an event is no longer kept.
var ErrForgotten = errors.New("the body is no longer kept")

// EventFilter chooses events. The zero value is the newest of all.
type EventFilter struct {
	Source string
	Kind   string
	// Delivery is a source's whole name of one.
	Delivery string
	// Outcome is one of [EventOutcomes].
	Outcome string
	// Pending chooses those that wait for their outcome.
	Pending bool
	// Since is when they were received, or later; zero is any time.
	Since time.Time
	// Limit is 1 to 500; 0 is 50.
	Limit int
	// Before is where the page before this one ended; for a client, its Next.
	Before string
}

// EventOutcomes are what can become of an event.
func EventOutcomes() []string {
	return []string{"started", "queued", "superseding", "duplicate", "ignored", "refused", "stopped", "superseded", "told"}
}

// Event is what is known of an event, without its body.
type Event struct {
	ID       int64     `json:"id"`
	Source   string    `json:"source"`
	Delivery string    `json:"delivery"`
	Kind     string    `json:"kind"`
	Received time.Time `json:"received"`
	// BodySize is in bytes; BodyPruned is when the body was forgotten.
	BodySize   int64      `json:"body_size"`
	BodyPruned *time.Time `json:"body_pruned,omitempty"`
	// Outcome is one of [EventOutcomes]; empty while the event waits for it. Message says why, Releases are what the event
	// asked for.
	Outcome  string     `json:"outcome,omitempty"`
	Message  string     `json:"message,omitempty"`
	Releases []string   `json:"releases,omitempty"`
	Settled  *time.Time `json:"settled,omitempty"`
	// Attempts is how often it was tried in vain, Postponed why the last time; Due is when it is tried next, while it waits.
	Attempts  int        `json:"attempts"`
	Postponed string     `json:"postponed,omitempty"`
	Due       *time.Time `json:"due,omitempty"`
	// ReplayOf is the event that a replay repeats, AskedBy who asked for it. Again says that it asks for another release
	// where there is one.
	ReplayOf int64          `json:"replay_of,omitempty"`
	Again    bool           `json:"again,omitempty"`
	AskedBy  *release.Actor `json:"asked_by,omitempty"`
	// Replays are the events that repeat it, About is what it says; both only where one event is shown, and About while its
	// body is kept.
	Replays []int64     `json:"replays,omitempty"`
	About   *EventAbout `json:"about,omitempty"`
}

// EventAbout is what an event says that it is about. What it does not say is missing.
type EventAbout struct {
	// Repository is a full name, or where an image is; Application is tenant/name, where it is named.
	Repository  string `json:"repository,omitempty"`
	Application string `json:"application,omitempty"`
	// Ref is a branch or tag by its full name, or as it was asked for.
	Ref    string `json:"ref,omitempty"`
	Commit string `json:"commit,omitempty"`
	// Who did it, as the source knows them.
	Who string `json:"who,omitempty"`
}

// EventPage is a part of a list of events, the newest first.
type EventPage struct {
	Events []Event `json:"events"`
	// Next is the cursor of the next page; empty on the last one.
	Next string `json:"next,omitempty"`
}

// ReplayBody asks for a replay. Who asks is known from the token.
type ReplayBody struct {
	// Again wants another release where the event has one.
	Again bool `json:"again,omitempty"`
	// Request is the caller's name for this wish: the same one again is the same replay. It is printable ASCII of at most
	// 128 characters; empty is a wish of its own each time.
	Request string `json:"request,omitempty"`
}

var requestWord = regexp.MustCompile(`^[\x21-\x7e]{0,128}$`)

func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) {
	filter, err := eventFilterOf(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, after, err := s.inbox.InboxEvents(r.Context(), filter)
	if err != nil {
		s.fail(w, r, fmt.Errorf("list events: %w", err))
		return
	}
	if found == nil {
		found = []Event{}
	}
	reply(w, http.StatusOK, EventPage{Events: found, Next: next(w, r, after)})
}

func eventFilterOf(ctx context.Context) (EventFilter, error) {
	asked, err := pageOf(ctx, "")
	if err != nil {
		return EventFilter{}, err
	}
	given := paramsOf(ctx)
	filter := EventFilter{
		Source: given.text("source"), Kind: given.text("kind"), Delivery: given.text("delivery"), Outcome: given.text("outcome"),
		Pending: given.flag("pending"), Since: given.moment("since"), Limit: asked.Limit, Before: asked.After,
	}
	if filter.Outcome != "" && filter.Pending {
		return EventFilter{}, badRequest("outcome and pending are both there: an event that waits has no outcome yet")
	}
	return filter, nil
}

func eventOf(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("event"), 10, 64)
	if err != nil || id < 1 {
		return 0, badRequest("%q is not the number of an event: want 1 or more", r.PathValue("event"))
	}
	return id, nil
}

// failEvent says what is wrong with an event that somebody asked for.
func (s *Server) failEvent(w http.ResponseWriter, r *http.Request, id int64, err error) {
	switch {
	case errors.Is(err, release.ErrNotFound):
		err = missing("there is no event %d, or it is no longer kept: GET /api/v1/inbox lists those there are", id)
	case errors.Is(err, ErrForgotten):
		err = &fault{http.StatusConflict, CodeConflict, fmt.Sprintf("the body of event %d is no longer kept, so it can neither be shown nor replayed: have its source deliver it anew", id)}
	}
	s.fail(w, r, err)
}

func (s *Server) showEvent(w http.ResponseWriter, r *http.Request) {
	id, err := eventOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	event, err := s.inbox.InboxEvent(r.Context(), id)
	if err != nil {
		s.failEvent(w, r, id, err)
		return
	}
	reply(w, http.StatusOK, event)
}

// showEventBody gives the body as it came, and as bytes: what somebody sent is never shown as a page.
func (s *Server) showEventBody(w http.ResponseWriter, r *http.Request) {
	id, err := eventOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	body, err := s.inbox.InboxBody(r.Context(), id)
	if err != nil {
		s.failEvent(w, r, id, err)
		return
	}
	w.Header().Set("Content-Type", mediaBytes)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func (s *Server) replayEvent(w http.ResponseWriter, r *http.Request) {
	id, err := eventOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var body ReplayBody
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	if !requestWord.MatchString(body.Request) {
		s.fail(w, r, badRequest("request %.40q: want at most 128 printable ASCII characters without spaces", body.Request))
		return
	}
	if body.Request == "" {
		body.Request = identityOf(r.Context())
	}
	replay, err := s.inbox.ReplayEvent(r.Context(), id, body, actor(r.Context()))
	if err != nil {
		s.failEvent(w, r, id, err)
		return
	}
	s.log.InfoContext(r.Context(), "event replayed", "event", id, "replay", replay.ID, "again", body.Again, "actor", actor(r.Context()).Name)
	reply(w, http.StatusAccepted, replay)
}
