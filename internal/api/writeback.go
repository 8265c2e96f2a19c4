package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Writebacks are what GitHub is told of releases, and what became of it.
type Writebacks interface {
	// Writebacks are those that match, the last changed first, and the cursor of the next page; "" when there is none. A
	// cursor that they did not give is [ErrCursor].
	Writebacks(ctx context.Context, filter WritebackFilter) ([]Writeback, string, error)
	// RetryWriteback lets what was given up of a release be tried again; where nothing was it is [release.ErrNotFound].
	RetryWriteback(ctx context.Context, of release.ID, at time.Time) error
}

// WritebackFilter chooses what GitHub is told.
type WritebackFilter struct {
	// Release is whose; zero is all.
	Release release.ID
	// Trouble is only what was refused or fails.
	Trouble bool
	// After is the Next of the page before this one, Limit how many to give.
	After string
	Limit int
	// Tenants are whose may be seen; nil is everybody's.
	Tenants []string
}

// Writeback is what GitHub is told of one release.
type Writeback struct {
	Release    string `json:"release"`
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
	// State is waiting, settled (all is told that there is now) or dead (given up).
	State string `json:"state"`
	// Attempts is how often it failed in a row, Reason why the last attempt did.
	Attempts int        `json:"attempts"`
	Due      *time.Time `json:"due,omitempty"`
	Updated  time.Time  `json:"updated"`
	Reason   string     `json:"reason,omitempty"`

	Objects []WritebackObject `json:"objects"`
}

// WritebackObject is one status, check run, deployment or comment.
type WritebackObject struct {
	Name string `json:"name"`
	// State is sent, trying (it may have arrived), waiting or dead (refused for good).
	State    string    `json:"state"`
	Attempts int       `json:"attempts,omitempty"`
	Updated  time.Time `json:"updated"`
	Reason   string    `json:"reason,omitempty"`
}

// WritebackList is what GitHub was told.
type WritebackList struct {
	Writebacks []Writeback `json:"writebacks"`
	// Next is the cursor of the next page; empty on the last one.
	Next string `json:"next,omitempty"`
}

// WritebackRetry names the release that is to be told again.
type WritebackRetry struct {
	Release string `json:"release"`
}

// ToldAgain is the release of which GitHub is told again.
type ToldAgain struct {
	Release string `json:"release"`
}

// The bounds of a list of write-backs.
const (
	usualWritebacks = 20
	mostWritebacks  = 200
)

func (s *Server) listWritebacks(w http.ResponseWriter, r *http.Request) {
	given := paramsOf(r.Context())
	asked, err := pageOf(r.Context(), "")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	filter := WritebackFilter{Trouble: given.flag("trouble"), After: asked.After, Limit: asked.Limit, Tenants: holderOf(r.Context()).tenants}
	if text := given.text("release"); text != "" {
		if filter.Release, err = release.ParseID(text); err != nil {
			s.fail(w, r, badRequest("release=%v", err))
			return
		}
	}
	list, after := []Writeback{}, ""
	if s.writebacks != nil {
		if list, after, err = s.writebacks.Writebacks(r.Context(), filter); err != nil {
			s.fail(w, r, fmt.Errorf("list write-backs: %w", err))
			return
		}
	}
	reply(w, http.StatusOK, WritebackList{list, next(w, r, after)})
}

func (s *Server) retryWriteback(w http.ResponseWriter, r *http.Request) {
	var body WritebackRetry
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	of, err := release.ParseID(body.Release)
	if err != nil {
		s.fail(w, r, badRequest("release: %v", err))
		return
	}
	// In the same words for a release that is there and for one that is not.
	if s.writebacks == nil || !holderOf(r.Context()).sees(of.Lane.Tenant) {
		err = release.ErrNotFound
	} else {
		err = s.writebacks.RetryWriteback(r.Context(), of, s.now().UTC())
	}
	if errors.Is(err, release.ErrNotFound) {
		s.fail(w, r, missing("nothing of release %s was given up: GET /api/v1/writeback?trouble=true lists what was", of))
		return
	}
	if err != nil {
		s.fail(w, r, fmt.Errorf("retry a write-back: %w", err))
		return
	}
	reply(w, http.StatusOK, ToldAgain{of.String()})
}
