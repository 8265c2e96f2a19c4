package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/intake"
)

// asking is the intake in the words of the API.
type asking struct {
	asking *intake.Asking
	router *intake.Router
}

// Request keeps a request as an event.
func (a asking) Request(ctx context.Context, r api.ReleaseRequest) (event int64, duplicate bool, err error) {
	event, duplicate, err = a.asking.Request(ctx, r.Tenant, r.Application, r.Environment, r.Ref, r.Commit, r.Message, r.By, r.Delivery)
	var bad *intake.BadRequestError
	if errors.As(err, &bad) {
		err = fmt.Errorf("%w: %w", api.ErrRequest, err)
	}
	return event, duplicate, err
}

// Await waits for what becomes of an event.
func (a asking) Await(ctx context.Context, event int64) (api.EventOutcome, bool, error) {
	outcome, done, err := a.router.Await(ctx, event)
	return api.EventOutcome{Kind: string(outcome.Kind), Message: outcome.Message, Releases: outcome.Releases}, done, err
}
