package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// patience ends a test that would otherwise hang. Nothing that passes waits for it.
const patience = 20 * time.Second

// await receives what has to come.
func await[T any](t testing.TB, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("never came")
	}
	return v
}

// wire is a gateway between raw sockets: clients that send what they like, and one instance that answers what it likes
// and keeps every byte it was sent.
type wire struct {
	g *Gateway
	// address is where the gateway serves, instance what is behind it.
	address, instance string

	stop    context.CancelFunc
	stopped chan error
	server  *http.Server

	listener net.Listener
	accepted chan struct{} // no more connections come
	mu       sync.Mutex
	conns    []*wireConn // in the order of their coming
	alive    sync.WaitGroup
}

// wireConn is the instance's end of one connection.
type wireConn struct {
	*net.TCPConn
	in    *bufio.Reader
	n     int // connections before it
	mu    sync.Mutex
	bytes bytes.Buffer
}

// Read keeps what it reads.
func (c *wireConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes.Write(p[:n])
	return n, err
}

// next reads one request with its body. It grants every expectation of 100-continue.
func (c *wireConn) next() (*http.Request, string, error) {
	req, err := http.ReadRequest(c.in)
	if err != nil {
		return nil, "", err
	}
	if req.Header.Get("Expect") != "" {
		c.say("HTTP/1.1 100 Continue\r\n\r\n")
	}
	body, err := io.ReadAll(req.Body)
	return req, string(body), err
}

func (c *wireConn) say(text string) { _, _ = io.WriteString(c, text) }

// reset lets the connection end in a RST.
func (c *wireConn) reset() {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// echo answers one request with what is its own.
func (c *wireConn) echo(req *http.Request, body string) {
	text := fmt.Sprintf("%s %s %s", req.Method, req.RequestURI, body)
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(text))
	if req.Method == http.MethodHead {
		text = ""
	}
	c.say(head + text)
}

// echoes answers every request of a connection so.
func echoes(c *wireConn) {
	for {
		req, body, err := c.next()
		if err != nil {
			return
		}
		c.echo(req, body)
	}
}

// badThen answers a request for /web/bad by bad, until that says that the connection has ended, and echoes all others.
func badThen(bad func(c *wireConn, req *http.Request) (ended bool)) func(*wireConn) {
	return func(c *wireConn) {
		for {
			req, body, err := c.next()
			switch {
			case err != nil:
				return
			case req.URL.Path != "/web/bad":
				c.echo(req, body)
			case bad(c, req):
				return
			}
		}
	}
}

// newWire starts a gateway before an instance that gives each connection to handle, and closes it after.
func newWire(t testing.TB, opts Options, handle func(*wireConn)) *wire {
	t.Helper()
	opts.Name = "gw"
	g, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{
		g: g, address: front.Addr().String(), instance: listener.Addr().String(), stopped: make(chan error, 1),
		server: g.NewServer(""), listener: listener, accepted: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	go func() {
		defer close(w.stopped)
		w.stopped <- g.Run(ctx)
	}()
	go func() { _ = w.server.Serve(front) }()
	go w.accept(handle)
	r := testRoute(1, weight(0))
	r.Stable, r.Canary = target("web-1", listener.Addr().String()), nil
	mustApply(t, g, r)
	t.Cleanup(func() {
		cancel()
		_ = w.server.Close()
		_ = listener.Close()
		<-w.accepted
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.conns {
			_ = c.Close()
		}
	})
	return w
}

// answersWithin changes the route, which newWire gave version 1, so that an answer may take so long from now on.
func (w *wire) answersWithin(t testing.TB, version int64, most time.Duration) {
	t.Helper()
	r := testRoute(version, weight(0), func(r *release.Route) { r.Ingress.Timeout = release.Duration(most) })
	r.Stable, r.Canary = target("web-1", w.instance), nil
	mustApply(t, w.g, r)
}

func (w *wire) accept(handle func(*wireConn)) {
	defer close(w.accepted)
	for n := 0; ; n++ {
		conn, err := w.listener.Accept()
		if err != nil {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		c := &wireConn{TCPConn: conn.(*net.TCPConn), n: n}
		c.in = bufio.NewReader(struct{ io.Reader }{c}) // or a copy from it would go around Read
		w.mu.Lock()
		w.conns = append(w.conns, c)
		w.mu.Unlock()
		w.alive.Go(func() {
			defer conn.Close()
			handle(c)
		})
	}
}

// settled waits until no request is under way.
func (w *wire) settled(t testing.TB) RevisionStats {
	t.Helper()
	eventually(t, "every request has ended", func() bool { return statsOf(w.g, "web-1").InFlight == 0 })
	return statsOf(w.g, "web-1")
}

// received ends the gateway and returns what came on each connection to the instance, to its last byte. The instance
// must be one that reads to the end.
func (w *wire) received(t testing.TB) []string {
	t.Helper()
	w.settled(t)
	w.stop()
	if err, first := <-w.stopped; first && err != nil {
		t.Error(err)
	}
	// A connection behind all others: when it has ended, none waits to be accepted.
	if last, err := net.Dial("tcp", w.instance); err == nil {
		_ = last.SetDeadline(time.Now().Add(patience))
		_ = last.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, last)
		_ = last.Close()
	}
	_ = w.listener.Close()
	<-w.accepted
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.alive.Wait()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("the gateway keeps a connection to the instance that nothing uses")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, c := range w.conns {
		c.mu.Lock()
		if c.bytes.Len() > 0 {
			all = append(all, c.bytes.String())
		}
		c.mu.Unlock()
	}
	return all
}

// requests ends the gateway and returns all that the instance was asked, and how many requests broke off. It fails the
// test for a byte that two servers could understand differently.
func (w *wire) requests(t testing.TB) (whole []wireRequest, broken int) {
	t.Helper()
	for _, raw := range w.received(t) {
		all, rest, err := parseWire(raw)
		if err != nil {
			t.Errorf("the instance was sent what is no strict HTTP: %v\n%q", err, raw)
		}
		if rest != "" {
			broken++
		}
		whole = append(whole, all...)
	}
	return whole, broken
}

// wireClient is a client's end of one connection.
type wireClient struct {
	*net.TCPConn
	in *bufio.Reader
}

func (w *wire) dial(t testing.TB) *wireClient {
	t.Helper()
	return dialWire(t, w.address)
}

func dialWire(t testing.TB, address string) *wireClient {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &wireClient{conn.(*net.TCPConn), bufio.NewReader(conn)}
}

// say writes as far as the gateway reads.
func (c *wireClient) say(text string) { _, _ = io.WriteString(c, text) }

// answer reads one final answer. An error that comes with a status is an answer that was cut off.
func (c *wireClient) answer(method string) (resp *http.Response, body string, err error) {
	for {
		resp, err = http.ReadResponse(c.in, &http.Request{Method: method})
		if err != nil {
			return nil, "", err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			break
		}
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, "", nil
	}
	read, err := io.ReadAll(resp.Body)
	return resp, string(read), err
}

// statuses reads answers until the gateway closes the connection.
func (c *wireClient) statuses(t testing.TB) string {
	t.Helper()
	var all []string
	for {
		resp, _, err := c.answer(http.MethodGet)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			t.Errorf("after answers %q the gateway waits for what does not come", all)
			return strings.Join(all, " ")
		case resp == nil:
			return strings.Join(all, " ")
		case err != nil:
			return strings.Join(append(all, "cut"), " ")
		}
		all = append(all, strconv.Itoa(resp.StatusCode))
	}
}

// asksOwn sends some requests over one connection and wants each answered with what is its own.
func (w *wire) asksOwn(t testing.TB, label string) {
	t.Helper()
	c := w.dial(t)
	defer func() { _ = c.Close() }()
	for i := range 3 {
		path := fmt.Sprintf("/web/%s-%d", label, i)
		c.say("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nown")
		resp, body, err := c.answer(http.MethodPost)
		if want := "POST " + path + " own"; err != nil || resp.StatusCode != http.StatusOK || body != want {
			t.Errorf("the request after it got %q (%v), want %q", body, err, want)
			return
		}
	}
}
