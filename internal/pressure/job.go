package pressure

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Job is what to press and how hard.
type Job struct {
	// Endpoints are the host:port of all instances of the candidate.
	Endpoints []string
	// Host is sent as the Host header; empty sends the endpoint.
	Host string
	// Requests are sent in turn; at least one. Each is meant to succeed: an answer of 400 or more
	// is a failure.
	Requests []Request
	Spec     release.Pressure
	// Instances are how many will serve the forecast; 0 is as many as there are endpoints.
	Instances int
	Limits    Limits
	// OnProgress is told in a sentence what is being done; it may be nil.
	OnProgress func(string)

	// dial connects to an endpoint; nil does so over TCP. Tests have a network on which no time is lost.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Request is one kind of request.
type Request struct {
	// Method is GET when empty. Path begins with / and may have a query.
	Method string
	Path   string
	Header http.Header
	Body   []byte
}

// Limits bound what a run may cost. Zero values are the defaults.
type Limits struct {
	// WarmUp precedes the measured load, at the same rate; 1 s by default.
	WarmUp time.Duration
	// Window is the least length of one try of the capacity search, 1 s by default. It grows to
	// five times that where the rate is too low for a 99th percentile, or where the latency bound
	// is so wide that a growing queue would not be seen.
	Window time.Duration
	// Search is when the capacity search stops trying, 30 s by default; a try under way ends.
	Search time.Duration
	// MaxRate and MaxRequests bound the search: 20,000/s and 500,000 requests by default.
	MaxRate     release.Rate
	MaxRequests int
}

func (l Limits) filled() Limits {
	set := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&l.WarmUp, time.Second)
	set(&l.Window, time.Second)
	set(&l.Search, 30*time.Second)
	if l.MaxRate <= 0 {
		l.MaxRate = 20_000
	}
	if l.MaxRequests <= 0 {
		l.MaxRequests = 500_000
	}
	return l
}

// maxLoad bounds the requests of the measured load.
const maxLoad = 20_000_000

func (j Job) check() error {
	switch {
	case len(j.Endpoints) == 0:
		return errors.New("no instances to press")
	case len(j.Requests) == 0:
		return errors.New("no requests to send")
	case j.Spec.Rate < 1:
		return fmt.Errorf("rate %s is under 1/s", j.Spec.Rate)
	case j.Spec.For <= 0 || j.Spec.P99 <= 0:
		return errors.New("the time and the latency bound have to be over 0")
	case float64(j.Spec.Rate)*j.Spec.For.Std().Seconds() > maxLoad:
		return fmt.Errorf("%s for %s makes more than %d requests", j.Spec.Rate, j.Spec.For, maxLoad)
	}
	return nil
}

func (j Job) instances() int {
	if j.Instances > 0 {
		return j.Instances
	}
	return len(j.Endpoints)
}

func (j Job) say(format string, args ...any) {
	if j.OnProgress != nil {
		j.OnProgress(fmt.Sprintf(format, args...))
	}
}
