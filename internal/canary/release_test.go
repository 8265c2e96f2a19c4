package canary

import (
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// TestEveryManifestHasAnAnalysis takes the ends of what a manifest may say.
func TestEveryManifestHasAnAnalysis(t *testing.T) {
	plan := release.Plan{Steps: []release.Step{{Weight: 100, Bake: release.Duration(time.Minute)}, {Weight: 5000}}}
	a := &plan.Analysis
	try := func() {
		config := ForPlan(plan)
		if err := config.Validate(); err != nil {
			t.Errorf("%+v: %v", plan.Analysis, err)
		}
		for _, step := range plan.Steps {
			if _, err := PlanStep(config, step.Weight.Fraction(), config.Effect.Stable, config.Effect.Canary); err != nil {
				t.Errorf("%+v: a step of %s needs no requests: %v", plan.Analysis, step.Weight, err)
			}
		}
	}
	for _, a.FalseRollback = range []release.Share{0.0001, 0.01, 0.1} {
		for _, a.ErrorMargin = range []release.Share{0, 0.0005, 0.1} {
			for _, a.Detect = range []release.Share{0.001, 0.05, 1} {
				for _, a.LatencyQuantile = range []float64{90, 99.9} {
					for _, a.LatencyMargin = range []release.Share{0, 1} {
						for _, a.Blind = range []release.Duration{release.Duration(time.Second), release.Duration(time.Hour)} {
							try()
						}
					}
				}
			}
		}
	}
}

func TestASmallerEffectNeedsNoFewerRequests(t *testing.T) {
	plan := release.Plan{Steps: []release.Step{{Weight: 500}}}
	plan.Analysis = release.Analysis{FalseRollback: 0.01, ErrorMargin: 0.0005, LatencyQuantile: 99, LatencyMargin: 0.2, Blind: release.Duration(time.Minute)}
	before := int64(0)
	for _, detect := range []release.Share{1, 0.2, 0.05, 0.01, 0.005, 0.002, 0.001} {
		plan.Analysis.Detect = detect
		config := ForPlan(plan)
		step, err := PlanStep(config, 0.05, config.Effect.Stable, config.Effect.Canary)
		if err != nil || step.Requests < before {
			t.Errorf("to see %s takes %d requests, more is seen with %d: %v", detect, step.Requests, before, err)
		}
		before = step.Requests
	}
}
