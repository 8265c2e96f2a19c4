package gateway

import (
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skyisland/skyisland/internal/canary"
)

// latencyBounds are the buckets that Prometheus sees, in seconds.
var latencyBounds = [...]float64{0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// collector reads the counters when it is asked. Labels are bounded: routes and revisions are those
// the gateway keeps, classes are few.
type collector struct {
	g                                         *Gateway
	requests, latency, inFlight, weight       *prometheus.Desc
	lapsed, unrouted, unserved, unsaved, lost *prometheus.Desc
	tripped, refused, open, opened            *prometheus.Desc
	retried, instead                          *prometheus.Desc
}

// Metrics answers Prometheus.
func (g *Gateway) Metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(g))
	registry.MustRegister(g.frontCollectors()...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

func newCollector(g *Gateway) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("skyisland_gateway_"+name, help, labels, prometheus.Labels{"gateway": g.opts.Name})
	}
	return &collector{
		g:        g,
		requests: desc("requests_total", "Requests that ended, by how.", "route", "revision", "class"),
		latency:  desc("request_seconds", "Time to the end of the answer, or to its first byte when it streams.", "route", "revision"),
		inFlight: desc("requests_in_flight", "Requests that have not ended.", "route", "revision"),
		weight:   desc("canary_weight_ratio", "The canary's part in force, 0 to 1.", "route"),
		lapsed:   desc("lease_lapsed", "1 when the canary's lease ran out.", "route"),
		tripped:  desc("guard_tripped", "1 when the guard has cut the canary off.", "route"),
		refused:  desc("refused_requests_total", "Requests that were not let in, by why; route is empty where there was none.", "route", "reason"),
		open:     desc("breaker_open", "1 while the revision is left alone, or tried with single requests.", "route", "revision"),
		opened:   desc("breaker_opened_total", "How often the revision's breaker has opened.", "route", "revision"),
		retried:  desc("retries_total", "Requests that were sent again.", "route"),
		instead:  desc("fallbacks_total", "Requests that something else answered than their revision.", "route"),
		unrouted: desc("unrouted_requests_total", "Requests for which there was no route."),
		unserved: desc("unserved_requests_total", "Requests whose route had no revision."),
		unsaved:  desc("state_unsaved", "1 when the copy of the routes on disk is older than what is in force."),
		lost:     desc("access_lines_lost_total", "Access lines that were dropped because the writer did not keep up."),
	}
}

// Describe names the metrics.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.requests, c.latency, c.inFlight, c.weight, c.lapsed, c.tripped, c.unrouted, c.unserved, c.unsaved, c.lost,
		c.refused, c.open, c.opened, c.retried, c.instead,
	} {
		out <- d
	}
}

// Collect reads the counters.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	unserved := uint64(0)
	c.g.refused.each(func(reason string, n uint64) { count(c.refused, n, "", reason) })
	count(c.unrouted, c.g.refused.of(reasonUnrouted))
	if c.g.access != nil {
		count(c.lost, c.g.access.lost.Load())
	}
	out <- gauge(c.unsaved, flag(c.g.disk != nil && c.g.disk.unsaved.Load()))
	uptime := c.g.uptime()
	for _, r := range c.g.sorted() {
		key := r.doc.Key
		w, expired := r.weight(uptime)
		out <- gauge(c.weight, w.Fraction(), key)
		out <- gauge(c.lapsed, flag(expired), key)
		out <- gauge(c.tripped, flag(r.tripped() != nil), key)
		r.live.refused.each(func(reason string, n uint64) { count(c.refused, n, key, reason) })
		unserved += r.live.refused.of(reasonUnserved)
		count(c.retried, r.live.retried.Load(), key)
		count(c.instead, r.live.instead.Load(), key)
		for _, n := range r.live.all() {
			if b := r.live.breaker(n); b != nil {
				open, opened := b.state()
				out <- gauge(c.open, flag(open), key, n.revision)
				count(c.opened, opened, key, n.revision)
			}
			out <- gauge(c.inFlight, float64(n.inFlight.Load()), key, n.revision)
			for class := ClassNone + 1; class < classes; class++ {
				if v := n.byClass[class].Load(); v > 0 {
					out <- prometheus.MustNewConstMetric(c.requests, prometheus.CounterValue, float64(v), key, n.revision, class.String())
				}
			}
			out <- c.histogram(n, key)
		}
	}
	count(c.unserved, unserved)
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// histogram adds the fine buckets up to the coarse ones; a bound that falls into a fine bucket takes
// it whole, which is 2 % off at most.
func (c *collector) histogram(n *counters, key string) prometheus.Metric {
	buckets := make(map[float64]uint64, len(latencyBounds))
	var seen uint64
	next := 0
	for _, bound := range latencyBounds {
		last := canary.BucketOf(time.Duration(math.Round(bound * float64(time.Second))))
		for ; next <= last; next++ {
			seen += uint64(n.latency[next].Load())
		}
		buckets[bound] = seen
	}
	for ; next < canary.Buckets; next++ {
		seen += uint64(n.latency[next].Load())
	}
	sum := time.Duration(n.nanos.Load()).Seconds()
	return prometheus.MustNewConstHistogram(c.latency, seen, sum, buckets, key, n.revision)
}
