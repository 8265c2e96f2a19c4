package http1

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"syscall"
	"testing"
)

// leaving is a caller that goes away at some stage of its request.
type leaving struct {
	*instance
	pool   *Pool
	ctx    context.Context
	cancel context.CancelFunc
}

// gone is what a caller that went away is told, and that nothing is left of its request: neither the connection, nor a
// goroutine.
func (l leaving) gone(on *peer, err error) {
	l.t.Helper()
	if !errors.Is(err, context.Canceled) {
		l.t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if on != nil {
		on.gone()
	}
	if n := l.pool.idleCount(); n != 0 {
		l.t.Errorf("%d connections are kept", n)
	}
	eventually(l.t, "no goroutine of the package", func() bool { return ours() == 0 })
}

// It is not parallel to others, because it counts goroutines.
func TestACallerThatGoesAwayTakesItsConnectionAlong(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(leaving)
	}{
		{"before it asks", leaveFirst},
		{"before it asks, with a kept connection", leaveKept},
		{"while the connection is made", leaveDialing},
		{"before the head of the answer", leaveBeforeHead},
		{"in the head of the answer", leaveInHead},
		{"after an informational answer", leaveAfterHints},
		{"in the body of the answer", leaveInBody},
		{"between the end of the answer and its reading", leaveUnread},
		{"while the instance does not take the body", leaveUploading},
		{"while the body does not come", leaveSilentBody},
		{"while it waits for a 100", leaveExpecting},
		{"in the answer, while the body is still sent", leaveDuplex},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := newInstance(t)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			test.run(leaving{in, in.pool(), ctx, cancel})
		})
	}
}

func leaveFirst(l leaving) {
	l.cancel()
	r := wait(l.t, "an error", ask(l.pool, request(l.ctx, http.MethodGet, "/", nil, 0), patient))
	l.gone(nil, r.err)
	if dial := new(DialError); !errors.As(r.err, &dial) {
		l.t.Error("it does not say that nothing was sent:", r.err)
	}
}

func leaveKept(l leaving) {
	var on *peer
	l.pool, on = kept(l.instance)
	l.cancel()
	r := wait(l.t, "an error", ask(l.pool, request(l.ctx, http.MethodGet, "/", nil, 0), patient))
	if b, err := io.ReadAll(on); len(b) > 0 || err != nil {
		l.t.Errorf("the instance got %q, %v", b, err)
	}
	l.gone(on, r.err)
}

// blockDialing makes connecting take until its context ends, and says when it has begun.
func blockDialing(p *Pool) <-chan struct{} {
	begun := make(chan struct{}, 1)
	p.dialer.ControlContext = func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	return begun
}

func leaveDialing(l leaving) {
	begun := blockDialing(l.pool)
	got := ask(l.pool, request(l.ctx, http.MethodGet, "/", nil, 0), patient)
	wait(l.t, "connecting", begun)
	l.cancel()
	r := wait(l.t, "an error", got)
	l.gone(nil, r.err)
	if dial := new(DialError); !errors.As(r.err, &dial) {
		l.t.Error("it does not say that nothing was sent:", r.err)
	}
}

// leaveAfter goes away when the instance has said so much of the answer that Do still waits.
func (l leaving) leaveAfter(said string, call Call, told <-chan int) {
	got := ask(l.pool, request(l.ctx, http.MethodGet, "/", nil, 0), call)
	on := l.next()
	on.serve(said)
	if told != nil {
		wait(l.t, "the informational answer", told)
	}
	l.cancel()
	r := wait(l.t, "an error", got)
	l.gone(on, r.err)
	if dial := new(DialError); errors.As(r.err, &dial) {
		l.t.Error("it says that nothing was sent:", r.err)
	}
}

func leaveBeforeHead(l leaving) { l.leaveAfter("", patient, nil) }

func leaveInHead(l leaving) { l.leaveAfter("HTTP/1.1 200 OK\r\nA: ", patient, nil) }

func leaveAfterHints(l leaving) {
	told := make(chan int, 1)
	call := Call{Answer: patience, Inform: func(status int, _ http.Header) { told <- status }}
	l.leaveAfter("HTTP/1.1 103 Early Hints\r\n\r\n", call, told)
}

// answer asks for an answer of which the body is read by the test.
func (l leaving) answer(req *http.Request, serve func(*peer)) (*peer, *http.Response) {
	l.t.Helper()
	heads := make(chan *http.Response, 1)
	go func() {
		resp, err := l.pool.Do(req, patient)
		if err != nil {
			l.t.Error(err)
		}
		heads <- resp
	}()
	on := l.next()
	serve(on)
	return on, wait(l.t, "the head of the answer", heads)
}

func leaveInBody(l leaving) {
	on, resp := l.answer(request(l.ctx, http.MethodGet, "/", nil, 0), func(on *peer) {
		on.serve("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun")
	})
	if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
		l.t.Fatal(err)
	}
	broke := make(chan error, 1)
	go func() {
		_, err := resp.Body.Read(make([]byte, 1))
		broke <- err
	}()
	l.cancel()
	if err := wait(l.t, "the body's end", broke); !errors.Is(err, os.ErrDeadlineExceeded) {
		l.t.Errorf("the body ended with %v", err)
	}
	l.gone(on, l.ctx.Err())
}

func leaveUnread(l leaving) {
	on, resp := l.answer(request(l.ctx, http.MethodGet, "/", nil, 0), func(on *peer) { on.serve(ok) })
	l.cancel()
	_, _ = io.Copy(io.Discard, resp.Body) // whether it is there already is the kernel's to say
	l.gone(on, l.ctx.Err())
}

// leaveWhile goes away when the instance has the head of an upload.
func (l leaving) leaveWhile(req *http.Request) {
	got := ask(l.pool, req, patient)
	on := l.next()
	on.head()
	l.cancel()
	l.gone(on, wait(l.t, "an error", got).err)
}

func leaveUploading(l leaving) {
	l.leaveWhile(request(l.ctx, http.MethodPost, "/", zeros{}, -1))
}

func leaveSilentBody(l leaving) {
	body, end := io.Pipe()
	defer context.AfterFunc(l.ctx, func() { _ = end.CloseWithError(io.ErrUnexpectedEOF) })() // as a server's body does
	l.leaveWhile(request(l.ctx, http.MethodPost, "/", body, -1))
}

func leaveExpecting(l leaving) {
	req := request(l.ctx, http.MethodPost, "/", unread{l.t}, 9)
	req.Header.Set("Expect", "100-continue")
	l.leaveWhile(req)
}

func leaveDuplex(l leaving) {
	on, resp := l.answer(request(l.ctx, http.MethodPost, "/", zeros{}, -1), func(on *peer) {
		on.head()
		on.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun")
	})
	l.cancel()
	if b, err := io.ReadAll(resp.Body); err == nil {
		l.t.Errorf("the answer ended as if it were whole: %q", b)
	}
	l.gone(on, l.ctx.Err())
}

// unread is a body that nobody may read.
type unread struct{ t testing.TB }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}
