package gateway

import (
	"fmt"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// breakerParts is how finely the time that a breaker counts over moves on.
const breakerParts = 10

// goodTrials is how many requests have to be answered well, one after the other, before a breaker closes.
const goodTrials = 3

// openError is what a request meets at an open breaker.
type openError struct{ wait time.Duration }

func (e *openError) Error() string {
	return fmt.Sprintf("the breaker of the revision is open, for %s at least", e.wait)
}

// breaker keeps requests from one revision of a route while too many fail. All times are uptimes. A nil breaker is
// always closed.
type breaker struct {
	config release.Breaker

	mu    sync.Mutex
	parts [breakerParts]breakerPart
	// until is when an open breaker begins to try; 0 is closed. While it tries, one request is on trial at a time.
	until   time.Duration
	onTrial bool
	// trial is when the request on trial was admitted.
	trial  time.Duration
	good   int
	opened uint64 // how often it has
}

// breakerPart counts what ended within one tenth of the time.
type breakerPart struct{ turn, requests, failures int64 }

func newBreaker(config release.Breaker) *breaker { return &breaker{config: config} }

// admit lets a request through, or says why not. What it has let through has to be reported, once.
func (b *breaker) admit(uptime time.Duration) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.until == 0:
		return nil
	case uptime < b.until:
		return &openError{b.until - uptime}
	case b.onTrial && uptime < b.trial+b.patience():
		return &openError{time.Second}
	}
	b.onTrial, b.trial = true, uptime
	return nil
}

// patience is how long a trial may take before another request is tried. One that a client holds up, who is slow with its
// body, would keep everybody out otherwise.
func (b *breaker) patience() time.Duration { return max(b.config.Open.Std(), time.Second) }

// verdicts of a request, for a breaker.
type outcome uint8

const (
	unknown outcome = iota // the client went away
	good
	bad
)

// report takes how a request ended that was let through at the given uptime, and says whether the breaker opened by it.
func (b *breaker) report(o outcome, admitted, uptime time.Duration) (opened bool) {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until > 0 {
		return b.tried(o, admitted, uptime)
	}
	if o == unknown {
		return false
	}
	width := int64(max(1, b.config.Within.Std()/breakerParts))
	turn := int64(uptime) / width
	part := &b.parts[turn%breakerParts]
	if part.turn != turn {
		*part = breakerPart{turn: turn}
	}
	part.requests++
	if o == bad {
		part.failures++
	}
	var requests, failures int64
	for _, p := range b.parts {
		if p.turn > turn-breakerParts {
			requests, failures = requests+p.requests, failures+p.failures
		}
	}
	if o == good || requests < int64(b.config.Requests) || float64(failures) < float64(b.config.Failures)*float64(requests) {
		return false
	}
	b.open(uptime)
	return true
}

// tried takes how a trial ended. Requests from before the breaker opened say nothing any more.
func (b *breaker) tried(o outcome, admitted, uptime time.Duration) (opened bool) {
	if admitted < b.until {
		return false
	}
	if admitted == b.trial {
		b.onTrial = false
	}
	switch o {
	case bad:
		b.open(uptime)
		return true
	case good:
		if b.good++; b.good == goodTrials {
			b.until, b.good = 0, 0
		}
	}
	return false
}

func (b *breaker) open(uptime time.Duration) {
	b.until, b.onTrial, b.good = uptime+b.config.Open.Std(), false, 0
	b.parts = [breakerParts]breakerPart{}
	b.opened++
}

// state is what metrics say of a breaker: whether it is open or trying, and how often it has opened.
func (b *breaker) state() (open bool, opened uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.until > 0, b.opened
}
