package canary

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

func TestMissingBatchHoldsAndKeepsFromRollingBack(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	r.goods(100, 1000)
	lost := r.batch()
	lost.Streams[StreamError].StableGood = 1
	r.errors(10, 0, 0)
	v := r.verdict()
	if v.Decision != Inconclusive || !slices.Equal(v.Holds, []Hold{HoldEvidence, HoldGap}) || !slices.Equal(v.Missing, []string{"g"}) {
		t.Fatalf("with a batch missing: got %s, %v, want a hold", v.Decision, v.Holds)
	}
	r.restore() // the pending decision must survive
	r.apply(lost)
	if v := r.verdict(); v.Decision != Fail {
		t.Errorf("once whole again: got %s, want fail", v.Decision)
	}
}

func TestMissingBatchMayAcquitTheCanary(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	lost := r.batch()
	lost.Streams[StreamError].StableBad = 60
	r.errors(3, 0, 0)
	r.apply(lost)
	if v := r.verdict(); v.Decision == Fail {
		t.Errorf("got %s, though stable failed alike", v.Sentence)
	}
}

func TestSilentGatewayHoldsUntilItIsHeard(t *testing.T) {
	r := newRig(t, worked())
	if err := r.test.Expect([]string{"g", "h"}, r.now); err != nil {
		t.Fatal(err)
	}
	r.weight(1, 0.05)
	r.pass(4 * time.Second)
	r.goods(1000, 1000)
	if v := r.verdict(); v.Decision != Pass {
		t.Fatalf("after 4 s: got %s", v.Sentence)
	}
	r.pass(time.Second)
	r.errors(10, 0, 0)
	v := r.verdict()
	if v.Decision == Fail || !slices.Contains(v.Holds, HoldSilence) || !slices.Equal(v.Silent, []string{"h"}) {
		t.Fatalf("after 5 s: got %s, want a hold", v.Sentence)
	}
	if _, err := r.test.Apply(Batch{Gateway: "h", Seq: 1}, r.now); err != nil {
		t.Fatal(err)
	}
	if v := r.verdict(); v.Decision != Fail {
		t.Errorf("once heard: got %s, want fail", v.Sentence)
	}
}

func TestGatewayThatLeftIsNotMissed(t *testing.T) {
	r := newRig(t, worked())
	_ = r.test.Expect([]string{"g", "h"}, r.now)
	r.weight(1, 0.05)
	r.pass(6 * time.Second)
	r.errors(10, 0, 0)
	_ = r.test.Expect([]string{"g"}, r.now)
	r.pass(time.Second)
	if v := r.verdict(); v.Decision != Fail {
		t.Errorf("got %s, want the decision that was due", v.Sentence)
	}
}

func TestGatewayThatComesBackHasTimeToSpeak(t *testing.T) {
	r := newRig(t, worked())
	_ = r.test.Expect([]string{"g"}, r.now)
	_ = r.test.Expect(nil, r.now)
	r.pass(time.Minute)
	if v := r.verdict(); len(v.Silent) > 0 {
		t.Errorf("nobody is expected, yet %v is silent", v.Silent)
	}
	_ = r.test.Expect([]string{"g"}, r.now)
	if v := r.verdict(); len(v.Silent) > 0 {
		t.Errorf("just expected, yet %v is silent", v.Silent)
	}
}

func TestEvidenceLostForGoodStartsANewRun(t *testing.T) {
	leave := func(r *rig) { _ = r.test.Expect([]string{"other"}, r.now) }
	rerun := func(r *rig) {
		if _, err := r.test.Apply(Batch{Gateway: "g", Run: 7, Seq: 1}, r.now); err != nil {
			r.t.Fatal(err)
		}
	}
	for name, lose := range map[string]func(*rig){"the gateway leaves": leave, "the gateway starts again": rerun} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, worked())
			_ = r.test.Expect([]string{"g"}, r.now)
			r.weight(1, 0.05)
			r.goods(500, 500)
			r.batch() // never arrives
			r.errors(2, 0, 0)
			lose(r)
			v := r.verdict()
			if math.Abs(v.LnEvidence) > 1e-12 || r.test.Alpha() != 0.005 || math.Abs(v.Needed-200) > 1e-9 ||
				!slices.Contains(v.Holds, HoldRestart) || v.Step.CanaryRequests != 0 {
				t.Fatalf("got %+v, want a new run with half the alpha", v)
			}
			if _, err := r.test.Apply(Batch{Gateway: "n", Seq: 40, WeightVersion: 1, Streams: PerStream[Counts]{{CanaryGood: 300, StableGood: 3000}}}, r.now); err != nil {
				t.Fatal(err)
			}
			if v := r.verdict(); v.Decision != Pass {
				t.Errorf("when the step has its requests again: got %s, want pass", v.Sentence)
			}
		})
	}
}

func TestAGatewayThatLostBatchesIsHeardAgain(t *testing.T) {
	for name, run := range map[string]uint64{"in the same run": 0, "in a later run": 7} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, worked())
			_ = r.test.Expect([]string{"g"}, r.now)
			r.weight(1, 0.05)
			r.errors(2, 0, 0)
			if err := r.test.Lost("g", r.now); err != nil {
				t.Fatal(err)
			}
			if r.test.Alpha() != 0.005 {
				t.Errorf("alpha is %v after evidence was lost, want it halved", r.test.Alpha())
			}
			r.restore()
			for seq := range uint64(9) {
				b := Batch{Gateway: "g", Run: run, Seq: 40 + seq, WeightVersion: 1, Streams: PerStream[Counts]{{CanaryBad: 1}}}
				if _, err := r.test.Apply(b, r.now); err != nil {
					t.Fatal(err)
				}
			}
			if v := r.verdict(); v.Decision != Fail {
				t.Errorf("nine failures after the loss: got %s, want a rollback", v.Sentence)
			}
		})
	}
}

func TestLaterRunStartsFromOne(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	r.goods(1, 1)
	r.goods(1, 1)
	next := Batch{Gateway: "g", Run: 3, Seq: 1, WeightVersion: 1, CanaryRequests: 1}
	late := Batch{Gateway: "g", Seq: 3, WeightVersion: 1, CanaryRequests: 1}
	if !r.apply(next) || r.apply(late) || r.test.Alpha() != 0.01 {
		t.Error("a later run counts from 1, an earlier one does not count any more")
	}
}

func TestGapsAreBounded(t *testing.T) {
	r := newRig(t, worked())
	r.weight(1, 0.05)
	for i := range uint64(maxGaps) {
		r.apply(Batch{Gateway: "g", Seq: 4 * (i + 1)})
	}
	for _, seq := range []uint64{100, 2} { // one more gap, and a gap cut in two
		if _, err := r.test.Apply(Batch{Gateway: "g", Seq: seq}, r.now); !errors.Is(err, ErrTooManyGaps) {
			t.Errorf("seq %d: got %v, want ErrTooManyGaps", seq, err)
		}
	}
	for seq := range uint64(4 * maxGaps) {
		if counted := r.apply(Batch{Gateway: "g", Seq: seq + 1}); counted != ((seq+1)%4 != 0) {
			t.Errorf("seq %d: counted is %v", seq+1, counted)
		}
	}
	if v := r.verdict(); len(v.Missing) > 0 {
		t.Errorf("still missing: %v", v.Missing)
	}
}

func TestGatewaysAreBounded(t *testing.T) {
	r := newRig(t, worked())
	names := []string{}
	for i := range maxGateways {
		names = append(names, fmt.Sprint("gw-", i))
	}
	if err := r.test.Expect(names, r.now); err != nil {
		t.Fatal(err)
	}
	if _, err := r.test.Apply(Batch{Gateway: "late", Seq: 1}, r.now); !errors.Is(err, ErrTooManyGateways) {
		t.Errorf("got %v, want ErrTooManyGateways", err)
	}
	if err := r.test.Expect(append(names[1:], "late"), r.now); err != nil {
		t.Errorf("one left, one came: %v", err)
	}
	if err := r.test.Expect(append(names, "late"), r.now); !errors.Is(err, ErrTooManyGateways) {
		t.Errorf("got %v, want ErrTooManyGateways", err)
	}
}
