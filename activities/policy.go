package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Rules answers a question. An answer that could not be had is a decision that denies, not an error.
type Rules interface {
	Decide(ctx context.Context, question release.Question) (release.Decision, error)
}

// Ledger keeps decisions.
type Ledger interface {
	// SaveDecision stores a decision once, however often it is called.
	SaveDecision(ctx context.Context, question release.Question, decision release.Decision, took time.Duration) error
}

// Policy holds the activity that asks the rules.
type Policy struct {
	Rules  Rules
	Ledger Ledger
}

// DecideInput is a question.
type DecideInput struct {
	Question release.Question
}

// DecideResult is the recorded answer.
type DecideResult struct {
	Decision release.Decision
}

// Decide asks the rules and records the answer. It returns no answer that is not recorded: no
// transition happens without a stored allow.
func (p *Policy) Decide(ctx context.Context, in DecideInput) (DecideResult, error) {
	begin := time.Now()
	decision, err := p.Rules.Decide(ctx, in.Question)
	if err != nil {
		return DecideResult{}, fmt.Errorf("ask the rules about %s: %w", in.Question.Gate, err)
	}
	if err := p.Ledger.SaveDecision(ctx, in.Question, decision, time.Since(begin)); err != nil {
		return DecideResult{}, fmt.Errorf("record the decision on %s: %w", in.Question.Gate, err)
	}
	return DecideResult{Decision: decision}, nil
}
