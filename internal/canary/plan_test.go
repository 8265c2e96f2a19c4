package canary

import (
	"errors"
	"testing"
)

func TestPlanIsThatOfTheWorkedNumbers(t *testing.T) {
	tests := []struct {
		p1       float64
		growth   string
		ratio    float64
		requests int64
		bad      float64
	}{
		{0.05, "0.005175", 40, 79, 3.9},
		{0.01, "0.000461", 5, 885, 8.8},
	}
	for _, tt := range tests {
		got, err := PlanStep(DefaultConfig(), 0.05, 0.001, tt.p1)
		if err != nil {
			t.Fatal(err)
		}
		if six(got.Growth) != tt.growth || got.Ratio != tt.ratio || got.Requests != tt.requests ||
			got.Bad < tt.bad-0.05 || got.Bad >= tt.bad+0.05 {
			t.Errorf("canary at %v: got %+v, want growth %s at ratio %v, %d requests, %v bad", tt.p1, got, tt.growth, tt.ratio, tt.requests, tt.bad)
		}
	}
}

func TestPlanRefusesWhatCannotBeSeen(t *testing.T) {
	for name, p := range map[string][3]float64{
		"no worse than stable": {0.05, 0.01, 0.01}, "within the margin": {0.05, 0.001, 0.0012},
		"no weight": {0, 0.001, 0.5}, "no comparison": {1, 0.001, 0.5},
	} {
		if got, err := PlanStep(DefaultConfig(), p[0], p[1], p[2]); !errors.Is(err, ErrUnseeable) {
			t.Errorf("%s: got %+v, %v, want ErrUnseeable", name, got, err)
		}
	}
}
