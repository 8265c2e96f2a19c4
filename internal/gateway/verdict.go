package gateway

import (
	"time"

	"github.com/skyisland/skyisland/internal/canary"
)

// verdict follows one drawn request until its last mark is counted. Latency marks are counted when
// the request is as old as the canary's threshold, on both arms and whether it has ended or not; so a
// canary that hangs is found out without waiting for a timeout, and no arm is judged earlier than the
// other.
type verdict struct {
	ledger  *ledger
	limits  *canary.Thresholds // frozen at arrival
	now     func() time.Time
	version int // of the weight, at assignment
	arm     canary.Arm
	session uint64
	sticky  bool

	// The ledger's mutex guards what follows.
	done     canary.StreamSet // streams that have their mark, counted or held
	held     canary.Marks     // marks that wait for their age
	answered bool
	ended    bool
	next     time.Duration // the age the timer is set to
	timer    *time.Timer
}

// follow starts the verdict of a request that arrived at the given time.
func (l *ledger) follow(v *verdict, uptime time.Duration, arrived time.Time) {
	v.ledger = l
	began := l.began.Load()
	if v.arm == canary.Canary && began == 0 {
		// The first request belongs to the warm-up, whichever of several wins.
		l.began.CompareAndSwap(0, max(1, int64(uptime)))
	}
	both := l.limits.Load()
	if v.limits == nil {
		v.limits = &both.warm
		if l.warmUp > 0 && (began == 0 || int64(uptime) < began+int64(l.warmUp)) {
			v.limits = &both.cold
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.batch(v.version, arrived)
	if v.arm == canary.Canary {
		b.CanaryRequests++
	} else {
		b.StableRequests++
	}
	if next, found := v.limits.NextOverdue(0); found {
		v.next = next
		v.timer = time.AfterFunc(next, v.due)
	}
}

// drawnNew counts a session that was drawn for the first time.
func (v *verdict) drawnNew(now time.Time) {
	v.ledger.mu.Lock()
	defer v.ledger.mu.Unlock()
	b := v.ledger.batch(v.version, now)
	if v.arm == canary.Canary {
		b.CanaryDrawn++
	} else {
		b.StableDrawn++
	}
}

// due counts what the request's age has brought: marks that were held back, and a bad mark on every
// stream for which it is overdue.
func (v *verdict) due() {
	l, now := v.ledger, v.now()
	l.mu.Lock()
	urgent := false
	for s := range canary.Stream(canary.Streams) {
		if mark := v.held[s]; mark.Kind != canary.MarkNone && mark.Age <= v.next {
			urgent = v.count(s, mark.Kind, now) || urgent
			v.held[s] = canary.Mark{}
		}
	}
	if !v.answered && !v.ended {
		overdue := v.limits.Overdue(v.next)
		for s := range canary.Stream(canary.Streams) {
			if overdue.Has(s) && !v.done.Has(s) {
				v.done = v.done.With(s)
				urgent = v.count(s, canary.MarkBad, now) || urgent
			}
		}
	}
	if next, found := v.limits.NextOverdue(v.next); found && (!v.ended || v.held != canary.Marks{}) {
		// Both ages count from arrival, and the timer has fired at the one before.
		v.timer.Reset(next - v.next)
		v.next = next
	}
	l.urgent = l.urgent || urgent
	l.mu.Unlock()
	if urgent {
		l.bell.ring()
	}
}

// answer tells that the head of a streaming answer came after latency: the answer is as fast as its
// first byte, however long it goes on.
func (v *verdict) answer(result canary.Result, latency time.Duration) {
	v.mark(result, latency, latency, func(s canary.Stream) bool {
		return s == canary.StreamBody || s == canary.StreamTail
	})
}

// end tells how the request ended, after latency and at the given age; they differ for a streaming
// answer. Streams that have their mark keep it.
func (v *verdict) end(result canary.Result, latency, age time.Duration) {
	v.mark(result, latency, age, nil)
}

func (v *verdict) mark(result canary.Result, latency, age time.Duration, only func(canary.Stream) bool) {
	l, now := v.ledger, v.now()
	l.mu.Lock()
	urgent := false
	marks := v.limits.Marks(v.arm, result, latency, v.done)
	for s := range canary.Stream(canary.Streams) {
		if only != nil && !only(s) {
			continue
		}
		v.done = v.done.With(s)
		switch mark := marks[s]; {
		case mark.Kind == canary.MarkNone:
		case mark.Age > age:
			v.held[s] = mark
		default:
			urgent = v.count(s, mark.Kind, now) || urgent
		}
	}
	v.answered = true
	v.ended = v.ended || only == nil
	if v.ended && v.timer != nil && v.held == (canary.Marks{}) {
		v.timer.Stop()
	}
	l.urgent = l.urgent || urgent
	l.mu.Unlock()
	if urgent {
		l.bell.ring()
	}
}

// count puts one mark into the open batch and says whether it should be sent at once. The caller
// holds the ledger's mutex.
func (v *verdict) count(s canary.Stream, kind canary.MarkKind, now time.Time) bool {
	c := &v.ledger.batch(v.version, now).Streams[s]
	if v.sticky {
		c.CountSession(v.arm, kind, v.session)
	} else {
		c.Count(v.arm, kind)
	}
	return kind == canary.MarkBad && v.arm == canary.Canary
}
