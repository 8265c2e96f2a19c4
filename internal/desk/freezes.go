package desk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// FreezeStore keeps freezes.
type FreezeStore interface {
	AddFreeze(ctx context.Context, freeze release.Freeze) error
	Freezes(ctx context.Context, at time.Time) ([]release.Freeze, error)
	LiftFreeze(ctx context.Context, id string, by release.Actor, at time.Time) (release.Freeze, error)
}

// Freezes are freezes that people declare and lift as far as the rules let them. Every answer of the rules is in the
// ledger before anything is done. Safe for concurrent use.
type Freezes struct {
	FreezeStore

	Policy *activities.Policy
}

// AddFreeze declares a freeze; a no of the rules is a [release.DeniedError].
func (f Freezes) AddFreeze(ctx context.Context, freeze release.Freeze) error {
	question := release.Question{Gate: release.GateFreeze, By: &freeze.By, Reason: freeze.Reason, Freeze: &freeze, At: freeze.Starts}
	if err := f.ask(ctx, question); err != nil {
		return err
	}
	return f.FreezeStore.AddFreeze(ctx, freeze)
}

// LiftFreeze ends a freeze; a no of the rules is a [release.DeniedError], and a freeze that is none, or has ended,
// [release.ErrNotFound].
func (f Freezes) LiftFreeze(ctx context.Context, id string, by release.Actor, at time.Time) (release.Freeze, error) {
	open, err := f.Freezes(ctx, at)
	if err != nil {
		return release.Freeze{}, err
	}
	i := slices.IndexFunc(open, func(freeze release.Freeze) bool { return freeze.ID == id })
	if i < 0 {
		return release.Freeze{}, fmt.Errorf("lift freeze %s: %w", id, release.ErrNotFound)
	}
	if err := f.ask(ctx, release.Question{Gate: release.GateLift, By: &by, Freeze: &open[i], At: at}); err != nil {
		return release.Freeze{}, err
	}
	return f.FreezeStore.LiftFreeze(ctx, id, by, at)
}

func (f Freezes) ask(ctx context.Context, question release.Question) error {
	question.Version = release.QuestionVersion
	asked, err := f.Policy.Decide(ctx, activities.DecideInput{Question: question})
	if err != nil {
		return err
	}
	if !asked.Decision.Allow {
		return &release.DeniedError{Decision: asked.Decision}
	}
	return nil
}
