package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// TestAnAnswerWithoutTheBodyBreaksNoNextRequest has bodies that nobody reads: the connection either ends with the answer,
// and says so, or carries the next request.
func TestAnAnswerWithoutTheBodyBreaksNoNextRequest(t *testing.T) {
	early := instance(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) })
	for _, test := range []struct {
		name string
		edit func(*release.Route)
		want int
	}{
		{"nobody accepts connections", func(r *release.Route) { r.Stable = target("web-1", refused(t)) }, 502},
		{"the instance wants none of it", func(r *release.Route) { r.Stable = target("web-1", early) }, 413},
		{"too many", limits(release.RateLimit{Per: release.PerRoute, Rate: 0.001, Burst: 1}), 429},
		{"too large", func(r *release.Route) { r.Ingress.MaxBody = 10 }, 413},
		{"something else answers", func(r *release.Route) {
			r.Stable, r.Ingress.Fallback = target("web-1", refused(t)), &release.Fallback{Answer: &release.StaticAnswer{Status: 200, Type: "text/plain"}}
		}, 200},
	} {
		for _, size := range []int{20, 20_000, 200_000, 1_000_000} {
			t.Run(fmt.Sprintf("%s, %d bytes", test.name, size), func(t *testing.T) {
				g := newTestGateway(t, Options{})
				mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", early) }, test.edit))
				if test.want == http.StatusTooManyRequests {
					ask(g, "/web") // the one that is let in
				}
				conn, err := net.Dial("tcp", strings.TrimPrefix(serve(t, g), "http://"))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				in := bufio.NewReader(conn)
				for n := range 3 {
					go func() {
						_, _ = fmt.Fprintf(conn, "POST /web HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))
					}()
					resp, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Fatalf("answer %d: %v", n, err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					if resp.StatusCode != test.want {
						t.Errorf("answer %d is %d, want %d", n, resp.StatusCode, test.want)
					}
					if resp.Close {
						break
					}
				}
			})
		}
	}
}
