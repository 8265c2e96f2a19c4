package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestOnlyTunnelsAreNotJudgedByTheirTime has requests that offer another protocol, as curl --http2 does, and stay what
// they are.
func TestOnlyTunnelsAreNotJudgedByTheirTime(t *testing.T) {
	g := newTestGateway(t, Options{})
	mustApply(t, g, testRoute(1, weight(10000)))
	r := g.table.Load().lookup("x", "/web")
	for _, test := range []struct {
		name, connection, upgrade string
		judged                    bool
	}{
		{"a WebSocket", "Upgrade", "websocket", false},
		{"HTTP/2, which is not taken", "Upgrade, HTTP2-Settings", "h2c", true},
		{"an upgrade of no connection", "keep-alive", "websocket", true},
	} {
		req := httptest.NewRequest(http.MethodGet, "/web", nil)
		req.Header = http.Header{"Connection": {test.connection}, "Upgrade": {test.upgrade}}
		x := &exchange{g: g, client: req.Context(), arrived: time.Now(), route: r, assignment: r.assign(req, 10000)}
		x.testify(req)
		both := x.verdict.ledger.limits.Load()
		if judged := x.verdict.limits == &both.warm || x.verdict.limits == &both.cold; judged != test.judged {
			t.Errorf("%s: judged %v, want %v", test.name, judged, test.judged)
		}
	}
}
