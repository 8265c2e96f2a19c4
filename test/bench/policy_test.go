package bench_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/policies"
)

const decisions = 2000

// policyBar is how long a decision may take with a thousand freeze windows.
const policyBar = 5 * time.Millisecond

// benchPolicy measures one decision by the built-in rules, on the question of a step: without data, and with a thousand
// freeze windows, over a year and all in one day.
func benchPolicy(b *testing.B, r *report) {
	at := stepQuestion().At
	year := func(n int) time.Time { return at.Add(time.Duration(n-500) * 9 * time.Hour).Add(time.Minute) }
	day := func(n int) time.Time { return at.Add(-2*time.Hour - time.Duration(n)*30*time.Second) }
	for _, c := range []struct {
		name string
		data map[string]any
	}{
		{"without data", nil},
		{"with 1,000 freeze windows in a year", windows(year, time.Hour/2)},
		{"with 1,000 freeze windows in one day", windows(day, time.Hour)},
	} {
		engine, err := policy.New(policy.Options{Bundle: policies.FS, Data: c.data})
		require.NoError(b, err)
		question := stepQuestion()
		took := make([]time.Duration, 0, decisions)
		b.Run(strings.ReplaceAll(c.name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				for range decisions {
					began := time.Now()
					decision, err := engine.Decide(b.Context(), question)
					took = append(took, time.Since(began))
					require.NoError(b, err)
					require.True(b, decision.Allow, "%v", decision.Deny)
				}
			}
			b.ReportMetric(ms(median(took)), "p50-ms")
			b.ReportMetric(ms(quantile(took, 0.99)), "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
		p99 := quantile(took, 0.99)
		r.judge("policy: one decision "+c.name+", p99", "<= 5 ms", p99 <= policyBar, "%.2f ms (p50 %.2f ms)", ms(p99), ms(median(took)))
	}
}

// windows are a thousand freeze windows that are not open at the question's time.
func windows(begins func(int) time.Time, lasts time.Duration) map[string]any {
	var all []any
	for n := range 1000 {
		begin := begins(n)
		all = append(all, map[string]any{
			"starts": begin.Format(time.RFC3339), "ends": begin.Add(lasts).Format(time.RFC3339), "reason": "a window of the benchmark",
		})
	}
	return map[string]any{"freeze_windows": all}
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
