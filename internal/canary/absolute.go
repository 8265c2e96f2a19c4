package canary

import (
	"math"
	"time"
)

const (
	// Stable is something to compare with when it finished comparatorLeast requests in comparatorSpan.
	comparatorSpan  = 60 * time.Second
	comparatorLeast = 10
	recentSlot      = int64(5 * time.Second)

	// absoluteStart is the part of the cash staked at the start; the rest goes out over the planned time.
	absoluteStart = 0.4

	// absoluteBettors is how many bettors there are, one for each of the absoluteRates.
	absoluteBettors = 3
)

// absolute is the test for where stable gives no comparison: it bets that the canary fails more often
// than a fixed bound. Unlike the arm-split test it cannot tell an outage that hits everyone from a bad
// canary, so verdicts taken while there is a comparator never enter it.
type absolute struct {
	cash      float64
	logs      []float64 // log wealth of the bettors on 2b, 5b and 0.9
	bad, good int64     // canary verdicts that entered
	maxLn     float64
}

func newAbsolute() absolute { return absolute{cash: 1, logs: broke(absoluteBettors)} }

// absoluteRates are the canary failure rates the bettors assume.
func absoluteRates(bound float64) [absoluteBettors]float64 {
	return [...]float64{2 * bound, 5 * bound, 0.9}
}

func (a *absolute) inject(g float64) {
	g = math.Min(g, a.cash)
	if g <= 0 {
		return
	}
	a.cash -= g
	ln := math.Log(g)
	for j := range a.logs {
		a.logs[j] = logAddExp(a.logs[j], ln)
	}
}

// count settles canary verdicts of the error stream.
func (a *absolute) count(bound float64, bad, good int64) {
	a.bad += bad
	a.good += good
	for j, p := range absoluteRates(bound) {
		a.logs[j] += float64(bad)*math.Log(p/bound) + float64(good)*math.Log((1-p)/(1-bound))
	}
}

func (a *absolute) evidence() float64 {
	return logAddExp(math.Log(a.cash), logMeanExp(a.logs))
}

// recent counts what stable finished in the last minute, in buckets of 5 s.
type recent struct {
	counts [int64(comparatorSpan) / recentSlot]int64
	slot   int64 // the newest bucket's number, counted from the epoch
}

func (r *recent) advance(nanos int64) {
	slot := nanos / recentSlot
	if slot-r.slot >= int64(len(r.counts)) {
		r.counts = [len(r.counts)]int64{}
		r.slot = slot
	}
	for r.slot < slot {
		r.slot++
		r.counts[r.slot%int64(len(r.counts))] = 0
	}
}

func (r *recent) add(nanos, n int64) {
	r.advance(nanos)
	r.counts[r.slot%int64(len(r.counts))] += n
}

func (r *recent) sum(nanos int64) int64 {
	r.advance(nanos)
	total := int64(0)
	for _, n := range r.counts {
		total += n
	}
	return total
}
