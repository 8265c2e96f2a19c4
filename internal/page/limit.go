package page

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// mostFailures is how often one address may give a token that is none, within failuresFor.
	mostFailures = 10
	failuresFor  = 5 * time.Minute
	// mostAddresses bounds how many addresses are counted; beyond it, all others share one count.
	mostAddresses = 4096
)

// limit counts failed attempts to sign in by where they come from. Tokens are too long to be guessed; this keeps
// somebody who tries from costing anything.
type limit struct {
	mu    sync.Mutex
	tries map[netip.Prefix]*tries
}

type tries struct {
	failed int
	until  time.Time
}

// network is whom an address is counted with: itself, or for IPv6 the network that one household has.
func network(remote string) netip.Prefix {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	address := from.Addr().Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// wait is how long a network has to wait before it may try again; 0 when it may now.
func (l *limit) wait(from netip.Prefix, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.find(from, now)
	if t.failed < mostFailures {
		return 0
	}
	return t.until.Sub(now)
}

// failed counts a failure.
func (l *limit) failed(from netip.Prefix, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.find(from, now)
	if t.failed == 0 {
		t.until = now.Add(failuresFor)
	}
	t.failed++
}

// find is the count of a network, made when there is none.
func (l *limit) find(from netip.Prefix, now time.Time) *tries {
	if l.tries == nil {
		l.tries = map[netip.Prefix]*tries{}
	}
	t, ok := l.tries[from]
	if !ok && len(l.tries) >= mostAddresses {
		for key, old := range l.tries {
			if !now.Before(old.until) {
				delete(l.tries, key)
			}
		}
		if len(l.tries) >= mostAddresses {
			from = netip.Prefix{}
			t, ok = l.tries[from]
		}
	}
	if !ok {
		t = &tries{}
		l.tries[from] = t
	}
	if t.failed > 0 && !now.Before(t.until) {
		*t = tries{}
	}
	return t
}
