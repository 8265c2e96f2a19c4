package canary

import "math"

// odds are the factors by which one bettor's log wealth moves, under one weight.
type odds struct {
	canaryBad, stableBad, stableGood float64
}

// oddsFor computes a bettor's factors. At weights 0 and 1 there is no draw, hence no information, and
// all three are 0.
func oddsFor(sc StreamConfig, ratio, weight float64) odds {
	if weight <= 0 || weight >= 1 {
		return odds{}
	}
	mp := sc.Factor + sc.Margin
	fair := 1 - weight + weight*mp
	bet := 1 - weight + weight*ratio*mp
	stableBad := math.Log(fair / bet)
	return odds{
		canaryBad:  math.Log(ratio) + stableBad,
		stableBad:  stableBad,
		stableGood: math.Log1p(-(sc.Margin / mp) * (1 - fair/bet)),
	}
}

// table holds the odds of every bettor under one weight.
type table [Streams][]odds

func newTable(cfg *Config, weight float64) table {
	var t table
	for s, sc := range cfg.Streams {
		t[s] = make([]odds, len(sc.Grid))
		for j, r := range sc.Grid {
			t[s][j] = oddsFor(sc, r, weight)
		}
	}
	return t
}

// wealth is the money of the arm-split test: it starts as cash 1 and is handed out to the bettors in
// parts. Handing out never changes the total.
type wealth struct {
	cash float64            // C, not yet handed out
	logs [Streams][]float64 // L, log wealth of every bettor; -Inf before the first stake
}

func newWealth(cfg *Config) wealth {
	w := wealth{cash: 1}
	for s, sc := range cfg.Streams {
		w.logs[s] = broke(len(sc.Grid))
	}
	return w
}

// broke returns the log wealth of n bettors that own nothing.
func broke(n int) []float64 {
	logs := make([]float64, n)
	for j := range logs {
		logs[j] = math.Inf(-1)
	}
	return logs
}

// inject hands out g of the cash, or what is left of it. A bettor that lost its money in a long healthy
// stretch would be late for a fault that starts later; fresh money is not.
func (w *wealth) inject(g float64) {
	g = math.Min(g, w.cash)
	if g <= 0 {
		return
	}
	w.cash -= g
	ln := math.Log(g)
	for s := range w.logs {
		for j := range w.logs[s] {
			w.logs[s][j] = logAddExp(w.logs[s][j], ln)
		}
	}
}

// bet settles the verdicts of one stream.
func (w *wealth) bet(s int, under []odds, canaryBad, stableBad, stableGood int64) {
	nc, ns, ng := float64(canaryBad), float64(stableBad), float64(stableGood)
	for j := range w.logs[s] {
		o := &under[j]
		w.logs[s][j] += nc*o.canaryBad + ns*o.stableBad + ng*o.stableGood
	}
}

// evidence returns the log of the total wealth, and the stream that owns most of it.
func (w *wealth) evidence(cfg *Config) (lnM float64, lead Stream) {
	var terms [Streams + 2]float64
	idle, best := 1.0, math.Inf(-1)
	for s, sc := range cfg.Streams {
		idle -= sc.Share
		terms[s] = math.Inf(-1)
		if sc.Share > 0 {
			terms[s] = math.Log(sc.Share) + logMeanExp(w.logs[s])
		}
		if terms[s] > best {
			best, lead = terms[s], Stream(s)
		}
	}
	if idle < 1e-9 { // shares that sum to 1 but for rounding
		idle = 0
	}
	terms[Streams] = math.Log(w.cash)
	terms[Streams+1] = math.Log((1 - w.cash) * idle)
	return logSumExp(terms[:]), lead
}

// logAddExp returns ln(e^a + e^b) without leaving the logarithms.
func logAddExp(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// logSumExp returns the log of the sum of e^x; -Inf entries add nothing.
func logSumExp(xs []float64) float64 {
	most := math.Inf(-1)
	for _, x := range xs {
		most = math.Max(most, x)
	}
	if math.IsInf(most, -1) {
		return most
	}
	sum := 0.0
	for _, x := range xs {
		sum += math.Exp(x - most)
	}
	return most + math.Log(sum)
}

func logMeanExp(xs []float64) float64 { return logSumExp(xs) - math.Log(float64(len(xs))) }
