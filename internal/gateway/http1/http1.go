// Package http1 carries requests to one address over HTTP/1.1, on connections that are kept open between them.
//
// Its one idea is that whoever asks does the work: the request is written and its answer is read in the caller's own
// goroutine, where [net/http.Transport] hands both to two goroutines of the connection and back. Messages are framed and
// read by net/http's own code ([http.ReadResponse]); what is left here is whose turn it is, and when a connection may be
// used again. That is never when anything about it is in doubt: an answer that was not read to its end, bytes behind an
// answer, bytes without a request, a request that was not sent whole, or a caller that went away.
package http1

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// DialError marks a failure before anything was sent.
type DialError struct{ Err error }

// Error says what failed.
func (e *DialError) Error() string { return "connect to instance: " + e.Err.Error() }

// Unwrap is the system's error.
func (e *DialError) Unwrap() error { return e.Err }

// ErrMalformed is wrapped by errors about answers that are not HTTP/1.1.
var ErrMalformed = errors.New("the answer is not valid HTTP/1.1")

// errStale is what a request meets on a kept connection that the instance closed before it had answered anything. It
// cannot be told whether the instance saw the request.
var errStale = errors.New("the instance closed the connection without an answer")

// errUnsent is what a request meets on a kept connection that took nothing of it. Its body was not looked at yet.
var errUnsent = errors.New("the instance closed the connection before the request")

// Options are what all connections of a pool keep to.
type Options struct {
	// Dial bounds connecting; Idle is how long a connection without a request is kept.
	Dial, Idle time.Duration
	// Head is the most bytes the head of an answer may have, informational answers included.
	Head int64
	// Keep is how many idle connections are kept.
	Keep int
	// Now is the clock by which idle connections age.
	Now func() time.Time
}

// Pool is the connections to one address. It is safe for concurrent use.
type Pool struct {
	address string
	opts    Options
	dialer  net.Dialer

	mu     sync.Mutex
	idle   []*conn // the one used last is at the end
	closed bool
}

// keepAlive is how often TCP looks whether a silent instance is still there.
const keepAlive = 15 * time.Second

func newDialer(timeout time.Duration) net.Dialer {
	return net.Dialer{Timeout: timeout, KeepAlive: keepAlive}
}

// Dialer returns what connects as a pool does, for transports of other kinds. Its errors are [DialError].
func Dialer(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := newDialer(timeout)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, &DialError{err}
		}
		return conn, nil
	}
}

// NewPool returns a pool without connections for address, a host:port.
func NewPool(address string, o Options) *Pool {
	return &Pool{address: address, opts: o, dialer: newDialer(o.Dial)}
}

// Call is how one request is to be sent.
type Call struct {
	// Answer bounds the wait for the head of the answer once the request was sent, and each write before; above 0.
	Answer time.Duration
	// Content is the request's whole body where it is at hand; the request's own Body is not looked at then.
	Content []byte
	// Inform takes informational answers other than 100 and 101; nil drops them.
	Inform func(status int, header http.Header)
}

// Do sends a request and returns its answer, whose body has to be read to its end or closed. The request's Header is
// sent as it is, but for what frames a message. It is asked for at its Host, and for its RequestURI where that is a path:
// net/url would write some of them in another way, and the instance would see another path than was asked for. Otherwise
// for its URL's path and query.
//
// A request that was not begun on a kept connection goes out on another one, whatever its method. One that was begun and
// not answered at all is sent again only if it is safe to: its method is idempotent and its body, if any, is in Content.
// Errors before anything was sent are [DialError].
//
// The request's Body is not closed. Where its sending was given up it may still be read once Do has returned, and whoever
// gave it has to end that.
func (p *Pool) Do(req *http.Request, call Call) (*http.Response, error) {
	ctx := req.Context()
	for {
		c, err := p.get(ctx)
		if err != nil {
			return nil, err
		}
		resp, err := c.do(req, call)
		if err == nil {
			return resp, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w (%w)", ctx.Err(), err)
		}
		if !errors.Is(err, errUnsent) && (!errors.Is(err, errStale) || !repeatable(req, call)) {
			return nil, err
		}
	}
}

// repeatable says that a request may reach an instance twice, as [http.Transport] has it.
func repeatable(req *http.Request, call Call) bool {
	if call.Content == nil && HasBody(req) {
		return false
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return req.Header["Idempotency-Key"] != nil || req.Header["X-Idempotency-Key"] != nil
}

// get returns an idle connection that is still good, or a new one.
func (p *Pool) get(ctx context.Context) (*conn, error) {
	for {
		c := p.pop()
		if c == nil {
			break
		}
		if p.opts.Now().Sub(c.rested) < p.opts.Idle && c.quiet() {
			c.kept = true
			return c, nil
		}
		c.close()
	}
	dialed, err := p.dialer.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, &DialError{err}
	}
	c, err := newConn(p, dialed)
	if err != nil {
		return nil, &DialError{errors.Join(err, dialed.Close())}
	}
	return c, nil
}

func (p *Pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return c
}

// put keeps a connection for the next request.
func (p *Pool) put(c *conn) {
	c.rested = p.opts.Now()
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < p.opts.Keep
	if keep {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !keep {
		c.close()
	}
}

// Reap closes connections that have been idle for too long.
func (p *Pool) Reap() {
	now := p.opts.Now()
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].rested) >= p.opts.Idle {
		n++
	}
	old := append([]*conn(nil), p.idle[:n]...)
	kept := copy(p.idle, p.idle[n:])
	clear(p.idle[kept:])
	p.idle = p.idle[:kept]
	p.mu.Unlock()
	for _, c := range old {
		c.close()
	}
}

// Close closes idle connections, and those under way when their request has ended.
func (p *Pool) Close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}
