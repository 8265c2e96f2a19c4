package gateway

import (
	"io"
	"net/http"
	"strings"
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

// TestAClientThatTakesNothingIsLetGo has clients that read nothing of what they asked for, in the ways around the copying
// of an answer.
func TestAClientThatTakesNothingIsLetGo(t *testing.T) {
	big := strings.Repeat("x", 100<<10)
	for _, test := range []struct{ name, header, answer string }{
		{"of an upgrade that is refused", "Connection: Upgrade\r\nUpgrade: x\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"},
		{"of early hints", "", "HTTP/1.1 103 Early Hints\r\nX-Big: " + big + "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWire(t, Options{ClientIdle: 50 * time.Millisecond}, badThen(func(c *wireConn, _ *http.Request) bool {
				c.say(test.answer)
				for strings.Contains(test.answer, "000000000") {
					if _, err := io.WriteString(c, big); err != nil {
						return true
					}
				}
				return false
			}))
			c := w.dial(t)
			_ = c.SetReadBuffer(4 << 10)
			for range 100 { // what is answered fills the line in the end
				c.say("GET /web/bad HTTP/1.1\r\nHost: x\r\n" + test.header + "\r\n")
			}
			quiet := 0 // looks in a row that found no request under way
			eventually(t, "the connection is given up", func() bool {
				if quiet++; statsOf(w.g, "web-1").InFlight > 0 {
					quiet = 0
				}
				return quiet == 100
			})
		})
	}
}
