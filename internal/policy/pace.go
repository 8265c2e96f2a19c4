package policy

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	// folderPoll is how often a folder is looked at; it costs nobody else anything.
	folderPoll = 5 * time.Second
	// defaultPoll is how often a server is asked, unless [Server.Poll] says otherwise.
	defaultPoll = 5 * time.Second
	// longestPause ends the doubling after failures, and is as long as a server may put us off: rules that a server closes a
	// hole with must not wait for hours after it was away.
	longestPause = 2 * time.Minute
	// spread is the part of a wait by which it is shorter or longer by chance, so that many that were started together, or
	// lost the same server at once, do not all come back at once.
	spread = 0.2
)

// awayError is that a server did not give what it was asked for.
type awayError struct {
	cause error
	// after is how long the server wants to be left alone; 0 is that it did not say.
	after time.Duration
}

func (e *awayError) Error() string { return e.cause.Error() }

func (e *awayError) Unwrap() error { return e.cause }

// pace says how long to wait until the next look. Each failure of the server in a row doubles the wait.
type pace struct {
	each time.Duration
	// fixed waits always the same.
	fixed bool
	// failed counts the failures in a row.
	failed int
}

// next is the wait after a look that ended with err.
func (p *pace) next(err error) time.Duration {
	if p.fixed {
		return p.each
	}
	var away *awayError
	if !errors.As(err, &away) {
		p.failed = 0
		return between(p.each, 1-spread, 1+spread)
	}
	most, wait := max(p.each, longestPause), p.each
	for range p.failed {
		if wait *= 2; wait >= most {
			wait = most
			break
		}
	}
	p.failed++
	wait = between(wait, 1-spread, 1+spread)
	if asked := min(away.after, most); wait < asked {
		// Not before the server wants it.
		wait = between(asked, 1, 1+spread)
	}
	return wait
}

// between is a wait of some part of d that is in [low, high).
func between(d time.Duration, low, high float64) time.Duration {
	return time.Duration(float64(d) * (low + (high-low)*rand.Float64())) //nolint:gosec // chance spreads load, it guards nothing
}

// retryAfter reads the header of an answer, in seconds or as a moment; 0 is that it says nothing to be understood.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
