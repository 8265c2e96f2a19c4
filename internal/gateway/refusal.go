package gateway

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// refusal is why the gateway answers a request in its own name without asking an instance.
type refusal struct {
	status int
	// reason is a short name for logs and metrics, one of few; detail a sentence for the client.
	reason, detail string
	// wait is after how long it may be tried again; 0 is not said.
	wait time.Duration
	// challenge says how to authenticate; empty is not said.
	challenge string
}

// Reasons that requests are refused for, beside rate-… and those of authentication.
const (
	reasonUnrouted  = "unrouted"
	reasonUnserved  = "unserved"
	reasonConnect   = "connect-method"
	reasonBusy      = "busy"
	reasonMalformed = "malformed"
	reasonTarget    = "request-target"
	reasonChanged   = "route-changed"
	reasonBody      = "body-too-large"
	reasonSlowBody  = "body-too-slow"
	reasonCutBody   = "body-cut-off"
	reasonOpen      = "breaker-open"
	reasonDial      = "no-instance"
	reasonTimeout   = "timeout"
	reasonBroken    = "broken-answer"
)

// write answers the client.
func (f *refusal) write(w http.ResponseWriter) {
	if f.wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.wait.Seconds()))))
	}
	if f.challenge != "" {
		w.Header().Set("WWW-Authenticate", f.challenge)
	}
	writeProblem(w, f.status, f.detail)
}

// refusals count by reason.
type refusals struct{ byReason sync.Map }

func (r *refusals) count(reason string) {
	n, ok := r.byReason.Load(reason)
	if !ok {
		n, _ = r.byReason.LoadOrStore(reason, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

// of is how many there were for a reason.
func (r *refusals) of(reason string) uint64 {
	n, ok := r.byReason.Load(reason)
	if !ok {
		return 0
	}
	return n.(*atomic.Uint64).Load()
}

// each gives every reason with its number.
func (r *refusals) each(yield func(reason string, n uint64)) {
	r.byReason.Range(func(key, n any) bool {
		yield(key.(string), n.(*atomic.Uint64).Load())
		return true
	})
}

// refuse answers a request that goes nowhere, counts it and writes its line.
func (g *Gateway) refuse(w http.ResponseWriter, req *http.Request, in admission, f *refusal) {
	counted := &g.refused
	if in.route != nil {
		counted = &in.route.live.refused
	}
	counted.count(f.reason)
	g.patience(http.NewResponseController(w))
	f.write(w)
	g.access.refused(req, in, f, g.opts.Now().Sub(in.at))
}
