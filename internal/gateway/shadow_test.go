package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestNobodySaysForTheGatewayWhatOnlyItKnows has clients that spell the gateway's own fields as many servers read them.
func TestNobodySaysForTheGatewayWhatOnlyItKnows(t *testing.T) {
	w := newWire(t, Options{}, echoes)
	c := w.dial(t)
	c.say("GET /web/a HTTP/1.1\r\nHost: x\r\nX_Skyisland-caller: root\r\nX_FORWARDED_FOR: 1.2.3.4\r\nX_Own: 1\r\nConnection: close\r\n\r\n")
	if _, _, err := c.answer(http.MethodGet); err != nil {
		t.Fatal(err)
	}
	got := strings.ToLower(strings.Join(w.received(t), ""))
	if strings.Contains(got, "root") || strings.Contains(got, "1.2.3.4") || !strings.Contains(got, "x_own: 1") {
		t.Errorf("the instance got %q", got)
	}
}

func TestTrailersDoNotFrameAnAnswer(t *testing.T) {
	w := newWire(t, Options{}, badThen(func(c *wireConn, _ *http.Request) bool {
		c.say(ok1("Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nX-Sum: 1\r\n\r\n"))
		return false
	}))
	c := w.dial(t)
	c.say("GET /web/bad HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	raw, err := io.ReadAll(c.in)
	if err != nil || !strings.HasSuffix(string(raw), "\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n") {
		t.Errorf("the client got %q (%v)", raw, err)
	}
}
