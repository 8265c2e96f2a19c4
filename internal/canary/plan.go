package canary

import (
	"errors"
	"math"
)

// ErrUnseeable means that no number of requests can show an effect, because the canary is within its
// margins or the weight leaves nothing to compare.
var ErrUnseeable = errors.New("the effect is within the margins or the weight is 0 or 1")

// StepPlan says what it takes to see a regression of the error rate at one weight.
type StepPlan struct {
	// Requests to the canary, about, and Bad ones among them, until the evidence is enough.
	Requests int64   `json:"requests"`
	Bad      float64 `json:"bad"`
	// Growth of the log evidence per request to either arm, and the effect size that grows fastest.
	Growth float64 `json:"growth"`
	Ratio  float64 `json:"ratio"`
}

// PlanStep returns the plan for a step at weight w (0 to 1) when stable fails at rate p0 and the canary
// at rate p1, both 0 to 1. The error is [ErrUnseeable].
func PlanStep(cfg Config, w, p0, p1 float64) (StepPlan, error) {
	sc := cfg.Streams[StreamError]
	plan := StepPlan{}
	for _, r := range sc.Grid {
		o := oddsFor(sc, r, w)
		g := w*p1*o.canaryBad + (1-w)*p0*o.stableBad + (1-w)*(1-p0)*o.stableGood
		if g > plan.Growth {
			plan.Growth, plan.Ratio = g, r
		}
	}
	if plan.Growth <= 0 || sc.Share <= 0 {
		return StepPlan{}, ErrUnseeable
	}
	need := -math.Log(cfg.Alpha) + math.Log(float64(len(sc.Grid))/(sc.Share*stakeStart))
	n := w * need / plan.Growth
	if n > maxCount {
		return StepPlan{}, ErrUnseeable
	}
	plan.Requests = int64(math.Ceil(n))
	plan.Bad = n * p1
	return plan, nil
}
