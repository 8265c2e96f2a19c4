package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// TestTargetsReachWhoeverIsAskedAsTheyCame has those asked whom net/http's own transports ask.
func TestTargetsReachWhoeverIsAskedAsTheyCame(t *testing.T) {
	seen := make(chan string, 1)
	handler := func(_ http.ResponseWriter, r *http.Request) { seen <- r.RequestURI }
	h2c := newTestGateway(t, Options{})
	mustApply(t, h2c, testRoute(1, weight(0), func(r *release.Route) { r.Stable = h2cTarget("web-1", h2cInstance(t, handler)) }))
	there := newTestGateway(t, Options{Name: "gw-b"})
	mustApply(t, there, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-b", instance(t, handler)) }))
	unit := newTestGateway(t, Options{Units: map[string]string{"b": serve(t, there)}})
	mustApply(t, unit, testRoute(1, weight(0), fallback(release.Fallback{Unit: "b"}), func(r *release.Route) { r.Stable = target("web-a", refused(t)) }))
	tunnel := newTestGateway(t, Options{})
	mustApply(t, tunnel, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", instance(t, handler)) }))
	for _, g := range []struct {
		name, address, header string
	}{
		{"an instance over HTTP/2", serve(t, h2c), ""},
		{"another unit", serve(t, unit), ""},
		{"an instance that is asked for a tunnel", serve(t, tunnel), "Connection: Upgrade\r\nUpgrade: websocket\r\n"},
	} {
		for _, target := range []string{"/web/a%2Fb|c?x=%zz;y", "/web//a/../b?", "/web"} {
			t.Run(g.name+", "+target, func(t *testing.T) {
				c := dialWire(t, strings.TrimPrefix(g.address, "http://"))
				c.say("GET " + target + " HTTP/1.1\r\nHost: x\r\n" + g.header + "\r\n")
				if resp, _, err := c.answer(http.MethodGet); err != nil || resp.StatusCode != http.StatusOK {
					t.Fatalf("got %v (%v)", resp, err)
				}
				if got := <-seen; got != target {
					t.Errorf("it was asked for %s", got)
				}
			})
		}
	}
}
