package gateway

import (
	"sync"
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
	tally   *tally // of the weight version at assignment
	arm     canary.Arm
	session uint64
	sticky  bool

	// mu guards what follows; the request and its timer are the only ones to meet there.
	mu       sync.Mutex
	done     canary.StreamSet // streams that have their mark, counted or held
	held     canary.Marks     // marks that wait for their age
	answered bool
	ended    bool
	next     time.Duration // the age the timer is set to
	timer    *time.Timer
}

// follow starts the verdict of a request that arrived now.
func (l *ledger) follow(v *verdict, uptime time.Duration) {
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
	v.tally.request(v.arm)
	if next, found := v.limits.NextOverdue(0); found {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.next = next
		v.timer = time.AfterFunc(next, v.due)
	}
}

// due counts what the request's age has brought: marks that were held back, and a bad mark on every
// stream for which it is overdue.
func (v *verdict) due() {
	v.mu.Lock()
	urgent := false
	for s := range canary.Stream(canary.Streams) {
		if mark := v.held[s]; mark.Kind != canary.MarkNone && mark.Age <= v.next {
			urgent = v.count(s, mark.Kind) || urgent
			v.held[s] = canary.Mark{}
		}
	}
	if !v.answered && !v.ended {
		overdue := v.limits.Overdue(v.next)
		for s := range canary.Stream(canary.Streams) {
			if overdue.Has(s) && !v.done.Has(s) {
				v.done = v.done.With(s)
				urgent = v.count(s, canary.MarkBad) || urgent
			}
		}
	}
	if next, found := v.limits.NextOverdue(v.next); found && (!v.ended || v.held != canary.Marks{}) {
		// Both ages count from arrival, and the timer has fired at the one before.
		v.timer.Reset(next - v.next)
		v.next = next
	}
	v.mu.Unlock()
	if urgent {
		v.ledger.alarm(v.now())
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
	v.mu.Lock()
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
			urgent = v.count(s, mark.Kind) || urgent
		}
	}
	v.answered = true
	v.ended = v.ended || only == nil
	if v.ended && v.timer != nil && v.held == (canary.Marks{}) {
		v.timer.Stop()
	}
	v.mu.Unlock()
	if urgent {
		v.ledger.alarm(v.now())
	}
}

// count counts one mark and says whether it speaks against the canary. The caller holds mu.
func (v *verdict) count(s canary.Stream, kind canary.MarkKind) bool {
	if v.sticky {
		v.tally.markSession(s, v.arm, kind, v.session)
	} else {
		v.tally.mark(s, v.arm, kind)
	}
	return kind == canary.MarkBad && v.arm == canary.Canary
}

// alarm takes in that a canary was bad: the guard judges at once, and who waits is woken.
func (l *ledger) alarm(now time.Time) {
	if l.guard != nil {
		l.guard.judge(now)
	}
	l.nudge()
}
