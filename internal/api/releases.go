package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// askFor bounds how long a question to Temporal may take, instructFor how long an instruction, for
// which rules are asked and a journal is written.
const (
	askFor      = 10 * time.Second
	instructFor = 60 * time.Second
)

// ReleaseFilter chooses releases. The zero value is the newest of all.
type ReleaseFilter struct {
	Tenant      string
	Application string
	Environment string
	Phase       release.Phase
	// Limit is 1 to 500; 0 is 50.
	Limit int
	// Before is the Next of the page before this one.
	Before string
	// Tenants are whose releases may be seen at all; nil is everybody's.
	Tenants []string
}

// DecisionFilter chooses what the rules answered.
type DecisionFilter struct {
	// Since is from when on.
	Since time.Time
	// After is the Next of the page before this one, Limit how many to give.
	After string
	Limit int
	// Tenants are whose may be seen, which leaves out what is about no release; nil is everybody's.
	Tenants []string
}

// The bounds of [ReleaseFilter].Limit.
const (
	usualLimit = 50
	mostLimit  = 500
)

// ReleasePage is a part of a list of releases, the newest first.
type ReleasePage struct {
	Releases []release.Summary `json:"releases"`
	// Next is the cursor of the next page; empty on the last one.
	Next string `json:"next,omitempty"`
}

// Decision is what the rules answered, and when.
type Decision struct {
	At time.Time `json:"at"`
	// Took is how long the rules needed.
	Took release.Duration `json:"took"`
	release.Decision
	// Question is what was asked; only where decisions of all releases are listed.
	Question json.RawMessage `json:"question,omitempty"`
}

// DecisionPage is a part of what the rules answered to all releases, oldest first.
type DecisionPage struct {
	Decisions []Decision `json:"decisions"`
	// Next is the cursor of the next page; empty on the last one.
	Next string `json:"next,omitempty"`
}

// Decisions is what the rules answered for a release.
type Decisions struct {
	Decisions []Decision `json:"decisions"`
}

// ErrCursor is what [Records] wrap when they did not give the cursor of a [ReleaseFilter].
var ErrCursor = errors.New("unknown cursor")

func (s *Server) listReleases(w http.ResponseWriter, r *http.Request) {
	asked, err := pageOf(r.Context(), "before")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	given := paramsOf(r.Context())
	found, after, err := s.records.Releases(r.Context(), ReleaseFilter{
		Tenant: given.text("tenant"), Application: given.text("application"), Environment: given.text("environment"),
		Phase: release.Phase(given.text("phase")), Limit: asked.Limit, Before: asked.After, Tenants: holderOf(r.Context()).tenants,
	})
	if err != nil {
		s.fail(w, r, fmt.Errorf("list releases: %w", err))
		return
	}
	if found == nil {
		found = []release.Summary{}
	}
	reply(w, http.StatusOK, ReleasePage{Releases: found, Next: next(w, r, after)})
}

// Phases are all phases, in the order of the state machine.
func Phases() []string {
	var out []string
	for _, t := range release.Transitions() {
		for _, phase := range []release.Phase{t.From, t.To} {
			if !slices.Contains(out, string(phase)) {
				out = append(out, string(phase))
			}
		}
	}
	return out
}

func (s *Server) showRelease(w http.ResponseWriter, r *http.Request) {
	id, err := idOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	status, err := s.status(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	reply(w, http.StatusOK, status)
}

// status is how a release is. One that Temporal does not have any more, or that has ended while
// Temporal is away, is told from the records.
func (s *Server) status(ctx context.Context, id release.ID) (release.Status, error) {
	asking, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	status, err := s.releases.Status(asking, id)
	if err == nil {
		return status, nil
	}
	gone := errors.Is(err, release.ErrNotFound)
	if !gone && !temporalAway(err) {
		return release.Status{}, err
	}
	summary, recorded := s.records.Release(ctx, id)
	switch {
	case recorded == nil && (gone || summary.Phase.Ended()):
		return s.recorded(ctx, summary)
	case gone && errors.Is(recorded, release.ErrNotFound):
		return release.Status{}, s.unknownRelease(ctx, id)
	case gone:
		return release.Status{}, fmt.Errorf("read release %s: %w", id, recorded)
	default:
		return release.Status{}, err
	}
}

func (s *Server) recorded(ctx context.Context, summary release.Summary) (release.Status, error) {
	entries, err := s.records.Entries(ctx, summary.ID)
	if err != nil {
		return release.Status{}, fmt.Errorf("read the story of release %s: %w", summary.ID, err)
	}
	return release.Status{
		ID: summary.ID, Phase: summary.Phase, Since: summary.Updated, Ref: summary.Ref, Commit: summary.Commit, Message: summary.Message,
		Requester: summary.Requester, Requested: summary.Requested, Step: -1, Cause: summary.Cause, Timeline: entries,
	}, nil
}

// unknownRelease says what there is instead of a release that is not there.
func (s *Server) unknownRelease(ctx context.Context, id release.ID) error {
	newest, _, err := s.records.Releases(ctx, ReleaseFilter{
		Tenant: id.Lane.Tenant, Application: id.Lane.Application, Environment: id.Lane.Environment, Limit: 1,
	})
	if err != nil {
		return fmt.Errorf("look for releases of %s: %w", id.Lane, err)
	}
	if len(newest) > 0 {
		return missing("there is no release %s: the last one there is number %d", id, newest[0].ID.Number)
	}
	return s.unknownLane(ctx, id.Lane)
}

// unknownLane says which applications there are instead of a lane that never had a release.
func (s *Server) unknownLane(ctx context.Context, lane release.Lane) error {
	// What there is instead is told of what the token may see.
	known, err := s.records.Applications(ctx, holderOf(ctx).tenants)
	if err != nil {
		return fmt.Errorf("list applications: %w", err)
	}
	var here, everywhere []string
	for _, a := range known {
		if a.Tenant == lane.Tenant && a.Name == lane.Application {
			return missing("%s has had no release yet%s", lane, environmentsOf(a))
		}
		if a.Tenant == lane.Tenant {
			here = append(here, a.Name)
		}
		everywhere = append(everywhere, a.Tenant+"/"+a.Name)
	}
	switch {
	case len(here) > 0:
		return missing("tenant %s has no application %s: it has %s", lane.Tenant, lane.Application, strings.Join(here, ", "))
	case len(everywhere) > 0:
		return missing("there is no tenant %s: there are the applications %s", lane.Tenant, strings.Join(everywhere, ", "))
	default:
		return missing("there is no application %s/%s: none is known yet", lane.Tenant, lane.Application)
	}
}

func environmentsOf(a release.Application) string {
	var names []string
	for _, environments := range a.Branches {
		names = append(names, environments...)
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return ": its environments are " + strings.Join(slices.Compact(names), ", ")
}

func (s *Server) listDecisions(w http.ResponseWriter, r *http.Request) {
	id, err := idOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.records.Decisions(r.Context(), id)
	if err != nil {
		s.fail(w, r, fmt.Errorf("list the decisions for release %s: %w", id, err))
		return
	}
	if len(found) == 0 {
		// Only a release that is there has none.
		if _, err := s.status(r.Context(), id); err != nil {
			s.fail(w, r, err)
			return
		}
		found = []Decision{}
	}
	reply(w, http.StatusOK, Decisions{found})
}

// The bounds of a page of decisions: each comes with its question, of some kilobytes.
const (
	usualDecisions = 100
	mostDecisions  = 200
)

func (s *Server) listAllDecisions(w http.ResponseWriter, r *http.Request) {
	asked, err := pageOf(r.Context(), "after")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	who := holderOf(r.Context())
	found, after, err := s.records.DecisionsSince(r.Context(), DecisionFilter{
		Since: paramsOf(r.Context()).moment("since"), After: asked.After, Limit: asked.Limit, Tenants: who.tenants,
	})
	if err != nil {
		s.fail(w, r, fmt.Errorf("list decisions: %w", err))
		return
	}
	if found == nil {
		found = []Decision{}
	}
	for i := range found {
		if who.limited() {
			// A question names what else ramps and what else is frozen, of whatever tenant.
			found[i].Question = nil
		}
	}
	reply(w, http.StatusOK, DecisionPage{found, next(w, r, after)})
}

func (s *Server) showLane(w http.ResponseWriter, r *http.Request) {
	lane, err := laneOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askFor)
	defer cancel()
	state, err := s.releases.Lane(ctx, lane)
	if errors.Is(err, release.ErrNotFound) {
		err = s.unknownLane(r.Context(), lane)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	reply(w, http.StatusOK, state)
}
