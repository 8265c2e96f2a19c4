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
	// Deliveries are the newest, at most so many; only those that were given up when dead is set.
	Deliveries(ctx context.Context, dead bool, most int) ([]Delivery, error)
	// RetryDelivery lets one that was given up be sent again; any other is [release.ErrNotFound].
	RetryDelivery(ctx context.Context, id string, at time.Time) error
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
}

// The bounds of a list of deliveries.
const (
	usualDeliveries = 50
	mostDeliveries  = 500
)

func (s *Server) listDeliveries(w http.ResponseWriter, r *http.Request) {
	values, err := query(r, "dead", "limit")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	limit, err := number(values, "limit", usualDeliveries, mostDeliveries)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	dead, err := flag(values, "dead")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	list, err := s.notifications.Deliveries(r.Context(), dead, limit)
	if err != nil {
		s.fail(w, r, fmt.Errorf("list deliveries: %w", err))
		return
	}
	if list == nil {
		list = []Delivery{}
	}
	reply(w, http.StatusOK, DeliveryList{list})
}

func (s *Server) retryDelivery(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("delivery")
	err := s.notifications.RetryDelivery(r.Context(), id, time.Now().UTC())
	if errors.Is(err, release.ErrNotFound) {
		s.fail(w, r, missing("there is no delivery %q that was given up: GET /api/v1/deliveries?dead=true lists those there are", id))
		return
	}
	if err != nil {
		s.fail(w, r, fmt.Errorf("retry a delivery: %w", err))
		return
	}
	reply(w, http.StatusOK, struct {
		ID string `json:"id"`
	}{id})
}
