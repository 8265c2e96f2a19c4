package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// atHand is the largest body that is read whole before its request is sent. A client that is slow with a small body then
// holds no connection to an instance, and the request goes out in one piece.
const atHand = 16 << 10

// requestBody is a client's body. It notes how it ends, and waits for no part of it for too long.
type requestBody struct {
	io.ReadCloser
	x       *exchange
	control *http.ResponseController
	idle    time.Duration
	// single says that the connection carries one request at a time, and what follows a body is the next.
	single bool

	// mu guards control: it must not be used once the handler has returned, and whoever sends the body may still read then.
	mu sync.Mutex
	// ended says that it was read to its end, left that nobody wants the rest, reading that somebody waits for more, bounded
	// that the wait has an end.
	ended, left, reading, bounded bool
	// read tells leave and settle that nobody waits any more.
	read sync.Cond
}

func newRequestBody(w http.ResponseWriter, req *http.Request) *requestBody {
	b := &requestBody{ReadCloser: req.Body, control: http.NewResponseController(w), single: req.ProtoMajor == 1}
	b.read.L = &b.mu
	return b
}

// Read reads from the client.
func (b *requestBody) Read(p []byte) (int, error) {
	if !b.wait(b.idle) {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil, err == io.EOF: // readers return it bare
	case !errors.Is(err, http.ErrBodyReadAfterClose):
		b.x.bodyErr.CompareAndSwap(nil, &err)
	}
	b.stop(err == io.EOF)
	return n, err
}

// wait bounds how long the next bytes may take. It is false when nobody wants them any more.
func (b *requestBody) wait(d time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.left {
		b.bounded = b.control.SetReadDeadline(time.Now().Add(d)) == nil // it fails only where there is no connection
		b.reading = true
	}
	return !b.left
}

// stop notes that nobody waits for more, and whether the body was read to its end. What the client sends next may take
// its time.
func (b *requestBody) stop(ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading, b.ended = false, b.ended || ended
	b.read.Broadcast()
	if ended && !b.left {
		_ = b.control.SetReadDeadline(time.Time{})
	}
}

// whole says that the body was read to its end.
func (b *requestBody) whole() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended
}

// settle waits until it is noted how a read ended that failed. The server cancels the request's context before such a
// read returns, and whoever sees the context first would not know whether the client left or was too slow.
func (b *requestBody) settle() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.single && b.bounded && b.reading {
		b.read.Wait()
	}
}

// closing ends the client's connection with the answer when the body has not ended by now. Where a body ends that was not
// read nobody can tell, and what follows must not be taken for a request; in full duplex the server does not see to it.
func (b *requestBody) closing(h http.Header) {
	if b != nil && b.single && !b.whole() {
		h.Set("Connection", "close")
	}
}

// linger is how long a client may still send of a body that nobody wants, before its connection is closed. Closing at
// once could take the answer away from it.
const linger = time.Second

// leave gives up what is left of the body. It is called before the handler returns, and lets nobody wait for more behind
// it: the server would end that wait itself, and take the deadline away that bounds what it reads of the rest.
func (b *requestBody) leave() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = true
	if b.single && b.reading && b.control.SetReadDeadline(time.Unix(1, 0)) == nil {
		for b.reading {
			b.read.Wait()
		}
	}
	if !b.ended {
		_ = b.control.SetReadDeadline(time.Now().Add(linger))
	}
}

// content reads a small body whole; nil is one that is sent as it comes.
func content(req *http.Request) ([]byte, error) {
	if req.ContentLength <= 0 || req.ContentLength > atHand || req.Header["Expect"] != nil {
		return nil, nil
	}
	body := make([]byte, req.ContentLength)
	if _, err := io.ReadFull(req.Body, body); err != nil {
		return nil, err
	}
	return body, nil
}

// responseBody notes how an instance's answer ends.
type responseBody struct {
	io.ReadCloser
	x *exchange
	// client bounds how long the client may take what was read, where the gateway does not write it itself; else nil.
	client *http.ResponseController
}

// Ready says that the head of the answer need not be sent ahead, because some of its body is there.
func (b *responseBody) Ready() bool {
	r, ok := b.ReadCloser.(interface{ Ready() bool })
	return ok && r.Ready()
}

// Read reads from the instance.
func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.x.bytes += int64(n)
	if b.client != nil {
		b.x.g.patience(b.client)
	}
	switch {
	case err == nil:
	case err == io.EOF: // readers return it bare
		b.x.complete = true
	case !b.x.gaveUp(): // else the answer was given up with the request
		b.x.broken = true
	}
	return n, err
}
