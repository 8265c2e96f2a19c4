package canary

import "testing"

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
