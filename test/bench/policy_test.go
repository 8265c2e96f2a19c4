package bench_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/policies"
)

const decisions = 2000

// benchPolicy measures one decision by the built-in rules, on the question of a step.
func benchPolicy(b *testing.B, r *report) {
	engine, err := policy.New(policy.Options{Bundle: policies.FS})
	require.NoError(b, err)
	question := stepQuestion()
	took := make([]time.Duration, 0, decisions)
	for b.Loop() {
		for range decisions {
			began := time.Now()
			decision, err := engine.Decide(b.Context(), question)
			took = append(took, time.Since(began))
			require.NoError(b, err)
			require.True(b, decision.Allow, "%v", decision.Deny)
		}
	}
	r.add("policy: one decision", "p50 %.2f ms, p99 %.2f ms", ms(median(took)), ms(quantile(took, 0.99)))
	b.ReportMetric(ms(median(took)), "p50-ms")
	b.ReportMetric(0, "ns/op")
}

// stepQuestion is what the rules are asked before a step, and allow.
func stepQuestion() release.Question {
	id := release.ID{Lane: benchLane, Number: 2}
	request := benchRequest(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
	spec := benchSpec()
	plan := release.NewPlan(id, request, spec, map[string]release.Digest{benchComponent: digestOf("new")}, benchStable())
	return release.Question{
		Version: release.QuestionVersion, Gate: release.GateStep, Release: id, Request: request, Spec: &spec,
		Plan: &plan, PlanHash: plan.Hash(), Step: &release.StepChange{Unit: "local", To: plan.Steps[0].Weight}, At: request.At,
	}
}
