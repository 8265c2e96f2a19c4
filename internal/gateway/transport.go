package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/gateway/http1"
)

const (
	// idleTimeout is shorter than what servers commonly keep idle connections for (5 s in Node and
	// uvicorn), so that the gateway is the one who closes them.
	idleTimeout = 4 * time.Second
	// idlePerEndpoint is large enough that thousands of requests per second find a connection.
	idlePerEndpoint   = 1024
	maxResponseHeader = 256 << 10
)

// newTunnelTransport gives every request a connection of its own. A connection that becomes a tunnel
// is never used again, and must not be held to the rules of one that is.
func newTunnelTransport(o Options) http.RoundTripper {
	if o.Transport != nil {
		return o.Transport
	}
	return &http.Transport{
		DisableKeepAlives:      true,
		DialContext:            http1.Dialer(o.DialTimeout),
		ResponseHeaderTimeout:  o.AnswerTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxResponseHeader,
		// What the client negotiated with the instance passes through as it is.
		DisableCompression: true,
		Protocols:          protocols((*http.Protocols).SetHTTP1),
	}
}

// newH2C returns the connections to instances that speak HTTP/2 without TLS, which keep to their bounds by net/http.
func newH2C(o Options) *http.Transport {
	return &http.Transport{
		DialContext:            http1.Dialer(o.DialTimeout),
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		DisableCompression:     true,
		Protocols:              protocols((*http.Protocols).SetUnencryptedHTTP2),
	}
}

// newUnitTransport returns the connections to the gateways of other units.
func newUnitTransport(o Options) *http.Transport {
	return &http.Transport{
		DialContext:            http1.Dialer(o.DialTimeout),
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    idlePerEndpoint,
		TLSHandshakeTimeout:    o.DialTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		DisableCompression:     true,
		Protocols:              protocols((*http.Protocols).SetHTTP1),
	}
}

func protocols(set func(*http.Protocols, bool)) *http.Protocols {
	p := new(http.Protocols)
	set(p, true)
	return p
}

// newPool returns the connections to one instance; nil when requests go over a transport of somebody else's.
func (g *Gateway) newPool(address string) *http1.Pool {
	if g.opts.Transport != nil {
		return nil
	}
	return http1.NewPool(address, http1.Options{
		Dial: g.opts.DialTimeout, Idle: idleTimeout, Head: maxResponseHeader, Keep: idlePerEndpoint, Now: g.opts.Now,
	})
}

// carry sends the request to an endpoint of a revision. When connecting fails, nothing was
// sent, and the next endpoint of the same revision gets it; another revision never does.
func (g *Gateway) carry(x *exchange, to *upstream, tried *tries, send func(*endpoint) (*http.Response, error)) (*http.Response, error) {
	refused := 0
	for {
		e := to.pick(x.uptime, tried.endpoints)
		if e == nil { // all have had it, and again is what is wanted
			tried.endpoints = nil
			continue
		}
		x.with(e)
		resp, err := send(e)
		if err == nil {
			return resp, nil
		}
		var dial *http1.DialError
		if !errors.As(err, &dial) || x.client.Err() != nil {
			return nil, err
		}
		e.rests.Store(int64(g.uptime()) + int64(endpointRest))
		tried.add(e)
		if refused++; refused == len(to.endpoints) {
			return nil, err
		}
	}
}

// exchangeWith sends a request over the endpoint's own connections, or in the way that its revision wants.
func (g *Gateway) exchangeWith(x *exchange, to *upstream, e *endpoint, req *http.Request, call http1.Call) (*http.Response, error) {
	if e.pool != nil && !to.h2c {
		return e.pool.Do(req, call)
	}
	ctx, cancel := context.WithCancel(context.WithValue(req.Context(), exchangeKey{}, x))
	out := req.WithContext(ctx)
	if call.Content != nil {
		out.Body = readerOf(call.Content)
	}
	out.URL = aim(req, "http", e.address)
	if to.h2c {
		return roundTripLate(g.h2c, out, cancel, call.Answer)
	}
	return roundTripLate(g.opts.Transport, out, cancel, call.Answer)
}

// aim returns where a transport of net/http has to send a request so that it asks for the very target that its client
// asked for: from a URL's path alone net/url would write some of them in another way.
func aim(req *http.Request, scheme, host string) *url.URL {
	u := *req.URL
	u.Scheme, u.Host = scheme, host
	path, _, _ := strings.Cut(req.RequestURI, "?")
	if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") { // two slashes would be taken for a host
		u.Opaque = path
	}
	return &u
}

func readerOf(content []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(content)) }

// tunnels carries requests that ask for a tunnel.
type tunnels struct{ g *Gateway }

// RoundTrip sends the request to an endpoint of its revision, over a connection of its own.
func (t tunnels) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	return t.g.carry(x, x.to, new(tries), func(e *endpoint) (*http.Response, error) {
		req.URL = aim(req, "http", e.address)
		return t.g.tunnelTransport.RoundTrip(req)
	})
}
