package canary

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestVerdictWords(t *testing.T) {
	tests := []struct {
		name  string
		do    func(*rig)
		want  Decision
		holds []Hold
	}{
		{"nothing yet", func(*rig) {}, Inconclusive, nil},
		{"a step under way", func(r *rig) { r.weight(1, 0.05); r.goods(78, 1500) }, Inconclusive, nil},
		{"a step with its requests", func(r *rig) { r.weight(1, 0.05); r.goods(79, 1500) }, Pass, nil},
		{"a new step starts from nothing", func(r *rig) { r.weight(1, 0.05); r.goods(79, 1500); r.weight(2, 0.2) }, Inconclusive, nil},
		{"a paused canary", func(r *rig) { r.weight(1, 0.05); r.goods(79, 1500); r.weight(2, 0); r.pass(time.Hour) }, Inconclusive, nil},
		{"two failures hold", func(r *rig) { r.weight(1, 0.05); r.goods(200, 1500); r.errors(2, 0, 0) }, Inconclusive, []Hold{HoldEvidence}},
		{"a hold that stable dissolves", func(r *rig) {
			r.weight(1, 0.05)
			r.goods(200, 1500)
			r.errors(2, 0, 0)
			r.errors(0, 30, 0)
		}, Pass, nil},
		{"three failures", func(r *rig) { r.weight(1, 0.05); r.errors(3, 0, 0) }, Fail, nil},
		{"just under the blind bound", func(r *rig) { r.weight(1, 0.05); r.pass(29 * time.Second); r.goods(0, 99) }, Inconclusive, nil},
		{"no canary request for 30 s", func(r *rig) { r.weight(1, 0.05); r.pass(30 * time.Second); r.goods(0, 99) }, Blind, []Hold{HoldBlind}},
		{"blind after a full step", func(r *rig) { r.weight(1, 0.05); r.goods(500, 500); r.pass(30 * time.Second) }, Blind, []Hold{HoldBlind}},
		{"seen again", func(r *rig) {
			r.weight(1, 0.05)
			r.pass(time.Minute)
			r.goods(500, 500)
		}, Pass, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, worked())
			tt.do(r)
			v := r.verdict()
			if v.Decision != tt.want || !slices.Equal(v.Holds, tt.holds) || v.Hold != (len(tt.holds) > 0) {
				t.Errorf("got %s %v (%s), want %s %v", v.Decision, v.Holds, v.Sentence, tt.want, tt.holds)
			}
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			var back Verdict
			if err := json.Unmarshal(text, &back); err != nil || back.Sentence != v.Sentence || back.Streams != v.Streams {
				t.Errorf("the verdict does not survive JSON: %v\n%s", err, text)
			}
		})
	}
}

func TestSentence(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	r.goods(20, 810)
	r.errors(1, 0, 0)
	r.errors(1, 0, 0)
	if got, want := r.verdict().Sentence, "error: canary 2 of 22 bad, stable 0 of 810; evidence 21 of 100 needed; step has 22 of 79 canary requests; held: evidence against the canary"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.errors(1, 0, 0)
	if got, want := r.verdict().Sentence, "error: canary 3 of 23 bad, stable 0 of 810; evidence 334 of 100 needed"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	r = newRig(t, worked())
	_ = r.test.Expect([]string{"gw-1", "gw-2"}, r.now)
	r.weight(1, 0.05)
	r.apply(Batch{Gateway: "gw-3", Seq: 2})
	r.pass(6 * time.Second)
	if got, want := r.verdict().Sentence, "error: canary 0 of 0 bad, stable 0 of 0; evidence 1 of 100 needed; step has 0 of 79 canary requests; held: batches missing from gw-3; held: no word from gw-1, gw-2"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPValueKeepsTheStrongestEvidence(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	r.errors(1, 0, 0)
	r.errors(1, 0, 0)
	r.errors(0, 100, 0)
	if v := r.verdict(); six(v.PValue) != six(1/28.992732) || v.Evidence > 1 {
		t.Errorf("got p %v at evidence %v, want 1/28.99 after it has fallen", v.PValue, v.Evidence)
	}
}

func TestWrongSplitIsNoticedAndHeld(t *testing.T) {
	for name, really := range map[string]float64{"too much": 0.065, "too little": 0.038, "right": 0.05} {
		rng := rand.New(rand.NewPCG(4, 4))
		r := newRig(t, worked())
		r.weight(1, 0.05)
		for range 400 {
			n := binomial(rng, 100, really)
			r.assigned(n, 100-n)
		}
		if got, want := slices.Contains(r.verdict().Holds, HoldSplit), really != 0.05; got != want {
			t.Errorf("%s traffic to the canary: alarm is %v, want %v", name, got, want)
		}
	}
}
