package canary

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func TestAbsoluteEvidenceIsThatOfTheWorkedNumbers(t *testing.T) {
	a := newAbsolute()
	a.inject(absoluteStart)
	start := append([]float64(nil), a.logs...)
	a.count(0.05, 1, 0)
	got := []string{}
	for j := range a.logs {
		got = append(got, six(a.logs[j]-start[j]))
	}
	after := append([]float64(nil), a.logs...)
	evidence := []string{six(expFinite(a.evidence()))}
	a.count(0.05, 0, 1)
	for j := range a.logs {
		got = append(got, six(a.logs[j]-after[j]))
	}
	a.count(0.05, 0, 2)
	evidence = append(evidence, six(expFinite(a.evidence())))
	a.count(0.05, 1, 0)
	evidence = append(evidence, six(expFinite(a.evidence())))
	a.count(0.05, 2, 0)
	evidence = append(evidence, six(expFinite(a.evidence())))
	if want := "[0.693147 1.609438 2.890372 -0.054067 -0.236389 -2.251292]"; fmt.Sprint(got) != want {
		t.Errorf("added per verdict: got %v, want %v", got, want)
	}
	if want := "[3.933333 1.157574 2.744044 59.743607]"; fmt.Sprint(evidence) != want {
		t.Errorf("evidence: got %v, want %v", evidence, want)
	}
}

func TestAbsoluteTestTakesOver(t *testing.T) {
	firstRelease := DefaultConfig()
	firstRelease.FirstRelease = true
	tests := []struct {
		name    string
		cfg     Config
		weight  float64
		stable  int64         // requests stable finishes every second
		wait    time.Duration // before the canary fails
		entered int64
	}{
		{"a comparison exists", DefaultConfig(), 0.5, 10, 2 * time.Minute, 0},
		{"the first minute is not wholly watched", DefaultConfig(), 0.5, 0, 30 * time.Second, 0},
		{"stable had no traffic for a minute", DefaultConfig(), 0.5, 0, 2 * time.Minute, 5},
		{"the canary owns all traffic", DefaultConfig(), 1, 10, 2 * time.Minute, 5},
		{"there is no stable", firstRelease, 0.5, 0, 0, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.cfg)
			r.weight(1, tt.weight)
			for end := r.now.Add(tt.wait); r.now.Before(end); {
				r.pass(time.Second)
				r.goods(0, tt.stable)
			}
			r.errors(5, 0, 0)
			if got := r.verdict().Absolute.Bad; got != tt.entered {
				t.Errorf("%d canary verdicts entered, want %d", got, tt.entered)
			}
		})
	}
}

func TestAbsoluteTestStopsACanaryThatOwnsAllTraffic(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.weight(1, 1)
	r.goods(10, 0)
	for r.verdict().Decision != Fail {
		r.errors(1, 0, 0)
		if r.seq > 20 {
			t.Fatalf("still %+v after %d failures", r.verdict(), r.seq)
		}
	}
	v := r.verdict()
	if !v.Absolute.Decided || v.Absolute.Bad < 3 || v.Sentence[:5] != "error" || math.Abs(v.LnEvidence) > 1e-12 {
		t.Errorf("got %+v, want a failure by the absolute test alone", v)
	}
}
