package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/gateway/http1"
)

// FallbackHeader names in an answer what gave it instead of the revision: stable, unit or answer. A request that has it
// comes from a gateway that has nobody left to ask, and is sent to no further unit.
const FallbackHeader = "X-Skyisland-Fallback"

// instead answers a request that its revision did not, as the route has it. It says whether it did.
func (g *Gateway) instead(w http.ResponseWriter, in, out *http.Request, x *exchange, cause error) bool {
	f := x.route.doc.Ingress.Fallback
	if f == nil || !untouched(cause) && !repeatable(out) || x.gaveUp() {
		return false
	}
	x.failed(cause)
	x.prove()
	x.body.closing(w.Header())
	if f.Stable && x.arm == canary.Canary && x.route.stable != nil && g.insteadStable(w, out, x) {
		return true
	}
	if f.Unit != "" && in.Header[FallbackHeader] == nil && g.insteadUnit(w, in, out, x, f.Unit) {
		return true
	}
	if f.Answer == nil {
		return false
	}
	x.fallback, x.status = "answer", f.Answer.Status
	h := w.Header()
	h.Set(FallbackHeader, x.fallback)
	if !f.Answer.Bodiless() {
		h.Set("Content-Type", f.Answer.Type)
		h.Set("Content-Length", strconv.Itoa(len(f.Answer.Body)))
	}
	h.Set("Cache-Control", "no-store")
	g.patience(http.NewResponseController(w))
	w.WriteHeader(f.Answer.Status)
	n, _ := io.WriteString(w, f.Answer.Body) // a client that is gone has no use for it
	x.bytes = int64(n)
	return true
}

// untouched says that a failure came before anything of the request was sent or read.
func untouched(cause error) bool {
	var dial *http1.DialError
	var open *openError
	return errors.As(cause, &dial) || errors.As(cause, &open)
}

// insteadStable asks the stable revision. The request stays one of the candidate's, and what it costs stable is not
// evidence of anything.
func (g *Gateway) insteadStable(w http.ResponseWriter, out *http.Request, x *exchange) bool {
	stable := x.route.stable
	if stable.breaker.admit(x.uptime) != nil {
		return false
	}
	// As in [Gateway.begin]: whoever drains the revision may have found it idle, unless a route still sends requests to it.
	stable.revision.enter()
	defer stable.revision.leave()
	if r := g.table.Load().routes[x.route.doc.Key]; r == nil || !r.stable.is(stable.revision.name) {
		stable.breaker.report(unknown, x.uptime, g.uptime())
		return false
	}
	resp, err := g.carry(x, stable, new(tries), func(e *endpoint) (*http.Response, error) { //nolint:bodyclose // passInstead does
		return g.exchangeWith(x, stable, e, out, x.call)
	})
	stable.breaker.report(outcomeOf(x, resp, err), x.uptime, g.uptime())
	if err != nil {
		return false
	}
	x.fallback = "stable"
	if x.sticky {
		keepUserCookie(resp.Header)
	}
	g.passInstead(w, resp, x, stable.revision.name)
	return true
}

// insteadUnit asks the gateways of another unit, who decide for themselves who may send it and which revision gets it.
func (g *Gateway) insteadUnit(w http.ResponseWriter, in, out *http.Request, x *exchange, unit string) bool {
	entry := g.units[unit]
	if entry == nil {
		return false
	}
	ctx, cancel := context.WithCancel(out.Context())
	defer cancel()
	sent := out.Clone(ctx)
	sent.URL = aim(out, entry.Scheme, entry.Host)
	named := connectionFields(in.Header)
	for name, values := range in.Header { // credentials are for them too
		if passesOn(name, named) && sent.Header[name] == nil {
			sent.Header[name] = values
		}
	}
	delete(sent.Header, CallerHeader) // ours, or what the client says of itself
	sent.Header[FallbackHeader] = []string{"unit"}
	if x.call.Content != nil {
		sent.Body, sent.ContentLength = readerOf(x.call.Content), int64(len(x.call.Content))
	}
	resp, err := roundTripLate(g.unitTransport, sent, cancel, x.call.Answer) //nolint:bodyclose // passInstead does
	if err != nil {
		return false
	}
	x.fallback = "unit"
	g.passInstead(w, resp, x, resp.Header.Get(RevisionHeader))
	return true
}

// passInstead gives the client an answer that is not the revision's own.
func (g *Gateway) passInstead(w http.ResponseWriter, resp *http.Response, x *exchange, revision string) {
	defer func() { _ = resp.Body.Close() }() // what was not read is given up with its connection
	x.status = resp.StatusCode
	resp.Header.Set(FallbackHeader, x.fallback)
	if revision != "" {
		resp.Header.Set(RevisionHeader, revision)
	}
	if resp.Body != http.NoBody {
		resp.Body = &responseBody{ReadCloser: resp.Body, x: x}
	}
	if err := g.pass(w, resp); err != nil {
		abort()
	}
}

// unitsOf reads where other units are entered.
func unitsOf(entries map[string]string) (map[string]*url.URL, error) {
	units := make(map[string]*url.URL, len(entries))
	for name, entry := range entries {
		u, err := url.Parse(entry)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" || u.User != nil {
			return nil, errors.New("entry of unit " + strconv.Quote(name) + ": want http://host:port or https://host:port")
		}
		units[name] = u
	}
	return units, nil
}
