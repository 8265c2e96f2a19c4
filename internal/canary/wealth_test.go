package canary

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestOddsAreThoseOfTheWorkedTable(t *testing.T) {
	cfg := DefaultConfig()
	sc := cfg.Streams[StreamError]
	rows := []struct {
		ratio                                          float64
		canary05, stable05, good05, canary10, stable10 string
	}{
		{1.5, "0.380761", "-0.024704", "-0.000012195", "0.356654", "-0.048812"},
		{2.5, "0.843937", "-0.072354", "-0.000034882", "0.776470", "-0.139821"},
		{5, "1.427037", "-0.182401", "-0.000083328", "1.272837", "-0.336601"},
		{12, "2.046483", "-0.438423", "-0.000177401", "1.742734", "-0.742173"},
		{40, "2.606760", "-1.082119", "-0.000330451", "2.099286", "-1.589593"},
		{200, "2.904546", "-2.393771", "-0.000454234", "2.258140", "-3.040178"},
		{1000, "2.976445", "-3.931310", "-0.000490066", "2.293180", "-4.614575"},
	}
	for _, row := range rows {
		low, high := oddsFor(sc, row.ratio, 0.05), oddsFor(sc, row.ratio, 0.10)
		got := [...]string{six(low.canaryBad), six(low.stableBad), fmt.Sprintf("%.9f", low.stableGood), six(high.canaryBad), six(high.stableBad)}
		want := [...]string{row.canary05, row.stable05, row.good05, row.canary10, row.stable10}
		if got != want {
			t.Errorf("ratio %v: got %v, want %v", row.ratio, got, want)
		}
	}
	client := oddsFor(cfg.Streams[StreamClientError], 5, 0.05)
	if got, want := six(client.canaryBad)+six(client.stableBad)+fmt.Sprintf("%.9f", client.stableGood), "1.285418-0.324020-0.001377885"; got != want {
		t.Errorf("client_error: got %s, want %s", got, want)
	}
	body := oddsFor(cfg.Streams[StreamBody], 2.6, 0.05)
	if got, want := six(body.canaryBad)+six(body.stableBad), "0.878550-0.076961"; got != want {
		t.Errorf("body: got %s, want %s", got, want)
	}
	for _, w := range []float64{0, 1} {
		if got := oddsFor(sc, 5, w); got != (odds{}) {
			t.Errorf("weight %v carries no information, got %+v", w, got)
		}
	}
}

func TestABetIsFairAtTheBoundaryAndLosesBelowIt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		sc := StreamConfig{Factor: 0.5 + 3*rng.Float64(), Margin: 0.1 * rng.Float64()}
		w, r := 0.001+0.998*rng.Float64(), 1+math.Exp(8*rng.Float64()-1)
		p0 := rng.Float64() * math.Min(1, (1-sc.Margin)/sc.Factor)
		edge := sc.Factor*p0 + sc.Margin
		o := oddsFor(sc, r, w)
		factor := func(p1 float64) float64 {
			return w*p1*math.Exp(o.canaryBad) + w*(1-p1) + (1-w)*(p0*math.Exp(o.stableBad)+(1-p0)*math.Exp(o.stableGood))
		}
		if got := factor(edge); math.Abs(got-1) > 1e-12 {
			t.Fatalf("m %v delta %v w %v r %v p0 %v: expected factor is %.15f at the boundary, want 1", sc.Factor, sc.Margin, w, r, p0, got)
		}
		if got := factor(edge * rng.Float64()); got > 1+1e-12 {
			t.Fatalf("m %v delta %v w %v r %v p0 %v: expected factor is %.15f below the boundary, want at most 1", sc.Factor, sc.Margin, w, r, p0, got)
		}
	}
}

func TestHandingOutCashChangesNoEvidence(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	cfg := DefaultConfig()
	cfg.Streams[StreamTail].Share = 0.05 // so that a part of the stakes lies idle
	w := newWealth(&cfg)
	under := newTable(&cfg, 0.1)
	out := 0.0
	for range 200 {
		before, _ := w.evidence(&cfg)
		cash := w.cash
		w.inject(0.02 * rng.Float64())
		out += cash - w.cash
		if after, _ := w.evidence(&cfg); math.Abs(after-before) > 1e-12 {
			t.Fatalf("handing out moved lnM from %v to %v", before, after)
		}
		s := rng.IntN(Streams)
		w.bet(s, under[s], rng.Int64N(2), rng.Int64N(2), rng.Int64N(10))
	}
	if w.cash != 0 || math.Abs(out-1) > 1e-12 {
		t.Errorf("handed out %v with %v left, want 1 and 0", out, w.cash)
	}
}

func TestEvidenceStaysFiniteAtExtremeWealth(t *testing.T) {
	cfg := DefaultConfig()
	for _, l := range []float64{-1e5, 1e5} {
		w := newWealth(&cfg)
		w.inject(1)
		for s := range w.logs {
			for j := range w.logs[s] {
				w.logs[s][j] = l
			}
		}
		if lnM, _ := w.evidence(&cfg); math.Abs(lnM-l) > 1e-6 {
			t.Errorf("with every L at %v lnM is %v", l, lnM)
		}
	}
	w := newWealth(&cfg)
	w.inject(0.4)
	w.logs[StreamError][0] = -1e5
	if lnM, _ := w.evidence(&cfg); math.IsInf(lnM, 0) || math.IsNaN(lnM) {
		t.Errorf("one ruined bettor makes lnM %v", lnM)
	}
}

// TestThreeFailuresInARow and TestMixedVerdicts follow the worked numbers B and C to their last digit.
func TestThreeFailuresInARow(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	got := []string{six(r.m())}
	for range 3 {
		r.errors(1, 0, 0)
		got = append(got, six(r.m()))
	}
	if want := []string{"1.000000", "2.717881", "28.992732", "477.314982"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("evidence: got %v, want %v", got, want)
	}
	v := r.verdict()
	if v.Decision != Fail || six(v.LnEvidence) != "6.168177" {
		t.Errorf("after the third: got %s at lnM %s, want fail at 6.168177", v.Decision, six(v.LnEvidence))
	}
}

func TestMixedVerdicts(t *testing.T) {
	r := newRig(t, worked())
	rows := []struct {
		name string
		do   func()
		want [4]string // L at 1.5, 12, 1000, then M
	}{
		{"start", func() { r.weight(1, 0.05) }, [4]string{"-0.916291", "-0.916291", "-0.916291", "1.000000"}},
		{"1 canary bad", func() { r.errors(1, 0, 0) }, [4]string{"-0.535530", "1.130192", "2.060154", "2.717881"}},
		{"1 stable bad", func() { r.errors(0, 1, 0) }, [4]string{"-0.560234", "0.691769", "-1.871156", "1.334303"}},
		{"200 stable good", func() { r.errors(0, 0, 200) }, [4]string{"-0.562673", "0.656289", "-1.969169", "1.313606"}},
		{"1 canary bad again", func() { r.errors(1, 0, 0) }, [4]string{"-0.181912", "2.702772", "1.007276", "5.129149"}},
		{"a second passes", func() { r.pass(time.Second) }, [4]string{"-0.181779", "2.702779", "1.007316", "5.129149"}},
		{"weight to 0.10", func() { r.weight(2, 0.10) }, [4]string{"-0.134920", "2.705457", "1.021818", "5.129149"}},
		{"2 canary bad", func() { r.errors(2, 0, 0) }, [4]string{"0.578387", "6.190924", "5.608178", "245.142401"}},
	}
	for _, row := range rows {
		row.do()
		l := r.test.wealth.logs[StreamError]
		if got := [4]string{six(l[0]), six(l[3]), six(l[6]), six(r.m())}; got != row.want {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
		}
	}
	if v := r.verdict(); v.Decision != Fail || six(v.LnEvidence) != "5.501839" || v.Streams[StreamError].CanaryBad != 4 {
		t.Errorf("got %s at lnM %s after %d canary bads, want fail at 5.501839 after 4", v.Decision, six(v.LnEvidence), v.Streams[StreamError].CanaryBad)
	}
}

func six(x float64) string { return fmt.Sprintf("%.6f", x) }
