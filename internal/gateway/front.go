package gateway

import "github.com/prometheus/client_golang/prometheus"

func newHTTP2Errors(name string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "skyisland_gateway_http2_errors_total", Help: "Streams and connections of HTTP/2 that were ended for what their client did.",
		ConstLabels: prometheus.Labels{"gateway": name},
	}, []string{"error"})
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
		g.http2Errors,
	}
}
