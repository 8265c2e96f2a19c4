package gateway

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/gateway/http1"
)

// lateError is an answer that has not begun in time.
type lateError struct{ after time.Duration }

func (e *lateError) Error() string   { return "no answer within " + e.after.String() }
func (e *lateError) Timeout() bool   { return true }
func (e *lateError) Temporary() bool { return true }

// lateness bounds the wait for the head of an answer, and gives the request up behind it. While the client is waited for
// it stands still, as over HTTP/1.1: how fast a client uploads says nothing about the instance.
type lateness struct {
	within time.Duration
	cancel context.CancelFunc

	mu    sync.Mutex
	timer *time.Timer
	// over says that the head is there or was given up, late the latter; client that the client is waited for.
	over, late, client bool
}

func (l *lateness) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(l.within, l.end)
}

func (l *lateness) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.client {
		return
	}
	l.over, l.late = true, true
	l.cancel()
}

// heard takes in that the wait is over, and says whether it was too long.
func (l *lateness) heard() (late bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.timer.Stop()
	return l.late
}

func (l *lateness) waits(client bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client = client
	switch {
	case client:
		l.timer.Stop()
	case !l.over:
		l.timer.Reset(l.within)
	}
}

// lentBody is a client's body as a transport of net/http gets it. It stays open where they would close it: what was not
// read may be for another instance, and to close it would be to read the rest.
type lentBody struct {
	io.Reader
	late *lateness
}

// Read waits for the client, and not for the instance.
func (b *lentBody) Read(p []byte) (int, error) {
	b.late.waits(true)
	defer b.late.waits(false)
	return b.Reader.Read(p)
}

// Close does nothing.
func (b *lentBody) Close() error { return nil }

// roundTripLate bounds the wait for the head of an answer. cancel gives the request up; it is called with the answer's
// end, and where there is none.
func roundTripLate(t http.RoundTripper, req *http.Request, cancel context.CancelFunc, within time.Duration) (*http.Response, error) {
	late := &lateness{within: within, cancel: cancel}
	if http1.HasBody(req) {
		req.Body = &lentBody{req.Body, late}
	}
	late.start()
	resp, err := t.RoundTrip(req)
	if late.heard() {
		if resp != nil {
			_ = resp.Body.Close() // it came too late
		}
		return nil, &lateError{within}
	}
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &cancelBody{resp.Body, cancel}
	return resp, nil
}

// cancelBody ends a request's context with its answer.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close gives up what was not read.
func (b *cancelBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
