package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// idleTimeout is shorter than what servers commonly keep idle connections for (5 s in Node and
	// uvicorn), so that the gateway is the one who closes them.
	idleTimeout = 4 * time.Second
	// idlePerEndpoint is large enough that thousands of requests per second find a connection.
	idlePerEndpoint   = 1024
	maxResponseHeader = 256 << 10
)

// dialError marks a failure before anything was sent to the instance.
type dialError struct{ err error }

func (e *dialError) Error() string { return "connect to instance: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// newTransport keeps connections to instances open between requests.
func newTransport(o Options) *http.Transport {
	t := baseTransport(o)
	t.DialContext = dialer(o.DialTimeout, func(c *net.TCPConn) (net.Conn, error) { return watchConn(c) })
	return t
}

// newUpgradeTransport gives every request a connection of its own. A connection that becomes a tunnel
// is never used again, and must not be held to the rules of one that is.
func newUpgradeTransport(o Options) *http.Transport {
	t := baseTransport(o)
	t.DisableKeepAlives = true
	t.DialContext = dialer(o.DialTimeout, func(c *net.TCPConn) (net.Conn, error) { return c, nil })
	return t
}

func baseTransport(o Options) *http.Transport {
	return &http.Transport{
		MaxIdleConnsPerHost:    idlePerEndpoint,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  o.AnswerTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxResponseHeader,
		// What the client negotiated with the instance passes through as it is.
		DisableCompression: true,
		TLSNextProto:       map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
}

func dialer(timeout time.Duration, wrap func(*net.TCPConn) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout, KeepAlive: 15 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, &dialError{err}
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return nil, &dialError{errors.Join(fmt.Errorf("%T is no TCP connection", conn), conn.Close())}
		}
		wrapped, err := wrap(tcp)
		if err != nil {
			return nil, &dialError{errors.Join(err, conn.Close())}
		}
		return wrapped, nil
	}
}

// carrier is the proxy's [http.RoundTripper]: it picks the instance.
type carrier struct {
	g                *Gateway
	pooled, upgrades http.RoundTripper
}

// mostClosed is how many connections in a row a request may find closed before it was begun.
const mostClosed = 3

// closedBeforeUse says whether the transport's reader saw the instance close the connection in the very
// moment it was picked. [http.Transport] sets this error only while no request is under way on a
// connection, so nothing of this one was sent; yet it starts over by itself for idempotent methods
// only. The error is not exported. If its text changes, such a POST fails as it did before.
func closedBeforeUse(err error) bool {
	return strings.HasSuffix(err.Error(), "http: server closed idle connection")
}

// RoundTrip sends the request to an endpoint of its revision. When connecting fails, nothing was
// sent, and the next endpoint of the same revision gets it; another revision never does.
func (c *carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	transport := c.pooled
	if req.Header.Get("Upgrade") != "" {
		transport = c.upgrades
	}
	var body *requestBody
	if req.Body != nil && req.Body != http.NoBody {
		body = &requestBody{source: req.Body, x: x}
		req.GetBody = body.rewind
	}
	var tried []*endpoint
	closed := 0
	for {
		e := x.to.pick(x.uptime, tried)
		if e == nil {
			return nil, errors.New("no endpoint left") // not reached: a target has endpoints
		}
		if body != nil {
			again, err := body.rewind()
			if err != nil {
				return nil, err
			}
			req.Body = again
		}
		req.URL.Host = e.address
		x.with(e)
		resp, err := transport.RoundTrip(req)
		if err == nil {
			return resp, nil
		}
		if closed < mostClosed && closedBeforeUse(err) && req.Context().Err() == nil {
			closed++
			continue
		}
		var dial *dialError
		if !errors.As(err, &dial) || req.Context().Err() != nil {
			return nil, err
		}
		e.rests.Store(int64(c.g.uptime()) + int64(endpointRest))
		if tried = append(tried, e); len(tried) == len(x.to.endpoints) {
			return nil, err
		}
	}
}
