package gateway

import (
	"errors"
	"io"
	"net/http"
)

// replayLimit is how much of a request's body is remembered until it is known to have been sent. It
// is more than the transport reads before its first write.
const replayLimit = 64 << 10

var errBodyGone = errors.New("the request's body was sent in part and cannot be sent again")

// requestBody lets a request start over as long as the beginning of its body is remembered. The
// transport reads a body before it knows that the connection is dead, and a client sends it only once.
// One attempt reads at a time.
type requestBody struct {
	source io.Reader
	x      *exchange
	head   []byte // what was read from source
	gone   bool   // head was too long to keep
	ended  bool   // source has said io.EOF
}

// rewind returns the body from its start, or an error when the start is gone.
func (b *requestBody) rewind() (io.ReadCloser, error) {
	if b.gone {
		return nil, errBodyGone
	}
	return &bodyAttempt{body: b}, nil
}

type bodyAttempt struct {
	body *requestBody
	at   int // bytes of head this attempt has read
}

// Read reads what earlier attempts have read, and then on.
func (a *bodyAttempt) Read(p []byte) (int, error) {
	b := a.body
	if !b.gone && a.at < len(b.head) {
		n := copy(p, b.head[a.at:])
		a.at += n
		return n, nil
	}
	if b.ended {
		// The transport looks once more behind the end. By then the instance may have answered and the
		// server may have closed the source, and its error would break off the answer.
		return 0, io.EOF
	}
	n, err := b.source.Read(p)
	switch {
	case err == nil:
	case err == io.EOF: // readers return it bare
		b.ended = true
	case !errors.Is(err, http.ErrBodyReadAfterClose):
		b.x.clientBroke.Store(true)
	}
	if !b.gone {
		if len(b.head)+n > replayLimit {
			b.head, b.gone = nil, true
		} else {
			b.head = append(b.head, p[:n]...)
			a.at = len(b.head)
		}
	}
	return n, err
}

// Close leaves the source open for the next attempt; whoever serves the request closes it.
func (a *bodyAttempt) Close() error { return nil }

// responseBody notes how an instance's answer ends.
type responseBody struct {
	io.ReadCloser
	x *exchange
}

// Read reads from the instance.
func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.x.bytes += int64(n)
	switch {
	case err == nil:
	case err == io.EOF: // readers return it bare
		b.x.complete = true
	case b.x.client.Err() == nil:
		b.x.broken = true
	}
	return n, err
}
