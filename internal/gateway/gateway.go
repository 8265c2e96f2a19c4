package gateway

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/skyisland/skyisland/internal/gateway/http1"
)

const tick = time.Second

// Gateway serves traffic as its routes say. It is an [http.Handler], safe for concurrent use, and
// needs [Gateway.Run] beside it.
type Gateway struct {
	opts    Options
	started time.Time
	table   atomic.Pointer[table]
	tunnels *httputil.ReverseProxy
	// tunnelTransport carries what becomes a tunnel; buffers are what answers are copied through.
	tunnelTransport http.RoundTripper
	h2c             *http.Transport
	unitTransport   *http.Transport
	units           map[string]*url.URL
	buffers         buffers
	access          *accessLog
	tracer          trace.Tracer // nil when nobody takes spans
	disk            *disk        // nil when routes are kept in memory only

	// refused are requests for which there was no route, by reason.
	refused     refusals
	connections connections
	underWay    atomic.Int64 // requests, tunnels included
	// http2Errors by what clients did against the protocol; the names are the standard library's, and few.
	http2Errors *prometheus.CounterVec

	// mu orders changes of the routes. Nothing waits while it is held.
	mu        sync.Mutex
	revisions map[revisionKey]*revision
	lastRun   uint64
	// tenantLimits are those that routes of a tenant share.
	tenantLimits map[tenantLimit]*limiter

	// saveSoon lets Run write at once what is not on disk yet.
	saveSoon chan struct{}
}

// New returns a gateway that serves the routes it finds in its state directory. A state that cannot
// be read as a whole is put aside and the gateway starts without routes; that is logged and is no
// error. It fails when the options are wrong or the directory cannot be made.
func New(opts Options) (*Gateway, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		opts: opts, started: opts.Now(), revisions: map[revisionKey]*revision{}, access: newAccessLog(opts.AccessLog, opts.Unit),
		tracer: newTracer(opts), http2Errors: newHTTP2Errors(opts.Name), saveSoon: make(chan struct{}, 1),
	}
	g.table.Store(newTable(map[string]*route{}, nil))
	g.tunnels, g.tunnelTransport = g.newTunnels(), newTunnelTransport(opts)
	g.h2c, g.unitTransport, g.tenantLimits = newH2C(opts), newUnitTransport(opts), map[tenantLimit]*limiter{}
	if g.units, err = unitsOf(opts.Units); err != nil {
		return nil, err
	}
	if opts.StateDir == "" {
		return g, nil
	}
	if g.disk, err = newDisk(opts.StateDir); err != nil {
		return nil, fmt.Errorf("open gateway state: %w", err)
	}
	content, err := g.disk.read()
	if err != nil {
		return nil, fmt.Errorf("read gateway state: %w", err)
	}
	if err := g.restore(content); err != nil {
		aside, asideErr := g.disk.setAside(opts.Now())
		if asideErr != nil {
			return nil, fmt.Errorf("put aside gateway state that cannot be read (%w): %w", err, asideErr)
		}
		opts.Log.Error("gateway state cannot be read, starting without routes", "error", err, "kept_as", aside)
	}
	g.saveUnsaved() // what the start has changed
	return g, nil
}

// Name is the gateway's name in receipts and evidence.
func (g *Gateway) Name() string { return g.opts.Name }

// Run does what no request waits for: it notices leases that ran out without one, keeps latency
// thresholds current, writes what the disk would not take before, and writes the access log. It
// returns nil when ctx ends.
func (g *Gateway) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.access.write(ctx)
	}()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			g.tick()
		case <-g.saveSoon:
			g.saveUnsaved()
		case <-ctx.Done():
			<-done
			g.saveUnsaved()
			for _, pool := range g.pools() {
				pool.Close()
			}
			g.h2c.CloseIdleConnections()
			g.unitTransport.CloseIdleConnections()
			return nil
		}
	}
}

func (g *Gateway) tick() {
	now, uptime := g.opts.Now(), g.uptime()
	for _, r := range g.table.Load().routes {
		if r.evidence != nil && r.evidence.guard != nil {
			r.evidence.guard.tick(now)
		}
		if _, expired := r.weight(uptime); expired {
			g.lapse(r, uptime)
		}
		if r.evidence != nil {
			r.evidence.limits.Store(r.live.latency.thresholds(r.evidence.latency, r.evidence.errorAge, now))
			continue
		}
		r.live.latency.settle(now)
	}
	for _, pool := range g.pools() {
		pool.Reap()
	}
	g.saveUnsaved()
}

// pools are the connections to all instances.
func (g *Gateway) pools() []*http1.Pool {
	g.mu.Lock()
	defer g.mu.Unlock()
	var pools []*http1.Pool
	for _, v := range g.revisions {
		for _, e := range v.endpoints {
			if e.pool != nil {
				pools = append(pools, e.pool)
			}
		}
	}
	return pools
}

// lapse takes a route that has returned to stable by itself in, and says so once.
func (g *Gateway) lapse(r *route, uptime time.Duration) {
	tripped := r.tripped() != nil
	if r.lease == nil || !r.lease.lapse(uptime, tripped) {
		return
	}
	if !tripped { // the guard has said more
		g.opts.Log.Warn("lease ran out, traffic is back on stable", "route", r.doc.Key, "release", r.doc.Release,
			"version", r.doc.Version, "weight", r.doc.Weight.String())
	}
	g.unsaved()
	if r.evidence != nil {
		r.evidence.nudge()
	}
}

// unsaved says that something has changed without anybody who waits for the disk, and lets [Gateway.Run] write it.
func (g *Gateway) unsaved() {
	g.markUnsaved()
	select {
	case g.saveSoon <- struct{}{}:
	default:
	}
}

// uptime is the time since the gateway's start on the monotonic clock.
func (g *Gateway) uptime() time.Duration { return g.opts.Now().Sub(g.started) }

// sorted returns the routes by key.
func (g *Gateway) sorted() []*route { return sortedRoutes(g.table.Load()) }

func sortedRoutes(t *table) []*route { return slices.SortedFunc(maps.Values(t.routes), byKey) }
