package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Freezes are spans in which nothing is promoted, declared by people.
type Freezes interface {
	AddFreeze(ctx context.Context, freeze release.Freeze) error
	Freezes(ctx context.Context, at time.Time) ([]release.Freeze, error)
	LiftFreeze(ctx context.Context, id string, by release.Actor, at time.Time) (release.Freeze, error)
}

// FreezeList is the freezes that have not ended and nobody has lifted.
type FreezeList struct {
	Freezes []release.Freeze `json:"freezes"`
}

// FreezeBody declares a freeze. Who declares it is known from the token.
type FreezeBody struct {
	// About is a tenant, a tenant/application, a tenant/application/environment, or all.
	About string `json:"about"`
	// For is how long it lasts, at most 31 days; 0 is until it is lifted.
	For release.Duration `json:"for,omitempty"`
	// Reason is told to everybody whom it holds.
	Reason string `json:"reason"`
	// Line stops the line: nothing begins either, and no manifest is exempt.
	Line bool `json:"line,omitempty"`
}

func (s *Server) listFreezes(w http.ResponseWriter, r *http.Request) {
	freezes, err := s.freezes.Freezes(r.Context(), time.Now())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if freezes == nil {
		freezes = []release.Freeze{}
	}
	reply(w, http.StatusOK, FreezeList{freezes})
}

func (s *Server) addFreeze(w http.ResponseWriter, r *http.Request) {
	var body FreezeBody
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	if strings.TrimSpace(body.Reason) == "" || len(body.Reason) > textLimit {
		s.fail(w, r, badRequest("reason is missing, or has more than %d bytes: it is told to everybody whom the freeze holds", textLimit))
		return
	}
	freeze, err := release.NewFreeze(body.About, body.For.Std(), body.Reason, actor(r.Context()), time.Now().UTC())
	if err != nil {
		s.fail(w, r, badRequest("%v", err))
		return
	}
	freeze.ID, freeze.Line = strings.ToLower(rand.Text())[:12], body.Line
	if err := s.freezes.AddFreeze(r.Context(), freeze); err != nil {
		s.fail(w, r, err)
		return
	}
	s.log.InfoContext(r.Context(), "freeze declared", "freeze", freeze.ID, "about", freeze.About(), "actor", actor(r.Context()).Name)
	reply(w, http.StatusCreated, freeze)
}

func (s *Server) liftFreeze(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("freeze")
	freeze, err := s.freezes.LiftFreeze(r.Context(), id, actor(r.Context()), time.Now().UTC())
	if errors.Is(err, release.ErrNotFound) {
		s.fail(w, r, missing("there is no freeze %q that has not ended: GET /api/v1/freezes lists those there are", id))
		return
	}
	if err != nil {
		s.fail(w, r, fmt.Errorf("lift a freeze: %w", err))
		return
	}
	s.log.InfoContext(r.Context(), "freeze lifted", "freeze", id, "actor", actor(r.Context()).Name)
	reply(w, http.StatusOK, freeze)
}
