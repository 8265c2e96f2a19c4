package gateway

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/gateway/http1"
)

// forward carries a request to its revision and the answer back.
func (g *Gateway) forward(w http.ResponseWriter, req *http.Request, x *exchange) {
	out := g.outgoing(req, x)
	resp, err := g.ask(w, out, x)
	if err != nil {
		if !g.instead(w, req, out, x, err) {
			x.fail(w, err)
		}
		return
	}
	defer func() { _ = resp.Body.Close() }() // what was not read is given up with its connection
	g.answered(x, resp, out.Header)
	x.body.closing(w.Header())
	if err := g.pass(w, resp); err != nil {
		abort()
	}
}

// abort cuts the client's connection off. The head is out, so all that is left to say is that the answer is not whole.
func abort() {
	panic(http.ErrAbortHandler) //nolint:forbidigo // this is how net/http wants to be told
}

// ask sends a request to its revision, again if that is safe and the route wants it.
func (g *Gateway) ask(w http.ResponseWriter, out *http.Request, x *exchange) (*http.Response, error) {
	x.call = http1.Call{Answer: x.route.timeout}
	if out.ProtoAtLeast(1, 1) { // clients of HTTP/1.0 know no such answers
		x.call.Inform = func(status int, header http.Header) {
			g.patience(http.NewResponseController(w))
			inform(w, status, header)
		}
	}
	if http1.HasBody(out) {
		body := newRequestBody(w, out)
		body.x, body.idle = x, g.opts.ClientIdle
		if out.ContentLength < 0 {
			// The reader is not told of w, whose header may be written while this is read; [requestBody.closing] does its part.
			body.ReadCloser = http.MaxBytesReader(nil, out.Body, x.route.maxBody)
		}
		x.body, out.Body = body, body
		var err error
		if x.call.Content, err = content(out); err != nil {
			return nil, err
		}
		if x.call.Content == nil {
			// An instance may answer while it still reads. Without this the server would take the rest of the body away
			// from it as soon as the answer begins. Where it is not supported it is not needed.
			_ = http.NewResponseController(w).EnableFullDuplex()
		}
	}
	tried := new(tries)
	for {
		if err := x.to.breaker.admit(x.uptime); err != nil {
			return nil, err
		}
		resp, err := g.carry(x, x.to, tried, func(e *endpoint) (*http.Response, error) {
			return g.exchangeWith(x, x.to, e, out, x.call)
		})
		if x.to.breaker.report(outcomeOf(x, resp, err), x.uptime, g.uptime()) {
			g.opts.Log.WarnContext(out.Context(), "breaker opened", "route", x.route.doc.Key, "revision", x.to.revision.name)
		}
		if !x.again(out, resp, err) {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close() // another answer is wanted
		}
		tried.add(x.endpoint)
	}
}

// outcomeOf is what a breaker hears of an attempt.
func outcomeOf(x *exchange, resp *http.Response, err error) outcome {
	switch {
	case err != nil && x.gaveUp():
		return unknown
	case err != nil || canary.HTTPResult(resp.StatusCode) == canary.Failed:
		return bad
	}
	return good
}

// outgoing is the request as the instance gets it.
func (g *Gateway) outgoing(req *http.Request, x *exchange) *http.Request {
	out := req.WithContext(req.Context())
	if !http1.HasBody(req) {
		out.Body = http.NoBody
	}
	out.Header = make(http.Header, len(req.Header)+4)
	named := connectionFields(req.Header)
	for name, values := range req.Header {
		if passesOn(name, named) {
			out.Header[name] = values
		}
	}
	if httpguts.HeaderValuesContainsToken(req.Header["Te"], "trailers") {
		out.Header["Te"] = []string{"trailers"}
	}
	x.introduce(out.Header)
	g.setForwarded(out.Header, req)
	x.continueTrace(out.Header)
	return out
}

// passesOn says that a client's field goes on, where named are those that its Connection field names.
func passesOn(name string, named []string) bool {
	return !hopByHop(name) && !forwarding(name) && !shadows(name) && !slices.Contains(named, name)
}

// setForwarded says where the request came from. What the caller says about that is kept only when it is trusted.
func (g *Gateway) setForwarded(h http.Header, req *http.Request) {
	proto := "http"
	if req.TLS != nil {
		proto = "https"
	}
	h["X-Forwarded-Proto"], h["X-Forwarded-Host"] = []string{proto}, []string{req.Host}
	var chain []string
	if g.opts.TrustForwarded {
		chain = req.Header["X-Forwarded-For"]
		for _, name := range [...]string{"X-Forwarded-Proto", "X-Forwarded-Host"} {
			if values := req.Header[name]; len(values) > 0 {
				h[name] = values
			}
		}
	}
	if client, _, err := net.SplitHostPort(req.RemoteAddr); err == nil {
		chain = append(slices.Clip(chain), client)
	}
	if len(chain) > 0 {
		h["X-Forwarded-For"] = []string{strings.Join(chain, ", ")}
	}
}

// hopByHop are the fields that concern one connection, RFC 9110 section 7.6.1, and the older ones that proxies drop.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// forwarding are the fields in which proxies say where a request came from.
func forwarding(name string) bool {
	switch name {
	case "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto":
		return true
	}
	return false
}

// shadows says that many servers read the field as one that only the gateway says, because to them _ and - are the same.
func shadows(name string) bool {
	if strings.IndexByte(name, '_') < 0 {
		return false
	}
	name = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	return name == CallerHeader || forwarding(name)
}

// connectionFields are the fields that a Connection field names as its own.
func connectionFields(h http.Header) []string {
	var names []string
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, http.CanonicalHeaderKey(name))
			}
		}
	}
	return names
}

// inform passes an informational answer on.
func inform(w http.ResponseWriter, status int, header http.Header) {
	h := w.Header()
	copyFields(h, header)
	w.WriteHeader(status)
	clear(h) // they are not the final answer's
}

func copyFields(to, from http.Header) {
	named := connectionFields(from)
	for name, values := range from {
		if !hopByHop(name) && !slices.Contains(named, name) {
			to[name] = values
		}
	}
}

// pass gives the client an answer.
func (g *Gateway) pass(w http.ResponseWriter, resp *http.Response) error {
	h := w.Header()
	copyFields(h, resp.Header)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or net/http would guess one
	}
	announced := len(resp.Trailer)
	for name := range resp.Trailer { // valid ones: net/http takes no others that are announced
		h["Trailer"] = append(h["Trailer"], name)
		delete(h, "Content-Length") // HTTP/2 has both, and in HTTP/1.1 trailers need chunks
	}
	g.patience(http.NewResponseController(w))
	w.WriteHeader(resp.StatusCode)
	if err := g.copyBody(w, resp); err != nil {
		return err
	}
	if len(resp.Trailer) == 0 {
		return nil
	}
	// Trailers need chunks, and a short answer has them only when it is flushed.
	_ = http.NewResponseController(w).Flush()
	for name, values := range resp.Trailer {
		if !httpguts.ValidTrailerHeader(name) {
			continue // whoever reads trailers as header would see another message
		}
		if len(resp.Trailer) != announced {
			name = http.TrailerPrefix + name
		}
		h[name] = values
	}
	return nil
}

// copyBody passes a body on. One whose length is not known may be a stream, of which nothing waits for more.
func (g *Gateway) copyBody(w http.ResponseWriter, resp *http.Response) error {
	if resp.Body == http.NoBody {
		return nil
	}
	flush := resp.ContentLength < 0 || eventStream(resp)
	buffer := g.buffers.Get()
	defer g.buffers.Put(buffer)
	control := http.NewResponseController(w)
	r, ok := resp.Body.(interface{ Ready() bool })
	ready := ok && r.Ready()
	if flush && !ready {
		_ = control.Flush() // who streams may say nothing for long, and that it will is an answer
	}
	for ; ; ready = false {
		n, err := resp.Body.Read(buffer)
		if !ready { // the instance may have taken its time, also to say that this was all
			g.patience(control)
		}
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
			if flush {
				_ = control.Flush() // it fails where a write would
			}
		}
		if err != nil {
			if err == io.EOF { // readers return it bare
				return nil
			}
			return err
		}
	}
}

// patience bounds how long the client may take what is written next. It fails only where there is no connection.
func (g *Gateway) patience(control *http.ResponseController) {
	_ = control.SetWriteDeadline(time.Now().Add(g.opts.ClientIdle))
}

func eventStream(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
}
