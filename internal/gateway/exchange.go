package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// statusAborted stands in logs for a client that went away before there was an answer.
const statusAborted = 499

// exchange is one request on its way. The goroutine that serves it owns it, but for what is atomic.
type exchange struct {
	g     *Gateway
	route *route
	assignment
	// client ends when the client goes away.
	client   context.Context
	arrived  time.Time
	uptime   time.Duration  // at arrival
	weight   release.Weight // the canary's part then
	trace    string
	span     trace.Span // nil when nobody takes spans
	traced   bool       // the caller's trace goes on
	endpoint *endpoint
	verdict  *verdict // nil when the request is no evidence, else &own
	own      verdict

	status int
	// cause is set when there was no answer to pass on.
	cause Class
	// first is the age at which the head of the answer came.
	first             time.Duration
	streaming, tunnel bool
	complete, broken  bool // how the answer's body ended
	bytes             int64
	clientBroke       atomic.Bool // the request's body broke off
	method, path      string
}

type exchangeKey struct{}

// exchangeOf returns the exchange that [Gateway.ServeHTTP] put into the context.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// begin finds who serves a request and enters it there. It returns nil when there is no route; an
// exchange without a target when its route has nobody to serve it.
func (g *Gateway) begin(req *http.Request) *exchange {
	now := g.opts.Now()
	x := &exchange{g: g, client: req.Context(), arrived: now, uptime: now.Sub(g.started)}
	x.method, x.path = req.Method, req.URL.Path
	for {
		t := g.table.Load()
		r := t.lookup(req.Host, req.URL.Path)
		if r == nil {
			return nil
		}
		w, expired := r.weight(x.uptime)
		if expired {
			g.lapse(r, x.uptime)
		}
		x.route, x.weight, x.assignment = r, w, r.assign(req, w)
		if x.to == nil {
			return x
		}
		x.to.revision.enter()
		if g.table.Load() == t {
			break
		}
		// The routes changed in between: the revision may no longer be a target, and whoever drains it
		// may have found it idle. Only an entry under the routes in force counts.
		x.to.revision.leave()
	}
	x.to.counters.inFlight.Add(1)
	x.testify(req)
	x.startSpan(req)
	return x
}

// testify lets the request count as evidence when it went through the draw.
func (x *exchange) testify(req *http.Request) {
	l := x.route.evidence
	if !x.evidence || l == nil {
		return
	}
	v := &x.own
	v.now, v.tally, v.arm, v.session, v.sticky = x.g.opts.Now, x.route.tally, x.arm, x.session, x.sticky
	if req.Header.Get("Upgrade") != "" {
		// How long a tunnel takes to end says nothing about its latency.
		v.limits = &canary.Thresholds{}
	}
	l.follow(v, x.uptime)
	// Users known by a header may be new or not, nobody can tell; then no session is counted as new.
	if x.cookie != "" && x.route.doc.UserHeader == "" {
		v.tally.drew(v.arm)
	}
	x.verdict = v
}

// with moves the request to an endpoint.
func (x *exchange) with(e *endpoint) {
	if x.endpoint != nil {
		x.endpoint.inFlight.Add(-1)
	}
	x.endpoint = e
	if e != nil {
		e.inFlight.Add(1)
		x.attempt(e)
	}
}

// end counts the request, once, and leaves its revision. It runs also when the proxy aborts by panic.
func (x *exchange) end() {
	age := x.g.opts.Now().Sub(x.arrived)
	class, result := x.outcome()
	latency := age
	if x.streaming || x.tunnel {
		latency = x.first
	}
	x.with(nil)
	x.to.counters.count(class, x.bytes, latency)
	x.to.counters.inFlight.Add(-1)
	if x.arm == canary.Stable && !x.tunnel {
		x.route.live.latency.observe(result, latency)
	}
	if x.verdict != nil && !x.tunnel {
		x.testifyEnd(result, latency, age)
	}
	x.g.access.add(x, class, age)
	x.endSpan(class, age)
	// Last, so that after a drain everything about the revision has been counted.
	x.to.revision.leave()
}

func (x *exchange) testifyEnd(result canary.Result, latency, age time.Duration) {
	if !x.streaming {
		x.verdict.end(result, age, age)
		return
	}
	h := x.verdict.limits.ErrorAge
	switch {
	case h == 0:
		x.verdict.end(result, age, age)
	case age >= h:
		// At age h it had been answered and had not failed; that is what the slow-error guard asks.
		x.verdict.end(canary.Answered, latency, age)
	default:
		x.verdict.end(result, max(latency, age), age)
	}
}

// outcome says how the request ended, for the counters and for the evidence.
func (x *exchange) outcome() (Class, canary.Result) {
	switch {
	case x.cause == ClassAborted:
		return ClassAborted, canary.Aborted
	case x.cause != ClassNone:
		return x.cause, canary.Failed
	case x.broken:
		return ClassBroken, canary.Failed
	case x.tunnel || x.complete:
		return classOf(x.status), canary.HTTPResult(x.status)
	case x.streaming:
		// The client left in the middle of a stream, as clients of streams do: it was answered.
		return ClassAborted, canary.HTTPResult(x.status)
	default:
		return ClassAborted, canary.Aborted
	}
}

// fail answers for an instance that did not.
func (x *exchange) fail(w http.ResponseWriter, err error) {
	var dial *dialError
	var network net.Error
	var detail string
	switch {
	case x.client.Err() != nil || x.clientBroke.Load():
		x.cause, x.status, detail = ClassAborted, statusAborted, "The request's body broke off."
	case errors.As(err, &dial):
		x.cause, x.status, detail = ClassConnect, http.StatusBadGateway, "No instance accepts connections."
	case errors.As(err, &network) && network.Timeout():
		x.cause, x.status, detail = ClassTimeout, http.StatusGatewayTimeout, "The instance did not answer in time."
	default:
		x.cause, x.status, detail = ClassBroken, http.StatusBadGateway, "The instance broke off the answer."
	}
	w.Header().Set(RevisionHeader, x.to.revision.name)
	if x.cause == ClassAborted {
		writeProblem(w, http.StatusBadRequest, detail)
		return
	}
	writeProblem(w, x.status, detail)
}
