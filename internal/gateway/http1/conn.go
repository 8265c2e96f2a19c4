package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// mostInformational is how many informational answers an answer may have before it, as in net/http before it counted
// their bytes.
const mostInformational = 5

// continueTimeout is how long a body waits for the instance's 100 when the client wants one, as in net/http.
const continueTimeout = time.Second

// conn is one connection. Whoever took it from the pool owns it until the answer was read.
type conn struct {
	net.Conn
	pool *Pool
	raw  syscall.RawConn
	r    *bufio.Reader
	w    *bufio.Writer
	// wrote says that something of the request under way was handed to the kernel.
	wrote bool
	// broke is why the connection could not be read on: a line that breaks off is a line to those who read it.
	broke error
	// left is how many bytes the head of an answer may still have while one is read; below 0 is no bound.
	left int64
	// kept says that the connection has carried a request before; rested is when that one ended.
	kept   bool
	rested time.Time
	// look and silent are for quiet, made once.
	look   func(fd uintptr)
	silent bool
}

func newConn(p *Pool, dialed net.Conn) (*conn, error) {
	tcp, ok := dialed.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("%T is no TCP connection", dialed)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: dialed, pool: p, raw: raw, left: -1}
	c.r, c.w = bufio.NewReader(c), bufio.NewWriter(c)
	c.look = func(fd uintptr) { c.silent = quiet(fd) }
	return c, nil
}

func (c *conn) close() { _ = c.Close() } // nothing is expected of the connection any more

// quiet says that nothing came since the last answer.
func (c *conn) quiet() bool {
	return c.raw.Control(c.look) == nil && c.silent
}

// Read reads from the instance, and no more than a head may have while one is read.
func (c *conn) Read(p []byte) (int, error) {
	if c.left < 0 {
		n, err := c.Conn.Read(p)
		c.broke = err
		return n, err
	}
	if c.left == 0 {
		return 0, fmt.Errorf("%w: its head has more than %d bytes", ErrMalformed, c.pool.opts.Head)
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.broke = err
	return n, err
}

// Write writes to the instance, and notes that it did: once, because while a body is sent others look at the note.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if n > 0 && !c.wrote {
		c.wrote = true
	}
	return n, err
}

// exchange is one request and its answer on a connection.
type exchange struct {
	*conn
	req  *http.Request
	call Call
	// stop ends the watch on the caller; false says that the caller went away and the connection is cut.
	stop func() bool
	// upload is nil when the request was sent whole in one go.
	upload *upload
}

// do sends the request and reads the head of its answer. The connection is closed when it returns an error.
func (c *conn) do(req *http.Request, call Call) (*http.Response, error) {
	c.wrote = false
	x := &exchange{conn: c, req: req, call: call}
	x.stop = context.AfterFunc(req.Context(), func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	resp, err := x.send()
	if err != nil {
		x.stop()
		x.abandon()
		c.close()
		return nil, x.upload.explain(err)
	}
	return resp, nil
}

func (x *exchange) send() (*http.Response, error) {
	// The caller may go away at any time, and its deadline in the past must not be moved into the future again.
	if err := x.deadline(x.SetDeadline, x.call.Answer); err != nil {
		return nil, err
	}
	writeHead(x.w, x.req, x.call.Content, x.pool.address)
	var err error
	if x.call.Content == nil && HasBody(x.req) {
		err = x.sendBody()
	} else {
		_, _ = x.w.Write(x.call.Content) // the writer keeps its error until it is flushed
		err = x.w.Flush()
	}
	cut := err != nil
	if cut {
		if !x.wrote {
			return nil, x.stale(err)
		}
		// An instance that refuses a request says so and closes its side: what it said may be there already.
		if err := x.deadline(x.SetReadDeadline, min(x.call.Answer, lastWords)); err != nil {
			return nil, err
		}
	}
	resp, err := x.readHead()
	if err != nil {
		return nil, err
	}
	resp.Close = resp.Close || cut
	return x.begin(resp)
}

// deadline sets a deadline from now on, unless the caller has gone away.
func (x *exchange) deadline(set func(time.Time) error, d time.Duration) error {
	at := time.Time{}
	if d > 0 {
		at = time.Now().Add(d) // the kernel's poller goes by the real clock
	}
	if err := set(at); err != nil {
		return err
	}
	if err := x.req.Context().Err(); err != nil {
		_ = x.SetDeadline(time.Unix(1, 0))
		return err
	}
	return nil
}

// stale says that a kept connection turned out to be closed, where err and the silence before it say so.
func (x *exchange) stale(err error) error {
	if x.kept && !x.wrote {
		return fmt.Errorf("%w: %w", errUnsent, err)
	}
	closed := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	if x.kept && closed && x.r.Buffered() == 0 {
		return fmt.Errorf("%w: %w", errStale, err)
	}
	return err
}

// readHead reads the head of the final answer and passes informational ones on.
func (x *exchange) readHead() (*http.Response, error) {
	x.left = x.pool.opts.Head
	defer func() { x.left = -1 }()
	if _, err := x.r.Peek(1); err != nil {
		return nil, x.stale(err)
	}
	for range mostInformational + 1 {
		resp, err := http.ReadResponse(x.r, x.req)
		if err != nil {
			return nil, x.malformed(err)
		}
		switch {
		case resp.StatusCode >= http.StatusOK:
			return resp, check(resp)
		case resp.StatusCode == http.StatusContinue:
			x.upload.proceed()
		case resp.StatusCode < http.StatusContinue, resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, fmt.Errorf("%w: status %d", ErrMalformed, resp.StatusCode)
		default:
			if err := check(resp); err != nil {
				return nil, err
			}
			if x.call.Inform != nil {
				x.call.Inform(resp.StatusCode, resp.Header)
			}
		}
	}
	return nil, fmt.Errorf("%w: more than %d informational answers", ErrMalformed, mostInformational)
}

// malformed is what was wrong with an answer that ReadResponse does not take: the network, or else the instance.
func (x *exchange) malformed(err error) error {
	if x.broke != nil {
		return fmt.Errorf("read the head of the answer: %w", x.broke)
	}
	if errors.Is(err, ErrMalformed) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// begin takes the answer's body over.
func (x *exchange) begin(resp *http.Response) (*http.Response, error) {
	if x.upload != nil {
		x.upload.answered()
	} else if !x.atHand(resp) {
		if err := x.deadline(x.SetReadDeadline, 0); err != nil {
			return nil, err
		}
	}
	b := &body{ReadCloser: resp.Body, x: x, resp: resp}
	if resp.Body == http.NoBody {
		b.finish(true)
		return resp, nil
	}
	resp.Body = b
	return resp, nil
}

// atHand says that the whole body came with the head, so that nothing is left to wait for.
func (x *exchange) atHand(resp *http.Response) bool {
	return resp.ContentLength >= 0 && resp.ContentLength <= int64(x.r.Buffered())
}

// body is the body of an answer. Its end decides what becomes of the connection.
type body struct {
	io.ReadCloser
	x    *exchange
	resp *http.Response
	done bool
}

// Read reads from the instance.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.finish(err == io.EOF) // readers return it bare
	}
	return n, err
}

// Ready says that some of the body is there already.
func (b *body) Ready() bool { return b.x.r.Buffered() > 0 }

// Close gives the connection up where the answer has not been read to its end.
func (b *body) Close() error {
	b.finish(false)
	return nil
}

func (b *body) finish(whole bool) {
	if b.done {
		return
	}
	b.done = true
	x := b.x
	there := x.stop()
	sent := x.abandon()
	if whole && there && sent && !b.resp.Close && x.r.Buffered() == 0 {
		x.pool.put(x.conn)
		return
	}
	x.close()
}
