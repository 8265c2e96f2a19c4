package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Subscriptions are who is sent events, and how that goes.
type Subscriptions interface {
	Subscriptions(ctx context.Context) ([]Subscription, error)
	// EventDeliveries are those of a subscription that match, the newest first, and the cursor of the next page; "" when
	// there is none. For a name that there is not it is [release.ErrNotFound], and a cursor that they did not give is
	// [ErrCursor].
	EventDeliveries(ctx context.Context, name string, filter EventDeliveryFilter) ([]EventDelivery, string, error)
	// RetryEvent lets a delivery that is dead be sent again; any other is [release.ErrNotFound], and one to a subscriber
	// that wants no more, or is configured no longer, is [release.ErrConflict].
	RetryEvent(ctx context.Context, name, id string, at time.Time) error
}

// EventDeliveryFilter chooses deliveries to a subscriber.
type EventDeliveryFilter struct {
	// State is only those in it, waiting, sent or dead; empty is all.
	State string
	// After is the Next of the page before this one, Limit how many to give.
	After string
	Limit int
}

// The states of a subscription.
const (
	SubscriptionActive = "active"
	// SubscriptionDisabled has answered 410 Gone, and is sent nothing until its configuration changes.
	SubscriptionDisabled = "disabled"
	// SubscriptionRemoved is configured no longer; what is left of it can be looked at.
	SubscriptionRemoved = "removed"
)

// Subscription is one subscriber and how the deliveries to it are going.
type Subscription struct {
	Name string `json:"name"`
	// URL is its scheme and host: the rest may be secret.
	URL   string `json:"url,omitempty"`
	State string `json:"state"`
	// Reason is why it is disabled.
	Reason  string `json:"reason,omitempty"`
	Waiting int    `json:"waiting"`
	Dead    int    `json:"dead"`
	// Succeeded and Failed are when an attempt last ended so.
	Succeeded *time.Time `json:"succeeded,omitempty"`
	Failed    *time.Time `json:"failed,omitempty"`
}

// SubscriptionList is all subscriptions.
type SubscriptionList struct {
	Subscriptions []Subscription `json:"subscriptions"`
}

// EventDelivery is one event on its way to one subscriber.
type EventDelivery struct {
	ID string `json:"id"`
	// Event is the event's id, and the webhook-id it is sent with.
	Event    string `json:"event"`
	Type     string `json:"type"`
	Subject  string `json:"subject,omitempty"`
	Sequence int64  `json:"sequence"`
	// State is waiting, sent or dead.
	State    string    `json:"state"`
	Attempts int       `json:"attempts"`
	Created  time.Time `json:"created"`
	// Due is when it is tried next, while it waits.
	Due *time.Time `json:"due,omitempty"`
	// Reason is why the last attempt failed.
	Reason string `json:"reason,omitempty"`
}

// EventDeliveryList is the newest deliveries to a subscriber.
type EventDeliveryList struct {
	Deliveries []EventDelivery `json:"deliveries"`
	// Next is the cursor of the next page; empty on the last one.
	Next string `json:"next,omitempty"`
}

func (s *Server) listSubscriptions(w http.ResponseWriter, r *http.Request) {
	list, err := s.subscriptions.Subscriptions(r.Context())
	if err != nil {
		s.fail(w, r, fmt.Errorf("list subscriptions: %w", err))
		return
	}
	if list == nil {
		list = []Subscription{}
	}
	reply(w, http.StatusOK, SubscriptionList{list})
}

func (s *Server) listEventDeliveries(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("subscription")
	asked, err := pageOf(r.Context(), "")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	list, after, err := s.subscriptions.EventDeliveries(r.Context(), name, EventDeliveryFilter{
		State: paramsOf(r.Context()).text("state"), After: asked.After, Limit: asked.Limit,
	})
	if errors.Is(err, release.ErrNotFound) {
		s.fail(w, r, missing("there is no subscription %q: GET /api/v1/subscriptions lists those there are", name))
		return
	}
	if err != nil {
		s.fail(w, r, fmt.Errorf("list deliveries of events: %w", err))
		return
	}
	if list == nil {
		list = []EventDelivery{}
	}
	reply(w, http.StatusOK, EventDeliveryList{list, next(w, r, after)})
}

func (s *Server) retryEventDelivery(w http.ResponseWriter, r *http.Request) {
	name, id := r.PathValue("subscription"), r.PathValue("delivery")
	err := s.subscriptions.RetryEvent(r.Context(), name, id, s.now().UTC())
	switch {
	case errors.Is(err, release.ErrNotFound):
		s.fail(w, r, missing("the subscription %q has no delivery %q that is dead: GET /api/v1/subscriptions/%s/deliveries?state=dead lists those there are", name, id, name))
	case errors.Is(err, release.ErrConflict):
		s.fail(w, r, &fault{http.StatusConflict, CodeConflict,
			fmt.Sprintf("nothing is sent to the subscriber %s, which is configured no longer or said that it wants no more events: change its configuration first", name)})
	case err != nil:
		s.fail(w, r, fmt.Errorf("retry a delivery of an event: %w", err))
	default:
		reply(w, http.StatusOK, Retried{id})
	}
}
