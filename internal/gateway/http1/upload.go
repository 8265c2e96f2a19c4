package http1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const copyBuffer = 32 << 10

var buffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// lastWords is how long an answer is waited for when the instance takes no more of a body.
const lastWords = time.Second

// errWrite marks what the instance did not take.
var errWrite = errors.New("send the request's body")

// errShort is a body that ended before its announced length.
var errShort = errors.New("the request's body is shorter than its Content-Length")

// upload sends a body that is not at hand, in a goroutine of its own, because the instance may answer before it has all
// of it. A nil upload is a request that was sent whole.
type upload struct {
	x *exchange
	// expect is told what the instance says to Expect: 100-continue; nil when nothing was expected.
	expect chan bool
	// head says that the head of the answer is there; sent that the whole body is on its way.
	head, sent atomic.Bool
	// cause is why the body could not be read to its end; nil while it can.
	cause atomic.Pointer[error]
	once  sync.Once
	done  chan struct{}
}

// sendBody sends the head, and begins to send the body.
func (x *exchange) sendBody() error {
	u := &upload{x: x, done: make(chan struct{})}
	if strings.EqualFold(x.req.Header.Get("Expect"), "100-continue") {
		u.expect = make(chan bool, 1)
	}
	if err := x.w.Flush(); err != nil {
		return err
	}
	// Until the body is sent the answer is not late.
	if err := x.deadline(x.SetReadDeadline, 0); err != nil {
		return err
	}
	x.upload = u
	go u.run()
	return nil
}

func (u *upload) run() {
	defer close(u.done)
	if !u.allowed() {
		return
	}
	switch err := u.copy(); {
	case err == nil:
		u.sent.Store(true)
		u.await(u.x.call.Answer)
	case errors.Is(err, errWrite):
		// An instance that refuses a body says so and closes its side: what it said may be there already.
		u.await(min(u.x.call.Answer, lastWords))
	default:
		// The caller cannot finish this request any more, and the instance has to see that it is not whole.
		u.cause.Store(&err)
		u.x.close()
	}
}

// explain says why an exchange failed: where it was its body, the connection only says that it was closed.
func (u *upload) explain(err error) error {
	if u == nil {
		return err
	}
	if cause := u.cause.Load(); cause != nil {
		return fmt.Errorf("%w (%w)", *cause, err)
	}
	return err
}

// await bounds the wait for the head of the answer, unless it is there.
func (u *upload) await(d time.Duration) {
	if u.head.Load() {
		return
	}
	_ = u.x.deadline(u.x.SetReadDeadline, d)
	if u.head.Load() { // it came in between, and its body has no deadline
		_ = u.x.deadline(u.x.SetReadDeadline, 0)
	}
}

// allowed waits for the instance to want the body, where it was asked.
func (u *upload) allowed() bool {
	if u.expect == nil {
		return true
	}
	timer := time.NewTimer(continueTimeout)
	defer timer.Stop()
	select {
	case proceed := <-u.expect:
		return proceed
	case <-timer.C:
		return true
	case <-u.x.req.Context().Done():
		return false
	}
}

func (u *upload) tell(proceed bool) {
	if u != nil && u.expect != nil {
		u.once.Do(func() { u.expect <- proceed })
	}
}

// proceed takes the instance's 100.
func (u *upload) proceed() { u.tell(true) }

// answered takes the head of the final answer: a body that still waits for a 100 is not wanted.
func (u *upload) answered() {
	u.head.Store(true)
	u.tell(false)
	_ = u.x.deadline(u.x.SetReadDeadline, 0)
}

// abandon says whether the request was sent whole, and ends its sending otherwise.
func (x *exchange) abandon() bool {
	u := x.upload
	if u == nil {
		return true
	}
	if u.sent.Load() {
		<-u.done
		return true
	}
	x.close()
	u.tell(false)
	return false
}

// copy sends the body as it comes, each part as soon as it is there.
func (u *upload) copy() error {
	x := u.x
	buffer := buffers.Get().(*[copyBuffer]byte)
	defer buffers.Put(buffer)
	left := x.req.ContentLength
	chunked := left <= 0
	for chunked || left > 0 {
		part := buffer[:]
		if !chunked {
			part = part[:min(int64(len(part)), left)]
		}
		n, err := x.req.Body.Read(part)
		if n > 0 {
			left -= int64(n)
			if err := u.write(part[:n], chunked); err != nil {
				return fmt.Errorf("%w: %w", errWrite, err)
			}
		}
		if err == io.EOF { // readers return it bare
			break
		}
		if err != nil {
			return fmt.Errorf("read the request's body: %w", err)
		}
	}
	if !chunked {
		if left > 0 {
			return errShort
		}
		return nil
	}
	if err := u.writeEnd(); err != nil {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	return nil
}

func (u *upload) write(p []byte, chunked bool) error {
	x := u.x
	if err := x.deadline(x.SetWriteDeadline, x.call.Answer); err != nil {
		return err
	}
	if chunked {
		_, _ = fmt.Fprintf(x.w, "%x\r\n", len(p))
	}
	_, _ = x.w.Write(p)
	if chunked {
		_, _ = x.w.WriteString("\r\n")
	}
	return x.w.Flush()
}

// writeEnd writes the last chunk and the trailers, whose values are known once the body was read.
func (u *upload) writeEnd() error {
	x := u.x
	if err := x.deadline(x.SetWriteDeadline, x.call.Answer); err != nil {
		return err
	}
	_, _ = x.w.WriteString("0\r\n")
	for _, name := range trailers(x.req) {
		for _, value := range x.req.Trailer[http.CanonicalHeaderKey(name)] {
			_, _ = x.w.WriteString(name + ": " + value + "\r\n")
		}
	}
	_, _ = x.w.WriteString("\r\n")
	return x.w.Flush()
}
