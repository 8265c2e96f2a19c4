package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// BenchmarkGateway compares the gateway with a bare reverse proxy before the same instance, and says
// how many requests per second each carries and the ratio. The bare one has a transport that keeps as
// many connections, because with the default one it would be measured dialing.
func BenchmarkGateway(b *testing.B) {
	endpoint := instance(b, answerWith("hello"))
	backend, err := url.Parse("http://" + endpoint)
	if err != nil {
		b.Fatal(err)
	}
	bare := &httputil.ReverseProxy{
		Rewrite:   func(pr *httputil.ProxyRequest) { pr.SetURL(backend); pr.SetXForwarded() },
		Transport: &http.Transport{MaxIdleConnsPerHost: idlePerEndpoint, DisableCompression: true},
	}
	bareServer := httptest.NewServer(bare)
	b.Cleanup(bareServer.Close)
	var baseline float64
	b.Run("bare", func(b *testing.B) { baseline = load(b, bareServer.URL+"/web") })
	for _, test := range []struct {
		name string
		edit func(*release.Route)
	}{
		{"stable", weight(0)}, {"canary", weight(500)},
		{"sticky", func(r *release.Route) { sticky(r); weight(500)(r) }},
	} {
		g := newTestGateway(b, Options{})
		mustApply(b, g, testRoute(1, test.edit, func(r *release.Route) {
			r.Stable, r.Canary = target("web-1", endpoint), target("web-2", endpoint)
			r.UserHeader = ""
			if r.Weight > 0 {
				r.Lease = release.Duration(MaxLease)
			}
		}))
		base := serve(b, g)
		b.Run(test.name, func(b *testing.B) {
			rate := load(b, base+"/web")
			if baseline > 0 {
				b.ReportMetric(rate/baseline, "of_bare")
			}
		})
	}
}

func load(b *testing.B, url string) float64 {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	return loadBy(b, &http.Client{Transport: transport}, url)
}

func loadBy(b *testing.B, client *http.Client, url string) float64 {
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Get(url)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
	rate := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "req/s")
	return rate
}

// BenchmarkApply changes one route among 1,000.
func BenchmarkApply(b *testing.B) {
	for _, test := range []struct {
		name string
		dir  func(*testing.B) string
	}{
		{"memory", func(*testing.B) string { return "" }},
		{"disk", func(b *testing.B) string { return b.TempDir() }},
	} {
		b.Run(test.name, func(b *testing.B) {
			g, err := New(Options{Name: "gw", StateDir: test.dir(b)})
			if err != nil {
				b.Fatal(err)
			}
			routes := make([]release.Route, 1000)
			for i := range routes {
				routes[i] = placed(fmt.Sprint("c", i), "", fmt.Sprint("/c", i))
			}
			mustApply(b, g, routes...)
			version := int64(1)
			b.ReportAllocs()
			for b.Loop() {
				version++
				r := routes[500]
				r.Version = version
				if _, err := g.Apply([]release.Route{r}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
