package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// bigEcho answers with the length of what it was sent.
func bigEcho(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	_, _ = w.Write(body)
}

func TestABodyReachesAnotherInstanceWhole(t *testing.T) {
	for _, h2c := range []bool{false, true} {
		g := newTestGateway(t, Options{})
		good := instance(t, bigEcho)
		if h2c {
			good = h2cInstance(t, bigEcho)
		}
		r := testRoute(1, weight(0))
		r.Stable, r.Canary = target("web-1", refused(t), good), nil
		r.Stable.H2C = h2c
		mustApply(t, g, r)
		base := serve(t, g)
		body := strings.Repeat("x", 4*atHand)
		for range 4 { // whichever instance is asked first
			if err := post(http.DefaultClient, base+"/web", body); err != nil {
				t.Errorf("h2c %v: %.200s", h2c, err)
			}
			for _, e := range g.revisions[revisionKey{"demo/hello/production", "web-1"}].endpoints {
				e.rests.Store(0)
			}
		}
	}
}

// slowBody gives its parts one by one.
type slowBody struct {
	parts int
	every time.Duration
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.parts == 0 {
		return 0, io.EOF
	}
	<-time.After(b.every)
	b.parts--
	return copy(p, bytes.Repeat([]byte("x"), 100)), nil
}

// TestAnAnswerIsNotLateBeforeItsRequest uploads for longer than an answer may take, over both protocols alike. An upload
// that is not answered is repeated with more time, in proportion, for machines on which an answer takes longer.
func TestAnAnswerIsNotLateBeforeItsRequest(t *testing.T) {
	const quick, slow = 50 * time.Millisecond, 4 * time.Second
	for _, h2c := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", h2c), func(t *testing.T) {
			g := newTestGateway(t, Options{})
			hang := make(chan struct{})
			defer close(hang)
			handler := func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/web/hang" {
					_, _ = io.Copy(io.Discard, r.Body)
					<-hang
				}
				bigEcho(w, r)
			}
			at := instance(t, handler)
			if h2c {
				at = h2cInstance(t, handler)
			}
			base := serve(t, g)
			version := int64(0)
			upload := func(path string, timeout time.Duration) int {
				version++
				r := testRoute(version, weight(0), func(r *release.Route) { r.Ingress.Timeout = release.Duration(timeout) })
				r.Stable, r.Canary = target("web-1", at), nil
				r.Stable.H2C = h2c
				mustApply(t, g, r)
				resp, err := http.Post(base+path, "text/plain", &slowBody{parts: 5, every: timeout / 2})
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				return resp.StatusCode
			}
			timeout := quick
			got := upload("/web", timeout)
			for got == http.StatusGatewayTimeout && timeout < slow {
				timeout *= 4
				got = upload("/web", timeout)
			}
			if got != http.StatusOK {
				t.Errorf("an answer behind an upload: status %d, want 200", got)
			}
			if got := upload("/web/hang", quick); got != http.StatusGatewayTimeout {
				t.Errorf("no answer behind an upload: status %d, want 504", got)
			}
		})
	}
}
