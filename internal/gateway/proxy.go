package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/gateway/authn"
	"github.com/skyisland/skyisland/internal/gateway/http1"
)

const (
	// RevisionHeader names in every answer the revision that gave it.
	RevisionHeader = "X-Skyisland-Revision"

	// wholeAnswer is the length up to which an answer's latency is measured to its last byte. Above
	// it the client's line would be measured, and not the revision.
	wholeAnswer = 1 << 20
	copyBuffer  = 32 << 10
)

// newTunnels returns the proxy for requests that become tunnels. Everything else is forwarded by [Gateway.forward].
func (g *Gateway) newTunnels() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			x := exchangeOf(pr.In.Context())
			upgrade := pr.Out.Header["Upgrade"]
			pr.Out.Header = g.outgoing(pr.In, x).Header
			pr.Out.Header["Connection"], pr.Out.Header["Upgrade"] = []string{"Upgrade"}, upgrade
			pr.Out.URL.RawQuery = pr.In.URL.RawQuery // as it came, odd ones too
		},
		Transport: tunnels{g},
		ModifyResponse: func(resp *http.Response) error {
			if err := checkTunnel(resp); err != nil {
				return err
			}
			g.answered(exchangeOf(resp.Request.Context()), resp, resp.Request.Header)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, req *http.Request, err error) {
			exchangeOf(req.Context()).fail(w, err)
		},
		BufferPool: &g.buffers,
		// The proxy's own lines say nothing that the access log does not say with its request.
		ErrorLog: slog.NewLogLogger(g.opts.Log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP carries one request to the revision that the routes and the draw give it.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	in := admission{at: g.opts.Now()}
	underWay := g.underWay.Add(1)
	defer g.underWay.Add(-1)
	refused := busy(underWay, g.opts.MaxRequests)
	if refused == nil {
		refused = g.admit(req, &in)
	}
	if refused == nil {
		x := g.begin(req, in)
		switch {
		case x == nil: // the route has changed under the request, and what it asks has to be answered anew
			refused = &refusal{status: http.StatusServiceUnavailable, reason: reasonChanged, wait: time.Second, detail: "This path has changed hands just now."}
		case x.to == nil:
			refused = &refusal{status: http.StatusServiceUnavailable, reason: reasonUnserved, detail: "No revision serves this path at the moment."}
		default:
			defer x.end()
			g.serve(w, req, x)
			return
		}
	}
	if http1.HasBody(req) {
		body := newRequestBody(w, req)
		body.closing(w.Header())
		body.leave()
	}
	g.refuse(w, req, in, refused)
}

// busy refuses what is more than the gateway's machine is meant to carry: those under way end sooner without it.
func busy(underWay int64, most int) *refusal {
	if underWay <= int64(most) {
		return nil
	}
	return &refusal{status: http.StatusServiceUnavailable, reason: reasonBusy, wait: time.Second, detail: "There are too many requests at the moment."}
}

func unrouted() *refusal {
	return &refusal{status: http.StatusNotFound, reason: reasonUnrouted, detail: "Nothing is served at this path."}
}

// admission is a request that has been let in, or not.
type admission struct {
	at     time.Time // its arrival
	route  *route    // nil where there was none
	caller authn.Caller
}

// admit finds the route of a request and says whether it lets it in. What is cheap to find out, and what protects what
// comes after it, comes first.
func (g *Gateway) admit(req *http.Request, in *admission) *refusal {
	if req.ProtoMajor == 2 {
		if problem := malformed(req); problem != "" {
			return &refusal{status: http.StatusBadRequest, reason: reasonMalformed, detail: problem}
		}
	}
	switch {
	case req.Method == http.MethodConnect:
		return &refusal{status: http.StatusMethodNotAllowed, reason: reasonConnect, detail: "This gateway opens no tunnels by CONNECT."}
	case req.URL.Opaque != "":
		return &refusal{status: http.StatusBadRequest, reason: reasonTarget, detail: "The request's target is no path."}
	}
	r := g.table.Load().lookup(req.Host, req.URL.Path)
	if r == nil {
		return unrouted()
	}
	in.route = r
	if req.ContentLength > r.maxBody {
		return tooLargeBody(r.maxBody)
	}
	uptime := in.at.Sub(g.started)
	address := func() string { return g.address(req) }
	if f := r.limited(true, address, uptime); f != nil {
		return f
	}
	var f *refusal
	if in.caller, f = r.authenticate(req); f != nil {
		return f
	}
	return r.limited(false, func() string { return r.user(req, in.caller, address) }, uptime)
}

// user is whose requests count together for limits. The first letters keep apart what the gateway knows and what callers say.
func (r *route) user(req *http.Request, caller authn.Caller, address func() string) string {
	if caller.Subject != "" {
		return "c" + caller.Subject
	}
	if key := r.userKey(req); key != "" {
		return "u" + key
	}
	return "a" + address()
}

// serve gives a request to its revision.
func (g *Gateway) serve(w http.ResponseWriter, req *http.Request, x *exchange) {
	if wantsTunnel(req) {
		x.control = http.NewResponseController(w)
		g.tunnels.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), exchangeKey{}, x)))
		return
	}
	defer func() { x.body.leave() }()
	g.forward(w, req, x)
}

// wantsTunnel says that a request asks for another protocol on its connection. HTTP/2 over cleartext is none of those:
// what would go through such a tunnel are requests that no rule has seen.
func wantsTunnel(req *http.Request) bool {
	upgrade := req.Header["Upgrade"]
	return len(upgrade) == 1 && req.ProtoMajor == 1 && !http1.HasBody(req) && httpguts.HeaderValuesContainsToken(req.Header["Connection"], "Upgrade") &&
		!httpguts.HeaderValuesContainsToken(upgrade, "h2c")
}

// checkTunnel refuses an answer that is none, or that begins a protocol nobody asked for.
func checkTunnel(resp *http.Response) error {
	if resp.StatusCode < http.StatusContinue {
		return fmt.Errorf("%w: status %d", http1.ErrMalformed, resp.StatusCode)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols && !strings.EqualFold(resp.Header.Get("Upgrade"), resp.Request.Header.Get("Upgrade")) {
		return fmt.Errorf("%w: a protocol that nobody asked for", http1.ErrMalformed)
	}
	return nil
}

// answered sees the head of an instance's answer to a request with the header sent, before the client does.
func (g *Gateway) answered(x *exchange, resp *http.Response, sent http.Header) {
	x.status = resp.StatusCode
	x.first = g.opts.Now().Sub(x.arrived)
	resp.Header.Set(RevisionHeader, x.to.revision.name)
	if x.sticky {
		keepUserCookie(resp.Header)
	}
	if x.cookie != "" {
		secure := sent.Get("X-Forwarded-Proto") == "https"
		resp.Header.Add("Set-Cookie", userCookie(x.cookie, secure).String())
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		x.tunnel = true
		if x.verdict != nil {
			x.verdict.end(canary.Answered, x.first, x.first)
		}
		return
	}
	x.streaming = resp.ContentLength < 0 || resp.ContentLength > wholeAnswer || eventStream(resp)
	if x.streaming && x.verdict != nil {
		if result := canary.HTTPResult(resp.StatusCode); result == canary.Failed {
			x.verdict.end(result, x.first, x.first) // however it goes on, it is an error before the client has it
		} else {
			x.verdict.answer(result, x.first)
		}
	}
	if resp.Body == http.NoBody {
		x.complete = true
		return
	}
	resp.Body = &responseBody{ReadCloser: resp.Body, x: x, client: x.control}
}

// keepUserCookie drops a user cookie set by an instance: a revision that could choose its users' keys
// could choose its users.
func keepUserCookie(h http.Header) {
	if len(h["Set-Cookie"]) == 0 {
		return
	}
	h["Set-Cookie"] = slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return strings.TrimSpace(name) == UserCookie
	})
}

// buffers lends the memory that answers are copied through.
type buffers struct{ pool sync.Pool }

// Get returns a buffer.
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[copyBuffer]byte); ok {
		return p[:]
	}
	return make([]byte, copyBuffer)
}

// Put takes a buffer back.
func (b *buffers) Put(p []byte) {
	if len(p) == copyBuffer {
		b.pool.Put((*[copyBuffer]byte)(p))
	}
}
