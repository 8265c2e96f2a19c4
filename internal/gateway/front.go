package gateway

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// frontMetrics are what is counted of clients before any route knows of them.
type frontMetrics struct {
	malformed atomic.Uint64
	// http2Errors by what clients did against the protocol; the names are the standard library's, and few.
	http2Errors *prometheus.CounterVec
}

func newFrontMetrics(name string) *frontMetrics {
	return &frontMetrics{http2Errors: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "skyisland_gateway_http2_errors_total", Help: "Streams and connections of HTTP/2 that were ended for what their client did.",
		ConstLabels: prometheus.Labels{"gateway": name},
	}, []string{"error"})}
}

// frontCollectors say how many clients there are and may be, and what they did wrong.
func (g *Gateway) frontCollectors() []prometheus.Collector {
	labels := prometheus.Labels{"gateway": g.opts.Name}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "skyisland_gateway_" + name, Help: help, ConstLabels: labels}, value)
	}
	return []prometheus.Collector{
		gauge("connections", "Connections of clients, tunnels included.", func() float64 { return float64(g.connections.open.Load()) }),
		gauge("connections_limit", "How many connections there may be; others wait.", func() float64 { return float64(g.opts.MaxConnections) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "skyisland_gateway_malformed_requests_total", Help: "Requests over HTTP/2 that were refused because HTTP/1.1 cannot say them.",
			ConstLabels: labels,
		}, func() float64 { return float64(g.front.malformed.Load()) }),
		g.front.http2Errors,
	}
}
