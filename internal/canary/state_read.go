package canary

import (
	"errors"
	"fmt"
	"math"
)

// maxTotal bounds the totals of a state, far above what a rollout can count.
const maxTotal = int64(1) << 56

var errState = errors.New("out of range")

func (in *stateJSON) readRun(t *Test) error {
	switch in.Phase {
	case PhaseRunning, PhaseRolledBack, PhasePromoted:
	default:
		return fmt.Errorf("phase %q is unknown", in.Phase)
	}
	if in.Restarts < 0 || in.Restarts > maxRestarts {
		return fmt.Errorf("restarts %d: %w", in.Restarts, errState)
	}
	if in.Alpha != t.Alpha() {
		return fmt.Errorf("alpha %v does not follow from %d restarts", in.Alpha, in.Restarts)
	}
	for _, at := range [...]int64{in.Since, in.Injected, in.WarmFrom, in.LastSeen} {
		if at < 0 || at > in.Now {
			return fmt.Errorf("time %d: %w", at, errState)
		}
	}
	return nil
}

func (in *stateJSON) readWeights(t *Test) error {
	if len(in.Weights) > maxWeights {
		return fmt.Errorf("%d weight versions: %w", len(in.Weights), errState)
	}
	before := -1
	for _, w := range in.Weights {
		if w.Version <= before || !inRange(w.Share, 0, 1) || w.At < 0 || w.At > in.Now || !isTotal(w.Canary, w.Stable) {
			return fmt.Errorf("weight version %d: %w", w.Version, errState)
		}
		before = w.Version
		t.weights = append(t.weights, weight{
			version: w.Version, share: w.Share, at: w.At, canary: w.Canary, stable: w.Stable, table: newTable(&t.cfg, w.Share),
		})
	}
	if in.Started && len(in.Weights) == 0 {
		return errors.New("started without a weight")
	}
	return nil
}

func (in *stateJSON) readWealth(t *Test) error {
	if !inRange(in.Cash, 0, 1) || !inRange(in.Absolute.Cash, 0, 1) {
		return fmt.Errorf("cash: %w", errState)
	}
	if !inRange(in.MaxLn, 0, math.MaxFloat64) || !inRange(in.Absolute.MaxLn, 0, math.MaxFloat64) {
		return fmt.Errorf("max_ln: %w", errState)
	}
	for _, l := range in.Split {
		if !inRange(l, -1e15, 1e15) {
			return fmt.Errorf("split %v: %w", l, errState)
		}
	}
	t.wealth.cash = in.Cash
	for s := range in.Logs {
		if err := fromLogs(t.wealth.logs[s], in.Logs[s]); err != nil {
			return fmt.Errorf("l of %s: %w", Stream(s), err)
		}
	}
	a := &in.Absolute
	if !isTotal(a.Bad, a.Good) {
		return fmt.Errorf("absolute counts: %w", errState)
	}
	t.absolute.cash, t.absolute.bad, t.absolute.good, t.absolute.maxLn = a.Cash, a.Bad, a.Good, a.MaxLn
	if err := fromLogs(t.absolute.logs, a.Logs); err != nil {
		return fmt.Errorf("absolute l: %w", err)
	}
	// Wealth that is all gone cannot come from betting: no bettor ever stakes all it has on one outcome.
	lnM, _ := t.wealth.evidence(&t.cfg)
	if math.IsInf(lnM, 0) || math.IsInf(t.absolute.evidence(), 0) {
		return errors.New("neither cash nor wealth is left")
	}
	return nil
}

// fromLogs fills logs, which has the length the configuration wants.
func fromLogs(logs []float64, in []logNumber) error {
	if len(in) != len(logs) {
		return fmt.Errorf("has %d bettors, want %d", len(in), len(logs))
	}
	for i, l := range in {
		if !math.IsInf(float64(l), -1) && !inRange(float64(l), -1e15, 1e15) {
			return fmt.Errorf("log wealth %v: %w", float64(l), errState)
		}
		logs[i] = float64(l)
	}
	return nil
}

func (in *stateJSON) readCounts(t *Test) error {
	for s := range in.Counts {
		c := &in.Counts[s]
		if !isTotal(c.CanaryBad, c.StableBad, c.CanaryGood, c.StableGood, in.Units[s][Stable], in.Units[s][Canary]) ||
			c.CanarySessions != nil || c.StableSessions != nil {
			return fmt.Errorf("counts of %s: %w", Stream(s), errState)
		}
		set, err := unpackSessions(in.Sets[s])
		if err != nil {
			return fmt.Errorf("sessions of %s: %w", Stream(s), err)
		}
		t.sets[s] = set
	}
	if len(in.Recent) != len(t.finished.counts) || !isTotal(in.Recent...) || in.Slot < 0 || in.Slot > in.Now/recentSlot {
		return fmt.Errorf("stable_recent: %w", errState)
	}
	t.finished.slot = in.Slot
	copy(t.finished.counts[:], in.Recent)
	return nil
}

func (in *stateJSON) readSenders(t *Test) error {
	if len(in.Senders) > maxGateways {
		return fmt.Errorf("%d gateways: %w", len(in.Senders), errState)
	}
	for name, j := range in.Senders {
		if err := validGateway(name); err != nil {
			return err
		}
		if j.Heard < 0 || j.Heard > in.Now || len(j.Gaps) > maxGaps {
			return fmt.Errorf("gateway %q: %w", name, errState)
		}
		s := &sender{run: j.Run, last: j.Last, heard: j.Heard, expected: j.Expected, open: j.Open}
		before := uint64(0)
		for _, g := range j.Gaps {
			if g[0] <= before || g[1] < g[0] || g[1] >= j.Last {
				return fmt.Errorf("gateway %q: gap %v: %w", name, g, errState)
			}
			before = g[1]
			s.gaps = append(s.gaps, span{g[0], g[1]})
		}
		t.senders[name] = s
	}
	return nil
}

func isTotal(ns ...int64) bool {
	for _, n := range ns {
		if n < 0 || n > maxTotal {
			return false
		}
	}
	return true
}
