package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// sourcePromotion is the source of events that say a release has completed, and kindCompleted their kind.
const (
	sourcePromotion = "promotion"
	kindCompleted   = "completed"
)

// completed is a release that has completed, and the body of its event.
type completed struct {
	Release   release.ID    `json:"release"`
	Commit    string        `json:"commit"`
	Message   string        `json:"message,omitempty"`
	Requester release.Actor `json:"requester"`
}

// Serving is what serves a lane.
type Serving interface {
	// Serving is what is stable, by component, and the release that completed there last; 0 before the first.
	Serving(ctx context.Context, lane release.Lane) (number int, stable map[string]release.Revision, err error)
}

// routeCompleted promotes what a release has made stable to the environments after its own: the same commit with the
// same artifacts.
func (r *Router) routeCompleted(ctx context.Context, event Event, c completed) (Outcome, error) {
	application, err := r.applicationNamed(ctx, c.Release.Lane.Tenant, c.Release.Lane.Application)
	if errors.Is(err, release.ErrNotFound) {
		return Outcome{Kind: Ignored, Message: fmt.Sprintf("application %s/%s is gone", c.Release.Lane.Tenant, c.Release.Lane.Application)}, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	next := promotedTo(c.Release.Lane.Environment, application.Triggers)
	if len(next) == 0 {
		return Outcome{Kind: Ignored, Message: "nothing is promoted from " + c.Release.Lane.Environment}, nil
	}
	number, stable, err := r.serving.Serving(ctx, c.Release.Lane)
	if err != nil {
		return Outcome{}, fmt.Errorf("ask what serves %s: %w", c.Release.Lane, err)
	}
	if number > c.Release.Number {
		return Outcome{Kind: Superseded, Message: fmt.Sprintf("release %d has completed there since", number)}, nil
	}
	if number < c.Release.Number {
		return Outcome{}, fmt.Errorf("what release %s made stable is not stored yet", c.Release)
	}
	routes, err := r.routesOf(ctx, application, c.Commit)
	if err != nil {
		return Outcome{}, err
	}
	promotion := &release.Promotion{From: c.Release, Artifacts: map[string]release.Digest{}, Commits: map[string]string{}}
	for component, revision := range stable {
		promotion.Artifacts[component], promotion.Commits[component] = revision.Artifact, revision.Commit
	}
	return r.submit(ctx, wanted{
		event: event, application: application, environments: next, happening: "promotion of " + c.Release.String(),
		ref: refOf(c.Release.Lane.Environment, application), commit: c.Commit, message: c.Message, requester: c.Requester, promotion: promotion,
	}, routes)
}

// promotedTo are the environments that come after one, in order.
func promotedTo(environment string, triggers map[string]release.Trigger) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(triggers)) {
		if triggers[name].After == environment {
			out = append(out, name)
		}
	}
	return out
}

// refOf is the branch that an environment is released from; empty when none is known.
func refOf(environment string, application release.Application) string {
	if branches := branchesOf(environment, application.Branches); len(branches) > 0 {
		return "refs/heads/" + branches[0]
	}
	return ""
}

// Story tells which releases complete, in their order.
type Story interface {
	// Completed are the releases that completed after a seq, and the seq up to which it has looked: at the end of what
	// there is, it is what was given.
	Completed(ctx context.Context, after int64) ([]release.Summary, int64, error)
	// Cursor is how far the promotions have come, and MoveCursor keeps it. A first cursor is at the end of what there is.
	Cursor(ctx context.Context) (int64, error)
	MoveCursor(ctx context.Context, seq int64) error
}

// Promotions turns releases that have completed into events, for the environments that come after theirs. It may stop at
// any point: what it has not moved past it tells again, and the inbox keeps each once.
type Promotions struct {
	story  Story
	inbox  Inbox
	router *Router
	log    *slog.Logger
}

// NewPromotions hands what completes to an inbox; [Promotions.Run] does the work.
func NewPromotions(story Story, inbox Inbox, router *Router, log *slog.Logger) *Promotions {
	return &Promotions{story: story, inbox: inbox, router: router, log: log}
}

// Run works until ctx ends.
func (p *Promotions) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := p.Once(ctx); err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "promotions not looked for", "retry_in", lookEvery, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Once hands on what has completed since the last time.
func (p *Promotions) Once(ctx context.Context) error {
	for {
		cursor, err := p.story.Cursor(ctx)
		if err != nil {
			return err
		}
		found, next, err := p.story.Completed(ctx, cursor)
		if err != nil {
			return err
		}
		for _, one := range found {
			if err := p.tell(ctx, one); err != nil {
				return fmt.Errorf("promote what release %s has made stable: %w", one.ID, err)
			}
		}
		if next == cursor {
			return nil
		}
		if err := p.story.MoveCursor(ctx, next); err != nil {
			return err
		}
	}
}

// tell puts a release into the inbox if anything comes after it.
func (p *Promotions) tell(ctx context.Context, one release.Summary) error {
	application, err := p.router.applicationNamed(ctx, one.ID.Lane.Tenant, one.ID.Lane.Application)
	if errors.Is(err, release.ErrNotFound) || err == nil && len(promotedTo(one.ID.Lane.Environment, application.Triggers)) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	body, err := json.Marshal(completed{Release: one.ID, Commit: one.Commit, Message: one.Message, Requester: one.Requester})
	if err != nil {
		return err
	}
	_, _, err = p.inbox.Accept(ctx, Event{
		Source: sourcePromotion, Delivery: one.ID.String(), Kind: kindCompleted, Body: body, ReceivedAt: time.Now().UTC(),
	})
	p.router.Wake()
	return err
}
