package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// h2cInstance serves HTTP/2 without TLS and nothing else.
func h2cInstance(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, Protocols: protocols((*http.Protocols).SetUnencryptedHTTP2)}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

func h2cTarget(revision, endpoint string) *release.Target {
	target := target(revision, endpoint)
	target.H2C = true
	return target
}

func TestInstancesMaySpeakHTTP2(t *testing.T) {
	endpoint := h2cInstance(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, r.Proto+" "+r.Host+" ")
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Asked"))
	})
	g := newTestGateway(t, Options{})
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = h2cTarget("web-1", endpoint) }))
	base := serve(t, g)
	for _, size := range []int{0, 5, 1 << 20} {
		body := strings.Repeat("b", size)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/web", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Host, req.Trailer = "shop.example", http.Header{"X-Asked": {"42"}}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if want := "HTTP/2.0 shop.example " + body; err != nil || string(got) != want || resp.Trailer.Get("X-Sum") != "42" {
			t.Errorf("%d bytes: got %d bytes, trailer %q (%v)", size, len(got), resp.Trailer.Get("X-Sum"), err)
		}
	}
}

func TestInstancesOfHTTP2ThatFail(t *testing.T) {
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	for _, test := range []struct {
		name     string
		endpoint string
		want     int
		class    string
	}{
		{"nobody there", refused(t), 502, "connect"},
		{"it breaks off", h2cInstance(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), 502, "broken"},
		{"it does not answer", h2cInstance(t, func(http.ResponseWriter, *http.Request) { <-stuck }), 504, "timeout"},
		{"it speaks HTTP/1.1 only", instance(t, answerWith("x")), 502, "broken"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newTestGateway(t, Options{})
			mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) {
				r.Stable, r.Ingress.Timeout = h2cTarget("web-1", test.endpoint), release.Duration(patience)
				if test.want == http.StatusGatewayTimeout {
					r.Ingress.Timeout = release.Duration(100 * time.Millisecond)
				}
			}))
			if resp, _ := get(t, serve(t, g)+"/web"); resp.StatusCode != test.want {
				t.Errorf("got %d, want %d", resp.StatusCode, test.want)
			}
			if s := statsOf(g, "web-1"); s.Classes[test.class] != 1 {
				t.Errorf("counted %v, want %s", s.Classes, test.class)
			}
		})
	}
}

func TestARouteSaysHowLongAnAnswerMayTake(t *testing.T) {
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	endpoint := instance(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
	})
	g := newTestGateway(t, Options{})
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) {
		r.Stable, r.Ingress.Timeout = target("web-1", endpoint), release.Duration(50*time.Millisecond)
	}))
	if resp, _ := get(t, serve(t, g)+"/web"); resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("got %d, want 504", resp.StatusCode)
	}
	if _, err := g.Apply([]release.Route{testRoute(2, weight(0), func(r *release.Route) { r.Ingress.Timeout = release.MostTimeout + 1 })}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a time-out of more than an hour: %v", err)
	}
}
