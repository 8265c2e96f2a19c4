package gateway

import (
	"net/http"
	"testing"
)

// TestAClientWhoseBodyBreaksInTheAnswerIsToBlame has instances that answer while they still read, and clients that
// break the body off behind the head of the answer.
func TestAClientWhoseBodyBreaksInTheAnswerIsToBlame(t *testing.T) {
	for _, test := range []struct{ name, then string }{
		{"what is no chunk", "zz\r\n"},
		{"more than the path takes", "10\r\n0123456789abcdef\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWire(t, Options{}, func(c *wireConn) {
				if _, err := http.ReadRequest(c.in); err != nil {
					return
				}
				c.say(ok1("Transfer-Encoding: chunked\r\n", "1\r\na\r\n"))
				_, _ = c.in.Peek(1 << 10) // until the gateway gives up
			})
			r := testRoute(2, weight(0))
			r.Stable, r.Canary, r.Ingress.MaxBody = target("web-1", w.instance), nil, 4
			mustApply(t, w.g, r)
			c := w.dial(t)
			c.say(chunkedPost("1\r\na\r\n"))
			if _, err := http.ReadResponse(c.in, nil); err != nil {
				t.Fatal(err)
			}
			c.say(test.then)
			if got := newClass(RevisionStats{}, w.settled(t)); got != "aborted" {
				t.Errorf("counted as %s, want aborted: the instance did nothing wrong", got)
			}
		})
	}
}
