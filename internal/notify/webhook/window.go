package webhook

import (
	"sync"
	"time"
)

// Window lets so many messages through in any span of so long. It counts a message from when it was answered, not
// from when it was sent: the other side counts when it arrives, somewhere between. Make it with [NewWindow].
type Window struct {
	most int
	per  time.Duration

	mu      sync.Mutex
	flying  int
	passed  []time.Time // of the last most messages, the oldest first
	blocked time.Time
}

// NewWindow is a window for at most so many messages in any span of per.
func NewWindow(most int, per time.Duration) *Window { return &Window{most: most, per: per} }

// Enter takes a place at once, or says after how long one may be free. Who has one gives it to [Window.Leave].
func (w *Window) Enter(now time.Time) (wait time.Duration, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if wait = w.blocked.Sub(now); wait > 0 {
		return wait, false
	}
	for len(w.passed) > 0 && now.Sub(w.passed[0]) >= w.per {
		w.passed = w.passed[1:]
	}
	switch {
	case len(w.passed)+w.flying < w.most:
		w.flying++
		return 0, true
	case len(w.passed) > 0:
		return w.passed[0].Add(w.per).Sub(now), false
	default:
		return w.per, false
	}
}

// Leave says that the message of an [Window.Enter] has been answered, or never will be.
func (w *Window) Leave(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying--
	w.passed = append(w.passed, now)
}

// Block lets nothing through until then, because the other side said so.
func (w *Window) Block(until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if until.After(w.blocked) {
		w.blocked = until
	}
}
