package canary

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// TestDeadCanaryGivesAsManyBadAnswersAsTheSpecificationSays is the list at the end of canary-analysis.md section 3.
func TestDeadCanaryGivesAsManyBadAnswersAsTheSpecificationSays(t *testing.T) {
	for weight, want := range map[float64]int{0.01: 3, 0.05: 3, 0.10: 4, 0.20: 5, 0.30: 6, 0.40: 8, 0.50: 11} {
		if got := DeadCanary(DefaultConfig(), weight); got != want {
			t.Errorf("at %v it gives %d bad answers, want %d", weight, got, want)
		}
	}
	if got := DeadCanary(DefaultConfig(), 0.9999); got != mostBadShown {
		t.Errorf("with nothing to compare with it gives %d, want the bound", got)
	}
}

func TestStepsAreSizedToTheBudget(t *testing.T) {
	spec := release.Spec{Lane: release.Lane{Environment: "production"}, Analysis: release.Analysis{
		FalseRollback: 0.01, ErrorMargin: 0.0005, LatencyQuantile: 99, LatencyMargin: 0.2, Detect: 0.05, Blind: release.Duration(time.Minute),
	}}
	spec.Ramp.Steps = []release.Weight{100, 500, 2000, 5000}
	config := ForPlan(release.Plan{Analysis: spec.Analysis, Ramp: spec.Ramp, Steps: make([]release.Step, 4)}).Halved()
	for budget, want := range map[int]struct {
		steps string
		notes int
	}{
		0: {"[1% 5% 20% 50%]", 0}, 12: {"[1% 5% 20% 50%]", 0}, 9: {"[1% 5% 20% 44%]", 1}, 5: {"[1% 5% 20% 22%]", 1}, 4: {"[1% 5% 15%]", 2}, 3: {"[1% 5% 8%]", 2},
	} {
		spec.Ramp.Exposure = budget
		sized, notes, err := Sized(spec)
		if err != nil || fmt.Sprint(sized.Ramp.Steps) != want.steps || len(notes) != want.notes {
			t.Errorf("a budget of %d: steps %v, notes %q, %v; want %s", budget, sized.Ramp.Steps, notes, err, want.steps)
		}
		for _, w := range sized.Ramp.Steps {
			if cost := DeadCanary(config, w.Fraction()); budget > 0 && cost > budget {
				t.Errorf("a budget of %d: the step of %s costs %d", budget, w, cost)
			}
		}
	}
	if fmt.Sprint(spec.Ramp.Steps) != "[1% 5% 20% 50%]" {
		t.Errorf("the spec that was given has steps %v now", spec.Ramp.Steps)
	}
	spec.Ramp.Exposure, spec.Analysis.FalseRollback = 3, 0.00000001
	var problems release.Problems
	if _, _, err := Sized(spec); !errors.As(err, &problems) || problems[0].Path != "environments.production.ramp.exposure" || !strings.Contains(problems[0].Fix, "write at least") {
		t.Errorf("a budget that nothing keeps: %v", err)
	}
}
