package canary

import (
	"fmt"
	"math"
	"time"
)

// Apply counts a batch and decides. It reports whether the batch was counted: one seen before is not,
// nor is one of an earlier run of its gateway, nor any once the test is over. On an error nothing has
// changed and the batch may be applied again; see [ErrWeightUnknown], [ErrTooManyGaps] and [ErrTooManyGateways].
func (t *Test) Apply(b Batch, at time.Time) (counted bool, err error) {
	if err := b.Validate(); err != nil {
		return false, fmt.Errorf("batch %d of gateway %q: %w", b.Seq, b.Gateway, err)
	}
	now := t.clock(at)
	if t.phase != PhaseRunning {
		return false, nil
	}
	w := t.weight(b.WeightVersion)
	if w == nil && !b.Empty() && !t.outlived(b.WeightVersion) {
		return false, fmt.Errorf("batch %d of gateway %q: version %d: %w", b.Seq, b.Gateway, b.WeightVersion, ErrWeightUnknown)
	}
	fresh, err := t.deliver(&b, now)
	if err != nil || !fresh {
		return false, err
	}
	// Whether a verdict enters the absolute test must be settled before its outcome is looked at.
	alone := w != nil && t.alone(w, now)
	if w != nil {
		t.count(&b, w, alone, now)
	}
	t.due = t.due || b.Urgent()
	t.decide(now)
	return true, nil
}

// outlived reports whether a weight version may be one that was forgotten because 128 came after it.
func (t *Test) outlived(version int) bool {
	return len(t.weights) == maxWeights && version < t.weights[0].version
}

// deliver checks the batch against what its gateway has sent before.
func (t *Test) deliver(b *Batch, now int64) (fresh bool, err error) {
	s, err := t.sender(b.Gateway, now)
	if err != nil {
		return false, err
	}
	if b.Run < s.run {
		return false, nil
	}
	if b.Run > s.run {
		lost := len(s.gaps) > 0
		*s = sender{run: b.Run, heard: now, expected: s.expected, open: s.open && s.last == 0}
		if lost {
			// The process that held the missing batches is gone, they cannot come any more.
			t.Restart(time.Unix(0, now))
		}
	}
	if s.seen(b.Seq) {
		s.heard = now
		return false, nil
	}
	if err := s.take(b.Seq); err != nil {
		return false, fmt.Errorf("batch %d of gateway %q: %w", b.Seq, b.Gateway, err)
	}
	s.heard = now
	return true, nil
}

// alone reports whether the canary has nothing to be compared with: it owns all traffic, there is no
// stable, or stable has been without traffic for a minute that was wholly watched.
func (t *Test) alone(w *weight, now int64) bool {
	if t.cfg.FirstRelease || w.share == 1 {
		return true
	}
	return w.share > 0 && now-t.since >= int64(comparatorSpan) && t.whole(now) &&
		t.finished.sum(now) < comparatorLeast
}

// count settles all bets on the batch.
func (t *Test) count(b *Batch, w *weight, alone bool, now int64) {
	for s := range b.Streams {
		c, sum := &b.Streams[s], &t.counts[s]
		sum.CanaryBad += c.CanaryBad
		sum.StableBad += c.StableBad
		sum.CanaryGood += c.CanaryGood
		sum.StableGood += c.StableGood
		canaryBad, stableBad := c.CanaryBad, c.StableBad
		if t.cfg.Sticky {
			canaryBad, stableBad = t.sets[s].first(c.CanarySessions, c.StableSessions)
		}
		t.units[s][Canary] += canaryBad
		t.units[s][Stable] += stableBad
		t.wealth.bet(s, w.table[s], canaryBad, stableBad, c.StableGood)
		if alone && Stream(s) == StreamError {
			t.absolute.count(t.cfg.Absolute.Bound, canaryBad, c.CanaryGood)
		}
		if c.CanaryBad+c.CanaryGood > 0 {
			t.lastSeen = now
		}
	}
	e := &b.Streams[StreamError]
	w.canary += e.CanaryBad + e.CanaryGood
	w.stable += e.StableBad + e.StableGood
	t.finished.add(now, e.StableBad+e.StableGood)
	if t.cfg.Sticky {
		t.split.count(w.share, b.CanaryDrawn, b.StableDrawn)
	} else {
		t.split.count(w.share, b.CanaryRequests, b.StableRequests)
	}
}

// decide rolls back when a decision is due and the evidence is enough. Evidence that is not whole decides
// nothing; the decision stays due until it is whole again.
func (t *Test) decide(now int64) {
	if !t.due || t.phase != PhaseRunning || !t.whole(now) {
		return
	}
	t.due = false
	lnM, lead := t.wealth.evidence(&t.cfg)
	t.maxLn = math.Max(t.maxLn, lnM)
	lnAbs := t.absolute.evidence()
	t.absolute.maxLn = math.Max(t.absolute.maxLn, lnAbs)
	switch {
	case lnM >= -math.Log(t.Alpha()) && t.units[lead][Canary] >= t.cfg.MinBad:
		t.phase = PhaseRolledBack
	case lnAbs >= -math.Log(t.absoluteAlpha()) && t.absolute.bad >= t.cfg.Absolute.MinBad:
		t.phase, t.byAbs = PhaseRolledBack, true
	}
}
