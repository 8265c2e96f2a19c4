package bench_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	gatewayClients = 64
	// turn is how long one side is measured before the other has its turn, warmUp what comes before
	// each and does not count.
	turn   = 1500 * time.Millisecond
	warmUp = 300 * time.Millisecond
	// benchRelease is whose canary the gateway's second route has.
	benchRelease = "bench/gateway/production/1"
	benchLease   = 10 * time.Minute
	canaryWeight = release.Weight(2000)
	// cpuBar is what a request may cost of what it costs a bare proxy, in processor time.
	cpuBar = 0.6
	// guardBar is how much of the rate without a guard is left with one, guardCost what it costs a request.
	guardBar  = 0.95
	guardCost = 200 * time.Nanosecond
)

// side is one way to the backend.
type side struct {
	name    string
	process *process
	clients []*caller
	// One value a turn.
	rates, p50s, p99s, cpus []float64
	failed                  int
}

// benchGateway measures gateways, each a process of its own, without the rest of the program.
func benchGateway(b *testing.B, r *report) {
	b.Run("proxy", func(b *testing.B) { benchProxy(b, r) })
	b.Run("bad", func(b *testing.B) { benchGuard(b, r) })
	b.Run("changes", func(b *testing.B) { benchShifts(b, r) })
	b.Run("millions", func(b *testing.B) { benchMillions(b, r) })
}

// benchProxy compares the gateway with a bare reverse proxy: the same backend, the same clients, in turns.
func benchProxy(b *testing.B, r *report) {
	backend := startProcess(b, roleBackend)
	proxy := startProcess(b, roleProxy, backendVariable+"="+backend.Addr)
	served := startProcess(b, roleGateway, nameVariable+"=bench", stateVariable+"="+b.TempDir())
	control, err := admin.NewClient("bench", "http://"+served.Admin, controlToken)
	require.NoError(b, err)
	defer control.Close()
	_, err = control.Apply(b.Context(), gatewayRoutes(backend.Addr))
	require.NoError(b, err)
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	go readEvidence(ctx, control)
	sides := []*side{
		{name: "backend alone", process: backend, clients: callersOf(gatewayClients, backend.Addr, http.MethodGet, "/plain", "")},
		{name: "httputil.ReverseProxy", process: proxy, clients: callersOf(gatewayClients, proxy.Addr, http.MethodGet, "/plain", "")},
		{name: "gateway, stable only", process: served, clients: callersOf(gatewayClients, served.Addr, http.MethodGet, "/plain", "")},
		{name: "gateway, 20 % canary", process: served, clients: callersOf(gatewayClients, served.Addr, http.MethodGet, "/canary", "")},
		{name: "gateway, 20 % canary, no guard", process: served, clients: callersOf(gatewayClients, served.Addr, http.MethodGet, "/blind", "")},
	}
	for b.Loop() {
		for round := range *rounds {
			for i := range sides {
				// Each round begins with another side, so that none always follows the same.
				takeTurn(b, sides[(round+i)%len(sides)])
			}
		}
	}
	for _, s := range sides {
		closeAll(s.clients)
	}
	reportGateway(b, r, sides)
}

// gatewayRoutes are one route with a stable revision alone, one that shares with a canary under a guard, and one that does
// and judges nothing.
func gatewayRoutes(backend string) []release.Route {
	stable := release.Target{Revision: "stable", Endpoints: []string{backend}}
	canary := release.Target{Revision: "canary", Endpoints: []string{backend}}
	return []release.Route{
		{Key: "bench/gateway/production/plain", Ingress: release.Ingress{Path: "/plain"}, Version: 1, Stable: &stable},
		{
			Key: "bench/gateway/production/canary", Ingress: release.Ingress{Path: "/canary"}, Version: 1, Stable: &stable, Canary: &canary,
			Weight: canaryWeight, Lease: release.Duration(benchLease), Release: benchRelease, Salt: "salt", Sticky: release.StickyRequest,
			Guard: &release.Guard{FalseRollback: 0.005, ErrorMargin: 0.0005, Steps: 5, Planned: release.Duration(10 * time.Minute)},
		},
		{
			Key: "bench/gateway/production/blind", Ingress: release.Ingress{Path: "/blind"}, Version: 1, Stable: &stable, Canary: &canary,
			Weight: canaryWeight, Lease: release.Duration(benchLease), Salt: "salt", Sticky: release.StickyRequest,
		},
	}
}

// readEvidence takes the evidence off the gateway, as a watcher does.
func readEvidence(ctx context.Context, control *admin.Client) {
	after := map[string]gateway.Cursor{}
	for ctx.Err() == nil {
		evidence, err := control.Evidence(ctx, benchRelease, after, time.Second)
		if err != nil {
			return
		}
		for _, route := range evidence.Routes {
			after[route.Key] = route.Next
		}
	}
}

// takeTurn measures one side once.
func takeTurn(b *testing.B, s *side) {
	b.Helper()
	warm, cancel := context.WithTimeout(b.Context(), warmUp)
	flatOut(warm, s.clients)
	cancel()
	before, began := s.process.cpu(b), time.Now()
	ctx, cancel := context.WithTimeout(b.Context(), turn)
	answers := flatOut(ctx, s.clients)
	cancel()
	took, used := time.Since(began), s.process.cpu(b)-before
	latencies := make([]time.Duration, 0, len(answers))
	for _, a := range answers {
		if a.failed() {
			s.failed++
		}
		latencies = append(latencies, a.took)
	}
	require.NotEmpty(b, answers, "%s answered nothing", s.name)
	s.rates = append(s.rates, float64(len(answers))/took.Seconds())
	s.p50s = append(s.p50s, ms(median(latencies)))
	s.p99s = append(s.p99s, ms(quantile(latencies, 0.99)))
	s.cpus = append(s.cpus, us(used)/float64(len(answers)))
}

func reportGateway(b *testing.B, r *report, sides []*side) {
	b.Helper()
	bare := sides[1]
	for _, s := range sides {
		r.add("proxying: "+s.name, "%.0f requests/s, p50 %.2f ms, p99 %.1f ms, %.0f µs CPU a request, %d failed",
			median(s.rates), median(s.p50s), median(s.p99s), median(s.cpus), s.failed)
		require.Zero(b, s.failed, "%s failed requests", s.name)
	}
	for _, s := range sides[2:] {
		rate, cpu := ratio(s.rates, bare.rates), ratio(s.cpus, bare.cpus)
		p99 := ratio(s.p99s, bare.p99s)
		r.judge("proxying: p99, "+s.name+" / ReverseProxy", "<= 1", p99 <= 1, "%.2f", p99)
		r.judge("proxying: CPU a request, "+s.name+" / ReverseProxy", "<= 0.6", cpu <= cpuBar, "%.2f (requests/s %.2f)", cpu, rate)
	}
	on, off := sides[3], sides[4]
	kept := ratio(on.rates, off.rates)
	r.judge("proxying: requests/s with the guard / without", ">= 0.95", kept >= guardBar, "%.2f (CPU a request %.2f)", kept, ratio(on.cpus, off.cpus))
	b.ReportMetric(median(sides[2].cpus), "µs-cpu/request")
	b.ReportMetric(median(sides[2].rates), "requests/s")
	b.ReportMetric(0, "ns/op")
}

// ratio is the median of the ratios within each round: what else the machine does meets both sides of
// a round alike.
func ratio(of, to []float64) float64 {
	out := make([]float64, min(len(of), len(to)))
	for i := range out {
		out[i] = of[i] / to[i]
	}
	return median(out)
}

// canned answers at once, so that the proxy's own work is what is left.
type canned struct{}

// RoundTrip answers without a network.
func (canned) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req, ContentLength: 0, Body: http.NoBody,
		Header: http.Header{"Content-Type": {"text/plain"}, "Date": {"Mon, 02 Mar 2026 12:00:00 GMT"}},
	}, nil
}

// handlerRequests is how many requests a handler serves in its turn.
const handlerRequests = 20_000

// benchHandler compares the same without a network, where the noise of the machine is least.
func benchHandler(b *testing.B, r *report) {
	g, err := gateway.New(gateway.Options{Name: "bench", Transport: canned{}})
	require.NoError(b, err)
	_, err = g.Apply(gatewayRoutes("127.0.0.1:1"))
	require.NoError(b, err)
	bare := bareProxy("127.0.0.1:1")
	bare.Transport = canned{}
	sides := []struct {
		name, path string
		handler    http.Handler
		times      []float64
	}{
		{name: "httputil.ReverseProxy", path: "/plain", handler: bare},
		{name: "gateway, stable only", path: "/plain", handler: g},
		{name: "gateway, 20 % canary", path: "/canary", handler: g},
		{name: "gateway, 20 % canary, no guard", path: "/blind", handler: g},
	}
	for b.Loop() {
		for range *rounds {
			for i, s := range sides {
				began := time.Now()
				for range handlerRequests {
					serveOne(s.handler, s.path)
				}
				sides[i].times = append(sides[i].times, us(time.Since(began))/handlerRequests)
			}
		}
	}
	for i, s := range sides {
		text := fmt.Sprintf("%.2f µs, %.0f allocations a request", median(s.times), testing.AllocsPerRun(1000, func() { serveOne(s.handler, s.path) }))
		if i > 0 {
			text += fmt.Sprintf(", %.2f x ReverseProxy", ratio(s.times, sides[0].times))
		}
		r.add("handler without a network: "+s.name, "%s", text)
	}
	allocations := func(path string) float64 { return testing.AllocsPerRun(1000, func() { serveOne(g, path) }) }
	// Of each round the difference, for what else the machine does meets both sides of a round alike.
	more := make([]float64, len(sides[2].times))
	for i := range more {
		more[i] = sides[2].times[i] - sides[3].times[i]
	}
	cost := time.Duration(median(more) * float64(time.Microsecond))
	allocated := allocations("/canary") - allocations("/blind")
	r.judge("guard and evidence: cost a request", "<= 200 ns, 0 allocations", cost <= guardCost && allocated <= 0, "%s, %.0f allocations", cost, allocated)
	b.ReportMetric(0, "ns/op")
}

func serveOne(handler http.Handler, path string) {
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Header.Set("User-Agent", "skyisland-bench")
	handler.ServeHTTP(httptest.NewRecorder(), request)
}
