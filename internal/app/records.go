package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// inbox is the store in the words of intake.
type inbox struct{ *store.Store }

func (b inbox) Accept(ctx context.Context, event intake.Event) (int64, bool, error) {
	return b.Store.Accept(ctx, store.Event(event))
}

func (b inbox) Pending(ctx context.Context, now time.Time, limit int) ([]intake.Event, error) {
	stored, err := b.Store.Pending(ctx, now, limit)
	if err != nil {
		return nil, err
	}
	out := make([]intake.Event, len(stored))
	for i, event := range stored {
		out[i] = intake.Event(event)
	}
	return out, nil
}

// Settle gives an event its outcome. One that it has already stays, whatever it is.
func (b inbox) Settle(ctx context.Context, id int64, outcome intake.Outcome) error {
	err := b.Store.Settle(ctx, id, store.Outcome{
		Kind: store.OutcomeKind(outcome.Kind), Message: outcome.Message, Releases: outcome.Releases,
	}, time.Now().UTC())
	if errors.Is(err, release.ErrConflict) {
		return nil
	}
	return err
}

func (b inbox) Outcome(ctx context.Context, id int64) (intake.Outcome, bool, error) {
	outcome, done, err := b.Store.Outcome(ctx, id)
	return intake.Outcome{Kind: intake.OutcomeKind(outcome.Kind), Message: outcome.Message, Releases: outcome.Releases}, done, err
}

// wrongCursor is an error in the words of the API where it is of a cursor that the store did not give.
func wrongCursor(err error) error {
	if errors.Is(err, store.ErrCursor) {
		return fmt.Errorf("%w: %w", api.ErrCursor, err)
	}
	return err
}

// records is the store in the words of the API.
type records struct {
	*store.Store

	// added is told of each application that was saved.
	added func()
}

// SaveApplication adds an application, or replaces the one of its name.
func (r records) SaveApplication(ctx context.Context, application release.Application) error {
	err := r.Store.SaveApplication(ctx, application)
	if err == nil {
		r.added()
	}
	return err
}

func (r records) Releases(ctx context.Context, filter api.ReleaseFilter) ([]release.Summary, string, error) {
	page, next, err := r.Store.Releases(ctx, store.ReleaseFilter(filter))
	return page, next, wrongCursor(err)
}

func (r records) Decisions(ctx context.Context, id release.ID) ([]api.Decision, error) {
	stored, err := r.Store.Decisions(ctx, id)
	if err != nil {
		return nil, err
	}
	out := make([]api.Decision, len(stored))
	for i, d := range stored {
		out[i] = api.Decision{Decision: d.Decision, At: d.At, Took: release.Duration(d.Took)}
	}
	return out, nil
}

func (r records) DecisionsSince(ctx context.Context, filter api.DecisionFilter) ([]api.Decision, string, error) {
	stored, next, err := r.Store.DecisionsSince(ctx, store.DecisionFilter(filter))
	out := make([]api.Decision, len(stored))
	for i, d := range stored {
		out[i] = api.Decision{Decision: d.Decision, At: d.At, Took: release.Duration(d.Took), Question: d.Question}
	}
	return out, next, wrongCursor(err)
}

func (r records) Applications(ctx context.Context, tenants []string) ([]release.Application, error) {
	return r.ApplicationsOf(ctx, tenants)
}

// idempotency is the store in the words of the API.
type idempotency struct{ *store.Store }

func (k idempotency) BeginKey(ctx context.Context, key api.KeyClaim, now, claimed, expires time.Time) (api.KeptKey, bool, error) {
	kept, taken, err := k.Store.BeginKey(ctx, store.KeyClaim(key), now, claimed, expires)
	return api.KeptKey{Request: kept.Request, Answer: (*api.KeptAnswer)(kept.Answer)}, taken, err
}

func (k idempotency) FinishKey(ctx context.Context, key api.KeyClaim, answer api.KeptAnswer) error {
	return k.Store.FinishKey(ctx, store.KeyClaim(key), store.KeptAnswer(answer))
}

func (k idempotency) DropKey(ctx context.Context, key api.KeyClaim) error {
	return k.Store.DropKey(ctx, store.KeyClaim(key))
}
