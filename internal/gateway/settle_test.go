package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// lateReader fails as a connection's read does whose server cancels the request's context before the read returns.
type lateReader struct {
	cancel context.CancelFunc
	fail   <-chan struct{}
}

func (r lateReader) Read([]byte) (int, error) {
	r.cancel()
	<-r.fail
	return 0, os.ErrDeadlineExceeded
}

// patient is an answer to a connection whose reads can be bounded.
type patient struct{ *httptest.ResponseRecorder }

func (patient) SetReadDeadline(time.Time) error { return nil }

func TestAnAnswerWaitsToLearnWhyTheBodyBrokeOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		fail, refused := make(chan struct{}), make(chan *refusal, 1)
		body := newRequestBody(patient{httptest.NewRecorder()}, httptest.NewRequest(http.MethodPost, "/", http.NoBody))
		body.ReadCloser = io.NopCloser(lateReader{cancel, fail})
		x := &exchange{client: ctx, body: body}
		body.x = x
		go func() { _, _ = io.ReadAll(body) }()
		synctest.Wait()
		go func() { refused <- x.failed(ctx.Err()) }()
		synctest.Wait()
		close(fail)
		if f := <-refused; f.status != http.StatusRequestTimeout {
			t.Errorf("the client is told %d, want 408", f.status)
		}
	})
}
