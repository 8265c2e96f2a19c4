package canary

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	maxGateways = 256 // gateways times routes: a group of 22 components behind 10 gateways has 220
	maxGaps     = 8   // separate gaps remembered for one gateway
)

// ErrTooManyGateways means that more gateways report than a test can follow.
var ErrTooManyGateways = errors.New("too many gateways")

// ErrTooManyGaps means that a gateway's batches arrive with so many holes that the batch was not taken.
// The gateway must send the older ones first.
var ErrTooManyGaps = errors.New("too many gaps in a gateway's batches")

// span is a closed interval of sequence numbers.
type span struct{ from, to uint64 }

// sender is what the test knows of one gateway. Its batches must be whole before anything is decided:
// a lost batch may hold the very stable failures that would acquit the canary.
type sender struct {
	run      uint64
	last     uint64 // highest Seq seen in this run
	gaps     []span // below last and not seen, rising
	heard    int64  // when it was last heard of, or expected first
	expected bool
	// open says that the first Seq may be any: the batches before it belong to a test that is lost.
	open bool
}

// seen reports whether a batch of this run was counted already.
func (s *sender) seen(seq uint64) bool {
	if seq > s.last {
		return false
	}
	return !slices.ContainsFunc(s.gaps, func(g span) bool { return g.from <= seq && seq <= g.to })
}

// take notes a batch that seen has not refused. It changes nothing when it returns an error.
func (s *sender) take(seq uint64) error {
	if seq > s.last {
		if seq > s.last+1 && !s.open {
			if len(s.gaps) >= maxGaps {
				return ErrTooManyGaps
			}
			s.gaps = append(s.gaps, span{s.last + 1, seq - 1})
		}
		s.last, s.open = seq, false
		return nil
	}
	i := slices.IndexFunc(s.gaps, func(g span) bool { return g.from <= seq && seq <= g.to })
	gap := s.gaps[i]
	var rest []span
	if gap.from < seq {
		rest = append(rest, span{gap.from, seq - 1})
	}
	if seq < gap.to {
		rest = append(rest, span{seq + 1, gap.to})
	}
	if len(s.gaps)-1+len(rest) > maxGaps {
		return ErrTooManyGaps
	}
	s.gaps = slices.Replace(s.gaps, i, i+1, rest...)
	return nil
}

// Expect names the gateways that carry the route now, replacing the names given before. An expected
// gateway that says nothing for [Config].SilentAfter makes the test hold and keeps it from rolling back;
// one that is not expected may be silent, but what it sends still counts. A gateway that leaves with
// batches missing has taken them along, so the test starts anew, see [Test.Restart].
func (t *Test) Expect(gateways []string, at time.Time) error {
	if len(gateways) > maxGateways {
		return fmt.Errorf("expect %d gateways: %w, at most %d", len(gateways), ErrTooManyGateways, maxGateways)
	}
	for _, name := range gateways {
		if err := validGateway(name); err != nil {
			return err
		}
	}
	now := t.clock(at)
	lost := false
	for name, s := range t.senders {
		if !slices.Contains(gateways, name) {
			s.expected = false
			lost = lost || len(s.gaps) > 0
		}
	}
	for _, name := range gateways {
		s, err := t.sender(name, now)
		if err != nil {
			return err
		}
		if !s.expected {
			s.expected, s.heard = true, now
		}
	}
	if lost {
		t.Restart(at)
	}
	return nil
}

// sender returns what is known of a gateway, or makes room for a new one.
func (t *Test) sender(name string, now int64) (*sender, error) {
	if s, ok := t.senders[name]; ok {
		return s, nil
	}
	if len(t.senders) >= maxGateways && !t.forgetOne() {
		return nil, fmt.Errorf("gateway %q: %w, at most %d", name, ErrTooManyGateways, maxGateways)
	}
	s := &sender{heard: now, open: t.restarts > 0}
	t.senders[name] = s
	return s, nil
}

// forgetOne drops the gateway that left longest ago.
func (t *Test) forgetOne() bool {
	oldest := ""
	for name, s := range t.senders {
		if s.expected || len(s.gaps) > 0 {
			continue
		}
		if o := t.senders[oldest]; o == nil || s.heard < o.heard || s.heard == o.heard && name < oldest {
			oldest = name
		}
	}
	if oldest == "" {
		return false
	}
	delete(t.senders, oldest)
	return true
}

// broken returns, sorted, the gateways that are silent and those with batches missing. Both empty means
// that the evidence is whole.
func (t *Test) broken(now int64) (silent, gaps []string) {
	for name, s := range t.senders {
		if s.expected && now-s.heard >= int64(t.cfg.SilentAfter) {
			silent = append(silent, name)
		}
		if len(s.gaps) > 0 {
			gaps = append(gaps, name)
		}
	}
	slices.Sort(silent)
	slices.Sort(gaps)
	return silent, gaps
}

// whole is broken without the names, for the path of every batch.
func (t *Test) whole(now int64) bool {
	for _, s := range t.senders {
		if len(s.gaps) > 0 || s.expected && now-s.heard >= int64(t.cfg.SilentAfter) {
			return false
		}
	}
	return true
}
