package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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
	// Next is the cursor of the next page; empty on the last one.
	Next string `json:"next,omitempty"`
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

// mostFreezes is how many freezes a page holds at most.
const mostFreezes = 1000

func (s *Server) listFreezes(w http.ResponseWriter, r *http.Request) {
	asked, err := pageOf(r.Context(), "")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	freezes, err := s.freezes.Freezes(r.Context(), s.now())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	who := holderOf(r.Context())
	seen := []release.Freeze{}
	for _, freeze := range freezes {
		if shown, ok := who.freeze(freeze); ok {
			seen = append(seen, shown)
		}
	}
	byStart := func(f release.Freeze) string { return f.Starts.UTC().Format("20060102T150405.000000000") + " " + f.ID }
	slices.SortFunc(seen, func(a, b release.Freeze) int { return strings.Compare(byStart(a), byStart(b)) })
	part, after := cut(seen, asked, byStart)
	reply(w, http.StatusOK, FreezeList{part, next(w, r, after)})
}

// freeze is what a token may see of a freeze: one of its tenants, or one of everybody, which holds them too.
func (h holder) freeze(f release.Freeze) (release.Freeze, bool) {
	if !h.limited() || len(f.Tenants) == 0 {
		return f, true
	}
	f.Tenants = slices.DeleteFunc(slices.Clone(f.Tenants), func(tenant string) bool { return !h.sees(tenant) })
	return f, len(f.Tenants) > 0
}

// owns refuses a freeze that is not of the token's tenants alone.
func (h holder) owns(f release.Freeze) error {
	if h.limited() && (len(f.Tenants) == 0 || slices.ContainsFunc(f.Tenants, func(tenant string) bool { return !h.sees(tenant) })) {
		return foreign(h, "the freeze holds others too")
	}
	return nil
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
	freeze, err := release.NewFreeze(body.About, body.For.Std(), body.Reason, actor(r.Context()), s.now().UTC())
	if err != nil {
		s.fail(w, r, badRequest("%v", err))
		return
	}
	if err := holderOf(r.Context()).owns(freeze); err != nil {
		s.fail(w, r, err)
		return
	}
	freeze.ID, freeze.Line = identityOf(r.Context())[:12], body.Line
	if err := s.freezes.AddFreeze(r.Context(), freeze); err != nil {
		s.fail(w, r, err)
		return
	}
	if keyIdentity(r.Context()) != "" {
		freeze = s.declared(r.Context(), freeze)
	}
	s.log.InfoContext(r.Context(), "freeze declared", "freeze", freeze.ID, "about", freeze.About(), "actor", actor(r.Context()).Name)
	reply(w, http.StatusCreated, freeze)
}

func (s *Server) liftFreeze(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("freeze")
	if err := s.mayLift(r.Context(), id); err != nil {
		s.fail(w, r, err)
		return
	}
	freeze, err := s.freezes.LiftFreeze(r.Context(), id, actor(r.Context()), s.now().UTC())
	if errors.Is(err, release.ErrNotFound) {
		s.fail(w, r, noFreeze(id))
		return
	}
	if err != nil {
		s.fail(w, r, fmt.Errorf("lift a freeze: %w", err))
		return
	}
	s.log.InfoContext(r.Context(), "freeze lifted", "freeze", id, "actor", actor(r.Context()).Name)
	reply(w, http.StatusOK, freeze)
}

// declared is a freeze as it is kept: one that was declared with the same key before, and not answered, has begun then.
func (s *Server) declared(ctx context.Context, freeze release.Freeze) release.Freeze {
	kept, err := s.freezes.Freezes(ctx, s.now())
	if err != nil {
		// It is kept, which is what counts.
		s.log.WarnContext(ctx, "freezes not read again", "request", requestName(ctx), "error", err)
		return freeze
	}
	for _, one := range kept {
		if one.ID == freeze.ID {
			return one
		}
	}
	return freeze
}

func noFreeze(id string) error {
	return missing("there is no freeze %q that has not ended: GET /api/v1/freezes lists those there are", id)
}

// mayLift looks whose a freeze is, for a token that is limited to tenants. A freeze never changes whose it is.
func (s *Server) mayLift(ctx context.Context, id string) error {
	who := holderOf(ctx)
	if !who.limited() {
		return nil
	}
	freezes, err := s.freezes.Freezes(ctx, s.now())
	if err != nil {
		return fmt.Errorf("look whose a freeze is: %w", err)
	}
	for _, freeze := range freezes {
		if _, seen := who.freeze(freeze); seen && freeze.ID == id {
			return who.owns(freeze)
		}
	}
	return noFreeze(id)
}
