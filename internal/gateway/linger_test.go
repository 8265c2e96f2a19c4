package gateway

import (
	"io"
	"net/http"
	"testing"
)

// TestAClientThatSendsNoMoreOfItsBodyIsLetGo has instances that answer before a body is there, and clients that then
// neither send the rest nor leave.
func TestAClientThatSendsNoMoreOfItsBodyIsLetGo(t *testing.T) {
	for _, test := range []struct{ name, head, body string }{
		{"of known length", "Content-Length: 100000\r\n", "a"},
		{"in chunks", "Transfer-Encoding: chunked\r\n", "1\r\na\r\n"},
		{"in half a chunk", "Transfer-Encoding: chunked\r\n", "ff\r\na"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWire(t, Options{}, func(c *wireConn) {
				if _, err := http.ReadRequest(c.in); err != nil {
					return
				}
				c.say(ok1("Content-Length: 2\r\n", "no"))
				_, _ = io.Copy(io.Discard, c.in)
			})
			c := w.dial(t)
			c.say(post1(test.head, test.body))
			if got := c.statuses(t); got != "200" {
				t.Errorf("statuses %q, want 200 and the end of the connection", got)
			}
			w.settled(t)
		})
	}
}
