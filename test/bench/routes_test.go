package bench_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// routeGateways is how many gateways a change has to reach.
	routeGateways = 3
	// routeRate is the load on all of them together, in requests a second, over routeClients connections to each.
	routeRate    = 300
	routeClients = 10
	// betweenChanges keeps the changes apart, as those of a release are.
	betweenChanges = 5 * time.Millisecond
	routeBar       = 20 * time.Millisecond
)

// benchRoutes measures how long a change of a route takes until every gateway of a unit serves it,
// while clients send requests that must not be sent twice.
func benchRoutes(b *testing.B, r *report) {
	backend := startProcess(b, roleBackend)
	clients := make([]*admin.Client, routeGateways)
	var load [][]*caller
	for i := range clients {
		name := fmt.Sprintf("bench-%d", i)
		p := startProcess(b, roleGateway, nameVariable+"="+name, stateVariable+"="+b.TempDir())
		var err error
		clients[i], err = admin.NewClient(name, "http://"+p.Admin, controlToken)
		require.NoError(b, err)
		b.Cleanup(clients[i].Close)
		load = append(load, callersOf(routeClients, p.Addr, http.MethodPost, "/canary", "one order, please"))
	}
	fleet, err := admin.NewFleet(admin.Unit{Name: "bench", Gateways: clients})
	require.NoError(b, err)
	weights := []release.Weight{0, 100, 500, 2000, 5000, 10000}
	next := int64(0)
	change := func() time.Duration {
		next++
		route := gatewayRoutes(backend.Addr)[1]
		route.Version, route.Weight = next, weights[next%int64(len(weights))]
		began := time.Now()
		receipts, err := fleet.Apply(b.Context(), "bench", []release.Route{route})
		took := time.Since(began)
		require.NoError(b, err)
		require.Len(b, receipts, routeGateways)
		return took
	}
	change()
	ctx, stop := context.WithCancel(b.Context())
	asked, failed := sendLoad(ctx, load)
	noise := startNoise(ctx)
	var up, down, disk []time.Duration
	for b.Loop() {
		for i := range *changes {
			took := change()
			// The way back to stable does not wait for the disk.
			if weights[next%int64(len(weights))] == release.NoWeight {
				down = append(down, took)
			} else {
				up = append(up, took)
			}
			if i%10 == 0 {
				disk = append(disk, writeFile(b))
			}
			wait(b.Context(), betweenChanges)
		}
	}
	stop()
	reportRoutes(b, r, append(up, down...), down, disk, asked(), failed())
	noise.end(r, "route change")
}

// sendLoad sends requests to every gateway until ctx ends. What it returns waits for the last answer.
func sendLoad(ctx context.Context, load [][]*caller) (asked, failed func() int64) {
	var all, bad atomic.Int64
	var sending sync.WaitGroup
	for _, clients := range load {
		sending.Go(func() {
			defer closeAll(clients)
			paced(ctx, routeRate/len(load), clients, func(a answer) {
				all.Add(1)
				if a.failed() {
					bad.Add(1)
				}
			})
		})
	}
	after := func(n *atomic.Int64) func() int64 {
		return func() int64 {
			sending.Wait()
			return n.Load()
		}
	}
	return after(&all), after(&bad)
}

// writeFile is what the disk alone takes for what a gateway does before it raises a weight: write a
// small file, sync it and rename it.
func writeFile(b *testing.B) time.Duration {
	b.Helper()
	name := filepath.Join(b.TempDir(), "routes.json")
	began := time.Now()
	file, err := os.Create(name + ".new")
	require.NoError(b, err)
	_, err = file.Write(make([]byte, answerLength))
	require.NoError(b, err)
	require.NoError(b, file.Sync())
	require.NoError(b, file.Close())
	require.NoError(b, os.Rename(name+".new", name))
	return time.Since(began)
}

func reportRoutes(b *testing.B, r *report, all, down, disk []time.Duration, asked, failed int64) {
	b.Helper()
	p99 := quantile(all, 0.99)
	r.judge("route change applied on every gateway, p99", "< 20 ms", p99 < routeBar,
		"%.1f ms (p50 %.1f ms, %d changes, %d gateways)", ms(p99), ms(median(all)), len(all), routeGateways)
	r.add("route change to 0 %", "p50 %.1f ms, p99 %.1f ms", ms(median(down)), ms(quantile(down, 0.99)))
	r.add("route change: one synced write to this disk", "p50 %.1f ms, p99 %.1f ms", ms(median(disk)), ms(quantile(disk, 0.99)))
	r.judge("route change: failed POST requests", "0", failed == 0, "%d of %d", failed, asked)
	b.ReportMetric(ms(median(all)), "p50-ms")
	b.ReportMetric(ms(p99), "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// wait is a pause that ends with ctx.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
