package canary

import (
	"fmt"
	"math"

	"github.com/skyisland/skyisland/internal/release"
)

// mostBadShown bounds [DeadCanary]: no weight below one half needs more, and above it there is hardly anything to
// compare with.
const mostBadShown = 1000

// DeadCanary is how many bad answers a canary at weight w (over 0, under 1) gives that fails every request from its first
// one on, while stable fails none, before it is rolled back (canary-analysis.md section 3). Only the stake of the start is
// counted: more cash is in play later, and fewer bad answers are enough. It is [mostBadShown] where more would be needed.
func DeadCanary(cfg Config, w float64) int {
	owned := newWealth(&cfg)
	stake := stakeStart
	if cfg.WarmUp == 0 {
		stake += stakeWarm
	}
	if cfg.Steps == 1 {
		stake += stakeSteps
	}
	owned.inject(stake)
	sc := cfg.Streams[StreamError]
	under := make([]odds, len(sc.Grid))
	for j, r := range sc.Grid {
		under[j] = oddsFor(sc, r, w)
	}
	for n := 1; n < mostBadShown; n++ {
		owned.bet(int(StreamError), under, 1, 0, 0)
		lnM, _ := owned.evidence(&cfg)
		if int64(n) >= cfg.MinBad && lnM >= -math.Log(cfg.Alpha) {
			return n
		}
	}
	return mostBadShown
}

// LargestWeight is the largest weight, at most half, at which a canary that fails every request gives no more bad answers
// than most before it is rolled back, as [DeadCanary] counts them; 0 when there is none.
func LargestWeight(cfg Config, most int) release.Weight {
	low, high := release.NoWeight, release.FullWeight/2
	// More weight never needs fewer bad answers: each one proves less.
	for low < high {
		middle := (low + high + 1) / 2
		if DeadCanary(cfg, middle.Fraction()) <= most {
			low = middle
		} else {
			high = middle - 1
		}
	}
	if percent := release.FullWeight / 100; low > percent {
		low -= low % percent // a weight that people read
	}
	return low
}

// Sized is a spec whose steps keep its exposure budget, and a sentence for each step that was made smaller. The error is
// of a budget that no step can keep.
func Sized(spec release.Spec) (release.Spec, []string, error) {
	budget := spec.Ramp.Exposure
	if budget == 0 || len(spec.Ramp.Steps) == 0 {
		return spec, nil, nil
	}
	config := ForPlan(release.Plan{Analysis: spec.Analysis, Ramp: spec.Ramp, Steps: make([]release.Step, len(spec.Ramp.Steps))}).Halved()
	largest := LargestWeight(config, budget)
	if largest == release.NoWeight {
		return spec, nil, release.Problems{{
			Path:    "environments." + spec.Lane.Environment + ".ramp.exposure",
			Message: fmt.Sprintf("a canary that fails every request gives more than %d bad answers at any weight before that is as sure as false-rollback: %s asks for", budget, spec.Analysis.FalseRollback),
			Fix:     fmt.Sprintf("write at least %d, or a larger false-rollback", DeadCanary(config, 1/float64(release.FullWeight))),
		}}
	}
	var notes []string
	var steps []release.Weight
	for _, w := range spec.Ramp.Steps {
		if w > largest {
			notes = append(notes, fmt.Sprintf("the step of %s is one of %s: it could cost %d bad answers, and the budget is %d",
				w, largest, DeadCanary(config, w.Fraction()), budget))
			w = largest
		}
		if len(steps) == 0 || w > steps[len(steps)-1] {
			steps = append(steps, w)
		}
	}
	spec.Ramp.Steps = steps
	return spec, notes, nil
}
