package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/gateway/authn"
	"github.com/skyisland/skyisland/internal/gateway/http1"
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
	bodyErr           atomic.Pointer[error]    // why the request's body broke off; nil when it has not
	body              *requestBody             // nil without one
	control           *http.ResponseController // of the client, where a tunnel is asked for
	call              http1.Call
	retries           int
	// fallback names what answered instead of the revision, reason says why the gateway answered itself.
	fallback, reason string
	caller           authn.Caller // nobody where nobody is asked
	method, path     string
}

type exchangeKey struct{}

// exchangeOf returns the exchange that [Gateway.ServeHTTP] put into the context.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// begin finds who serves a request that was let in, and enters it there. It returns nil when the route is gone by now, or
// asks somebody else in; an exchange without a target when it has nobody to serve it.
func (g *Gateway) begin(req *http.Request, in admission) *exchange {
	x := &exchange{g: g, client: req.Context(), arrived: in.at, uptime: in.at.Sub(g.started), caller: in.caller}
	x.method, x.path = req.Method, req.URL.Path
	for {
		t := g.table.Load()
		r := t.lookup(req.Host, req.URL.Path)
		if r == nil || !r.admitsAs(in.route) {
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
	if x.route.doc.Ingress.Retries > 0 {
		x.route.live.retries.earn()
	}
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
	if wantsTunnel(req) {
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

// prove counts against the revision that an attempt has failed, whatever the client gets in the end: what hides errors
// from people must not hide them from the judge.
func (x *exchange) prove() {
	if x.verdict == nil || x.cause == ClassOpen {
		return
	}
	age := x.g.opts.Now().Sub(x.arrived)
	x.verdict.end(canary.Failed, age, age)
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
	x.route.live.retried.Add(uint64(x.retries)) //nolint:gosec // at most release.MostRetries
	if x.fallback != "" {
		x.route.live.instead.Add(1)
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
	case x.cause == ClassAborted || x.cause == ClassOpen:
		return x.cause, canary.Aborted
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

// gaveUp says that the client went away, or broke its request's body off.
func (x *exchange) gaveUp() bool { return x.client.Err() != nil || x.bodyErr.Load() != nil }

// failed notes why there was no answer, and returns what the client is told.
func (x *exchange) failed(err error) *refusal {
	var open *openError
	var dial *http1.DialError
	var network net.Error
	f := &refusal{status: http.StatusBadGateway}
	switch {
	case x.gaveUp():
		x.cause, x.status = ClassAborted, statusAborted
		x.body.settle()
		return x.bodyRefusal()
	case errors.As(err, &open):
		x.cause, f.status, f.reason, f.wait = ClassOpen, http.StatusServiceUnavailable, reasonOpen, open.wait
		f.detail = "What serves this path fails too often, and is left alone for a moment."
	case errors.As(err, &dial):
		x.cause, f.reason, f.detail = ClassConnect, reasonDial, "No instance accepts connections."
	case errors.As(err, &network) && network.Timeout():
		x.cause, f.status, f.reason, f.detail = ClassTimeout, http.StatusGatewayTimeout, reasonTimeout, "The instance did not answer in time."
	default:
		x.cause, f.reason, f.detail = ClassBroken, reasonBroken, "The instance broke off the answer."
	}
	x.status, x.reason = f.status, f.reason
	return f
}

// bodyRefusal is what a client is told whose body was the fault.
func (x *exchange) bodyRefusal() *refusal {
	f := &refusal{status: http.StatusBadRequest, reason: reasonCutBody, detail: "The request's body broke off."}
	var tooLarge *http.MaxBytesError
	var network net.Error
	if err := x.bodyErr.Load(); err != nil {
		switch {
		case errors.As(*err, &tooLarge):
			*f = *tooLargeBody(tooLarge.Limit)
		case errors.Is(*err, authn.ErrBody):
			*f = refusal{status: http.StatusUnauthorized, reason: string(authn.HMACBody), detail: "The body is not the one that was signed."}
		case errors.As(*err, &network) && network.Timeout():
			*f = refusal{status: http.StatusRequestTimeout, reason: reasonSlowBody, detail: "Nothing came of the request's body for too long."}
		}
		x.status = f.status
	}
	x.reason = f.reason
	return f
}

func tooLargeBody(limit int64) *refusal {
	return &refusal{
		status: http.StatusRequestEntityTooLarge, reason: reasonBody,
		detail: "The request's body is larger than this path takes, which is " + strconv.FormatInt(limit, 10) + " bytes.",
	}
}

// fail answers for an instance that did not.
func (x *exchange) fail(w http.ResponseWriter, err error) {
	w.Header().Set(RevisionHeader, x.to.revision.name)
	f := x.failed(err)
	x.body.closing(w.Header())
	x.g.patience(http.NewResponseController(w))
	f.write(w)
}
