package gateway

import (
	"net/http"
	"testing"
	"time"
)

// TestAClientIsNotToBlameForASlowInstance has answers whose parts come later than a client may take to read one.
func TestAClientIsNotToBlameForASlowInstance(t *testing.T) {
	const idle = 20 * time.Millisecond
	for _, test := range []struct {
		name, header string
		parts        []string
		want         string
	}{
		{"the first event", "Transfer-Encoding: chunked\r\n", []string{"1\r\na\r\n0\r\n\r\n"}, "a"},
		{"the end of a stream", "Transfer-Encoding: chunked\r\n", []string{"1\r\na\r\n", "0\r\n\r\n"}, "a"},
		{"a trailer", "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", []string{"1\r\na\r\n", "0\r\nX-Sum: 1\r\n\r\n"}, "a"},
		{"a body of known length", "Content-Length: 1\r\n", []string{"a"}, "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWire(t, Options{ClientIdle: idle}, badThen(func(c *wireConn, _ *http.Request) bool {
				c.say(ok1(test.header, ""))
				for _, part := range test.parts {
					<-time.After(5 * idle) // longer than the bound is what is tested
					c.say(part)
				}
				return false
			}))
			c := w.dial(t)
			c.say("GET /web/bad HTTP/1.1\r\nHost: x\r\n\r\n")
			if _, body, err := c.answer(http.MethodGet); err != nil || body != test.want {
				t.Errorf("got %q (%v), want %q", body, err, test.want)
			}
		})
	}
}
