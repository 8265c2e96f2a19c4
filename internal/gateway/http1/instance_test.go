package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take before a test gives up. Nothing waits for it to pass.
const patience = 10 * time.Second

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// instance is a server of which the test says every byte.
type instance struct {
	net.Listener
	t testing.TB
}

func newInstance(t testing.TB) *instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &instance{l, t}
}

// pool returns a pool for the instance whose connections stay good until the test says otherwise.
func (i *instance) pool(change ...func(*Options)) *Pool {
	o := Options{Dial: patience, Idle: time.Minute, Head: 64 << 10, Keep: 8, Now: time.Now}
	for _, f := range change {
		f(&o)
	}
	p := NewPool(i.Addr().String(), o)
	i.t.Cleanup(p.Close)
	return p
}

// next is the next connection that the pool makes.
func (i *instance) next() *peer {
	i.t.Helper()
	_ = i.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	c, err := i.Accept()
	if err != nil {
		i.t.Fatal("no new connection:", err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	i.t.Cleanup(func() { c.Close() })
	return &peer{c, bufio.NewReader(c), i.t}
}

// peer is the instance's side of a connection.
type peer struct {
	net.Conn
	r *bufio.Reader
	t testing.TB
}

// head reads the head of a request.
func (p *peer) head() *http.Request {
	p.t.Helper()
	req, err := http.ReadRequest(p.r)
	if err != nil {
		p.t.Fatal("the instance got no request:", err)
	}
	return req
}

// request reads a whole request.
func (p *peer) request() (*http.Request, string) {
	p.t.Helper()
	req := p.head()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		p.t.Fatal("the instance got no whole request:", err)
	}
	return req, string(body)
}

func (p *peer) say(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		p.t.Fatal("the instance cannot answer:", err)
	}
}

// feed gives the next part of a body, and waits until it was read.
func feed(t testing.TB, body *io.PipeWriter, part string) {
	t.Helper()
	if _, err := io.WriteString(body, part); err != nil {
		t.Error("nobody reads the body:", err)
	}
}

// serve answers one request.
func (p *peer) serve(answer string) {
	p.t.Helper()
	p.request()
	p.say(answer)
}

// gone waits until the pool has closed the connection.
func (p *peer) gone() {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p.r); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		p.t.Fatal("the connection is still open:", err)
	}
}

// reset closes the connection as a process that dies with unread data does.
func (p *peer) reset() {
	_ = p.Conn.(*net.TCPConn).SetLinger(0)
	p.Close()
}

// result is what came of a request.
type result struct {
	resp *http.Response
	body string
	err  error
}

func (r result) String() string {
	if r.err != nil {
		return "error: " + r.err.Error()
	}
	return fmt.Sprintf("%d %s", r.resp.StatusCode, r.body)
}

// ask sends a request in a goroutine of its own and reads the answer to its end.
func ask(p *Pool, req *http.Request, call Call) <-chan result {
	done := make(chan result, 1)
	go func() {
		resp, err := p.Do(req, call)
		if err != nil {
			done <- result{err: err}
			return
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		done <- result{resp, string(body), err}
	}()
	return done
}

// wait is the value that a goroutine sends.
func wait[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("timed out waiting for", what)
		panic("unreachable")
	}
}

// answeredEarly has an instance answer before the body of a request was sent. The answer arrives, and the connection is
// not used again.
func answeredEarly(t *testing.T, req *http.Request, answer, want string) {
	t.Helper()
	in := newInstance(t)
	pool := in.pool()
	got := ask(pool, req, patient)
	on := in.next()
	on.head()
	on.say(answer)
	wantAnswer(t, got, want)
	on.gone()
	if n := pool.idleCount(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}

func wantAnswer(t testing.TB, from <-chan result, want string) result {
	t.Helper()
	got := wait(t, "an answer", from)
	if got.String() != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	return got
}

// eventually waits for what another goroutine, or the kernel, brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("timed out waiting for", what)
		}
	}
}

func get(path string) *http.Request {
	return request(context.Background(), http.MethodGet, path, nil, 0)
}

// request is one as the gateway's server got it.
func request(ctx context.Context, method, path string, body io.Reader, length int64) *http.Request {
	req, err := http.NewRequestWithContext(ctx, method, path, body)
	if err != nil {
		panic(err)
	}
	req.Host, req.RequestURI, req.ContentLength = "web.example", path, length
	return req
}

// patient is a call that nothing hurries.
var patient = Call{Answer: patience}

func (p *Pool) idleCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// clock is a clock that the test moves.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// ours is how many goroutines run code of this package that is not a test's.
func ours() int {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	n := 0
	for g := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		for _, of := range []string{"(*upload)", "(*exchange)", "(*conn)", "(*Pool).Do", "(*body)"} {
			if strings.Contains(string(g), "gateway/http1."+of) {
				n++
				break
			}
		}
	}
	return n
}

// TestMain sees to it that no test leaves a goroutine of the package behind.
func TestMain(m *testing.M) {
	code := m.Run()
	end := time.Now().Add(patience)
	for ours() > 0 {
		if time.Now().After(end) {
			fmt.Fprintln(os.Stderr, ours(), "goroutines are left")
			os.Exit(1)
		}
		runtime.Gosched()
	}
	os.Exit(code)
}
