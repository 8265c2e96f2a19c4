package canary

import "math"

// lnSplitAlarm is the evidence from which the routing itself is called wrong.
var lnSplitAlarm = math.Log(10_000)

// splitFactors are the wrong weights the split test bets on, as parts of the right one.
var splitFactors = [4]float64{0.8, 0.9, 1.1, 1.25}

// split tests the ground everything else stands on: that the arms are drawn with the weight we believe.
// Its alarm latches, because evidence gathered under a wrong weight does not become right again.
type split struct {
	logs  [len(splitFactors)]float64
	wrong bool
}

// count settles the units drawn into each arm under one weight. A factor that would take the weight to 1
// or beyond does not bet.
func (p *split) count(weight float64, canary, stable int64) {
	if weight <= 0 || weight >= 1 || canary|stable == 0 {
		return
	}
	for i, f := range splitFactors {
		if q := f * weight; q < 1 {
			p.logs[i] += float64(canary)*math.Log(f) + float64(stable)*math.Log((1-q)/(1-weight))
		}
	}
	if logMeanExp(p.logs[:]) >= lnSplitAlarm {
		p.wrong = true
	}
}
