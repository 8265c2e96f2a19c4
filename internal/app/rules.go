package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/policies"
)

// policyOptions are the rules of an installation: a folder of its own, a bundle server, or the built-in ones.
func policyOptions(p config.Policy, log *slog.Logger) policy.Options {
	options := policy.Options{DataFile: p.Data, Log: log}
	switch {
	case p.Server != nil:
		options.Server = &policy.Server{
			URL: p.Server.URL, Token: p.Server.Token.Reveal(), Cache: p.Server.Cache, Poll: p.Server.Poll.Std(),
		}
		if signed := p.Server.Signature; signed != nil {
			options.Server.Signature = &policy.Signature{Algorithm: signed.Algorithm, Key: signed.Key.Reveal(), Scope: signed.Scope}
		}
	case p.Bundle != "":
		options.Dir = p.Bundle
	default:
		options.Bundle = policies.FS
	}
	return options
}

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

// rulesView shows which rules are in force.
type rulesView struct{ engine *policy.Engine }

func (v rulesView) Rules(ctx context.Context) api.Rules {
	state := v.engine.State(ctx)
	out := api.Rules{From: state.From, Bundle: state.Bundle, Revision: state.Revision, Since: state.Since.UTC(), Broken: state.Broken, Unreached: state.Unreached}
	if !state.UnreachedSince.IsZero() {
		since := state.UnreachedSince.UTC()
		out.UnreachedSince = &since
	}
	if r := state.Refused; r != nil {
		out.Refused = &api.RefusedRules{Tag: r.Tag, Revision: r.Revision, Why: r.Why, Since: r.Since.UTC()}
	}
	return out
}
