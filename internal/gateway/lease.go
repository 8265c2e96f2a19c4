package gateway

import (
	"sync"
	"sync/atomic"
	"time"
)

// MaxLease is the longest a weight may hold without renewal. A longer one would leave a canary
// unwatched for longer than anybody would notice.
const MaxLease = time.Hour

// lease is how long a weight below 100 % holds. It counts from the gateway's own clock, so a control
// plane whose clock is wrong cannot lengthen it.
type lease struct {
	// ends is when it runs out, as the time since the gateway's start on the monotonic clock. It is
	// read by every request and therefore atomic.
	ends   atomic.Int64
	lapsed atomic.Bool

	// mu orders renewing against lapsing: a lease that has lapsed once stays so.
	mu sync.Mutex
	// granted and until are the wall clock's view, for the copy on disk; saved is the until that the
	// copy holds.
	granted, until, saved time.Time
}

func newLease(now time.Time, uptime, ttl time.Duration) *lease {
	l := &lease{granted: now, until: now.Add(ttl), saved: now.Add(ttl)}
	l.ends.Store(int64(uptime + ttl))
	return l
}

// holds says whether the weight is in force. It is all a request does.
func (l *lease) holds(uptime time.Duration) bool {
	return !l.lapsed.Load() && int64(uptime) < l.ends.Load()
}

// lapse ends a lease that has run out, or one whose guard tripped before, and says whether it was this call that did.
func (l *lease) lapse(uptime time.Duration, tripped bool) bool {
	if l.lapsed.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lapsed.Load() || !tripped && int64(uptime) < l.ends.Load() {
		return false
	}
	l.lapsed.Store(true)
	return true
}

// renew lets the lease run for ttl from now, unless it has run out already.
func (l *lease) renew(now time.Time, uptime, ttl time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.holds(uptime) {
		return false
	}
	l.ends.Store(int64(uptime + ttl))
	l.granted, l.until = now, now.Add(ttl)
	return true
}

// stale says whether the copy on disk would run out so much earlier that it should be written anew.
func (l *lease) stale(now time.Time, ttl time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saved.Sub(now) < ttl/2
}

// left is the time until the lease runs out; 0 when it has.
func (l *lease) left(uptime time.Duration) time.Duration {
	if l.lapsed.Load() {
		return 0
	}
	return max(0, time.Duration(l.ends.Load())-uptime)
}

// record returns what the disk should know.
func (l *lease) record() (granted, until time.Time, lapsed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.granted, l.until, l.lapsed.Load()
}

func (l *lease) wrote(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saved = until
}
