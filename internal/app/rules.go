package app

import (
	"context"
	"fmt"

	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
)

// patientRules asks again after a time-out. No answer allows nothing, but it is no reason to roll a
// good release back either: the release waits, with its canary watched, until there is an answer.
type patientRules struct{ engine *policy.Engine }

// Decide asks the rules; an evaluation that ran out of time is an error, which is tried again.
func (p patientRules) Decide(ctx context.Context, question release.Question) (release.Decision, error) {
	decision, err := p.engine.Decide(ctx, question)
	if err == nil && decision.Denied(policy.CodeTimeout) {
		return release.Decision{}, fmt.Errorf("no answer in time: %s", decision.Deny[0].Message)
	}
	return decision, err
}
