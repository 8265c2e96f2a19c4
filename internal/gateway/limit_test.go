package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestABodyThatIsTooLargeMeetsAnAnswer lets a body exceed its bound while the head of an answer is written: both are the
// client's side of the same request, in two goroutines.
func TestABodyThatIsTooLargeMeetsAnAnswer(t *testing.T) {
	headers := strings.Builder{}
	for i := range 200 {
		fmt.Fprintf(&headers, "X-Field-%d: 1\r\n", i)
	}
	answering := make(chan struct{})
	w := newWire(t, Options{}, func(c *wireConn) {
		for {
			if _, err := http.ReadRequest(c.in); err != nil {
				return
			}
			_, _ = c.in.ReadByte() // the body has begun
			answering <- struct{}{}
			c.say(ok1(headers.String()+"Content-Length: 1\r\n", "a"))
		}
	})
	r := testRoute(2, weight(0))
	r.Stable, r.Canary, r.Ingress.MaxBody = target("web-1", w.instance), nil, 4
	mustApply(t, w.g, r)
	for range 200 {
		c := w.dial(t)
		c.say(chunkedPost("2\r\nab\r\n"))
		await(t, answering)
		c.say("8\r\nabcdefgh\r\n")
		resp, _, err := c.answer(http.MethodPost)
		if err == nil && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Fatalf("status %d", resp.StatusCode)
		}
		_ = c.Close()
	}
}
