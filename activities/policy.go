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

// Registry knows what the rules are told beside the release.
type Registry interface {
	// Ramping are the releases other than one that were allowed to split traffic, and neither have all of it nor have
	// ended.
	Ramping(ctx context.Context, other release.ID) ([]release.RampingRelease, error)
	// Freezes are those that people have declared, have not ended at a time and are not lifted.
	Freezes(ctx context.Context, at time.Time) ([]release.Freeze, error)
	// Exclusively runs do while nobody else runs one.
	Exclusively(ctx context.Context, do func(context.Context) error) error
}

// Origins know where candidates come from.
type Origins interface {
	// Origins says of each move of a plan, in order, what holds of its candidate now. A statement that does not hold is told
	// as such; an error is that nobody could look.
	Origins(ctx context.Context, plan release.Plan) ([]release.Provenance, error)
}

// Policy holds the activity that asks the rules.
type Policy struct {
	Rules    Rules
	Ledger   Ledger
	Registry Registry
	// Origins are asked at the deployment. With nil nothing is known of any candidate, and rules that demand it deny.
	Origins Origins
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
	question, facts := in.Question, &release.Facts{}
	if question.Gate != release.GateStep || question.Step == nil || question.Step.From != release.NoWeight {
		return p.decide(ctx, question, facts)
	}
	// Who may begin to ramp can depend on how many do. Two that ask at once must not both be told that there is room.
	var result DecideResult
	err := p.Registry.Exclusively(ctx, func(ctx context.Context) (err error) {
		if facts.Ramping, err = p.Registry.Ramping(ctx, question.Release); err != nil {
			return fmt.Errorf("gather who ramps: %w", err)
		}
		result, err = p.decide(ctx, question, facts)
		return err
	})
	return result, err
}

func (p *Policy) decide(ctx context.Context, question release.Question, facts *release.Facts) (_ DecideResult, err error) {
	begin := time.Now()
	// The question may be old: it is asked again and again while the rules or the record are away, and a freeze that
	// opened meanwhile counts.
	if begin.After(question.At) {
		question.At = begin.UTC()
	}
	if facts.Freezes, err = p.Registry.Freezes(ctx, question.At); err != nil {
		return DecideResult{}, fmt.Errorf("gather what people froze: %w", err)
	}
	if question.Gate == release.GateDeploy && question.Plan != nil && p.Origins != nil {
		if facts.Provenance, err = p.Origins.Origins(ctx, *question.Plan); err != nil {
			return DecideResult{}, fmt.Errorf("gather where the candidates come from: %w", err)
		}
	}
	question.Facts = facts
	decision, err := p.Rules.Decide(ctx, question)
	if err != nil {
		return DecideResult{}, fmt.Errorf("ask the rules about %s: %w", question.Gate, err)
	}
	if err := p.Ledger.SaveDecision(ctx, question, decision, time.Since(begin)); err != nil {
		return DecideResult{}, fmt.Errorf("record the decision on %s: %w", question.Gate, err)
	}
	return DecideResult{Decision: decision}, nil
}
