package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Notifications are what people are told, and what became of it.
type Notifications interface {
	// Deliveries are those that match, the newest first, and the cursor of the next page; "" when there is none. A cursor
	// that they did not give is [ErrCursor].
	Deliveries(ctx context.Context, filter DeliveryFilter) ([]Delivery, string, error)
	// RetryDelivery lets one of some tenants, nil for all, that was given up be sent again; any other is
	// [release.ErrNotFound].
	RetryDelivery(ctx context.Context, id string, tenants []string, at time.Time) error
}

// DeliveryFilter chooses messages.
type DeliveryFilter struct {
	// Dead is only those that were given up.
	Dead bool
	// After is the Next of the page before this one, Limit how many to give.
	After string
	Limit int
	// Tenants are whose may be seen, which leaves out what is about no tenant; nil is everybody's.
	Tenants []string
}

// Delivery is one message to one target of a channel.
type Delivery struct {
	ID string `json:"id"`
	// Target is channel:target, as the rules name it.
	Target  string `json:"target"`
	Release string `json:"release,omitempty"`
	Title   string `json:"title"`
	// State is waiting, sent or dead.
	State    string    `json:"state"`
	Attempts int       `json:"attempts"`
	Created  time.Time `json:"created"`
	// Due is when it is tried next, while it waits.
	Due *time.Time `json:"due,omitempty"`
	// Reason is why the last attempt failed.
	Reason string `json:"reason,omitempty"`
}

// DeliveryList is the newest deliveries.
type DeliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
	// Next is the cursor of the next page; empty on the last one.
	Next string `json:"next,omitempty"`
}

// Retried names the delivery that waits again.
type Retried struct {
	ID string `json:"id"`
}

// The bounds of a list of deliveries.
const (
	usualDeliveries = 50
	mostDeliveries  = 500
)

func (s *Server) listDeliveries(w http.ResponseWriter, r *http.Request) {
	asked, err := pageOf(r.Context(), "")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	list, after, err := s.notifications.Deliveries(r.Context(), DeliveryFilter{
		Dead: paramsOf(r.Context()).flag("dead"), After: asked.After, Limit: asked.Limit, Tenants: holderOf(r.Context()).tenants,
	})
	if err != nil {
		s.fail(w, r, fmt.Errorf("list deliveries: %w", err))
		return
	}
	if list == nil {
		list = []Delivery{}
	}
	reply(w, http.StatusOK, DeliveryList{list, next(w, r, after)})
}

func (s *Server) retryDelivery(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("delivery")
	err := s.notifications.RetryDelivery(r.Context(), id, holderOf(r.Context()).tenants, s.now().UTC())
	if errors.Is(err, release.ErrNotFound) {
		s.fail(w, r, missing("there is no delivery %q that was given up: GET /api/v1/deliveries?dead=true lists those there are", id))
		return
	}
	if err != nil {
		s.fail(w, r, fmt.Errorf("retry a delivery: %w", err))
		return
	}
	reply(w, http.StatusOK, Retried{id})
}
