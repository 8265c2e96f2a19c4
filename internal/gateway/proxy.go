package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"

	"github.com/skyisland/skyisland/internal/canary"
)

const (
	// RevisionHeader names in every answer the revision that gave it.
	RevisionHeader = "X-Skyisland-Revision"

	// wholeAnswer is the length up to which an answer's latency is measured to its last byte. Above
	// it the client's line would be measured, and not the revision.
	wholeAnswer = 1 << 20
	copyBuffer  = 32 << 10
)

func (g *Gateway) newProxy() *httputil.ReverseProxy {
	transport := &carrier{g: g, pooled: g.opts.Transport, upgrades: g.opts.Transport}
	if g.opts.Transport == nil {
		transport.pooled, transport.upgrades = newTransport(g.opts), newUpgradeTransport(g.opts)
	}
	return &httputil.ReverseProxy{
		Rewrite:        g.rewrite,
		Transport:      transport,
		ModifyResponse: g.answered,
		ErrorHandler: func(w http.ResponseWriter, req *http.Request, err error) {
			exchangeOf(req.Context()).fail(w, err)
		},
		BufferPool: &buffers{},
		// The proxy's own lines say nothing that the access log does not say with its request.
		ErrorLog: slog.NewLogLogger(g.opts.Log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP carries one request to the revision that the routes and the draw give it.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodConnect {
		writeProblem(w, http.StatusMethodNotAllowed, "This gateway opens no tunnels by CONNECT.")
		return
	}
	x := g.begin(req)
	switch {
	case x == nil:
		g.unrouted.Add(1)
		writeProblem(w, http.StatusNotFound, "Nothing is served at this path.")
		return
	case x.to == nil:
		g.unserved.Add(1)
		writeProblem(w, http.StatusServiceUnavailable, "No revision serves this path at the moment.")
		return
	}
	defer x.end()
	if req.Body != http.NoBody {
		// An instance may answer while it still reads. Without this the server would take the rest of
		// the body away from it as soon as the answer begins. Where it is not supported it is not needed.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	g.proxy.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), exchangeKey{}, x)))
}

// rewrite prepares the request for the instance. The transport fills in the endpoint.
func (g *Gateway) rewrite(pr *httputil.ProxyRequest) {
	out, in := pr.Out, pr.In
	out.URL.Scheme = "http"
	out.URL.RawQuery = in.URL.RawQuery
	out.Trailer = in.Trailer // the values come behind the body, into this very map
	if g.opts.TrustForwarded {
		out.Header["X-Forwarded-For"] = slices.Clone(in.Header["X-Forwarded-For"])
	}
	pr.SetXForwarded()
	if g.opts.TrustForwarded {
		for _, name := range [...]string{"X-Forwarded-Proto", "X-Forwarded-Host"} {
			if values := in.Header[name]; len(values) > 0 {
				out.Header[name] = slices.Clone(values)
			}
		}
	}
	exchangeOf(in.Context()).continueTrace(out.Header)
}

// answered sees the head of an instance's answer before the client does.
func (g *Gateway) answered(resp *http.Response) error {
	x := exchangeOf(resp.Request.Context())
	x.status = resp.StatusCode
	x.first = g.opts.Now().Sub(x.arrived)
	resp.Header.Set(RevisionHeader, x.to.revision.name)
	if x.sticky {
		keepUserCookie(resp.Header)
	}
	if x.cookie != "" {
		secure := resp.Request.Header.Get("X-Forwarded-Proto") == "https"
		resp.Header.Add("Set-Cookie", userCookie(x.cookie, secure).String())
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		x.tunnel = true
		if x.verdict != nil {
			x.verdict.end(canary.Answered, x.first, x.first)
		}
		return nil
	}
	x.streaming = resp.ContentLength < 0 || resp.ContentLength > wholeAnswer ||
		strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
	if x.streaming && x.verdict != nil {
		x.verdict.answer(canary.HTTPResult(resp.StatusCode), x.first)
	}
	resp.Body = &responseBody{ReadCloser: resp.Body, x: x}
	return nil
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
