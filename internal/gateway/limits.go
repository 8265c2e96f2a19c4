package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/gateway/ratelimit"
	"github.com/skyisland/skyisland/internal/release"
)

// limiter is one limit of a route, over all its versions.
type limiter struct {
	per    release.Per
	bucket *ratelimit.Bucket // per route and tenant
	keyed  *ratelimit.Keyed  // per user and address
}

func newLimiter(l release.RateLimit) *limiter {
	limit := ratelimit.Limit{Every: time.Duration(float64(time.Second) / float64(l.Rate)), Burst: l.Burst}
	if limit.Burst == 0 {
		limit.Burst = max(1, int(l.Rate))
	}
	if l.Per == release.PerUser || l.Per == release.PerAddress {
		return &limiter{per: l.Per, keyed: ratelimit.NewKeyed(limit)}
	}
	return &limiter{per: l.Per, bucket: ratelimit.NewBucket(limit)}
}

// take lets a request of the given key through, or says how long it is too soon.
func (l *limiter) take(key string, uptime time.Duration) time.Duration {
	if l.bucket != nil {
		return l.bucket.Take(uptime)
	}
	return l.keyed.Take(key, uptime)
}

// tenantLimit names a bucket that routes of a tenant share.
type tenantLimit struct {
	tenant string
	release.RateLimit
}

func tenantLimitOf(key string, l release.RateLimit) tenantLimit {
	tenant, _, _ := strings.Cut(key, "/")
	return tenantLimit{tenant, l}
}

// limitersOf are the limits of a document, those that were there before with what they have counted. The caller holds mu.
func (g *Gateway) limitersOf(d *document, live *live) []*limiter {
	if len(d.Ingress.Limits) == 0 {
		live.limiters = nil
		return nil
	}
	kept := make(map[release.RateLimit]*limiter, len(d.Ingress.Limits))
	var list []*limiter
	for _, l := range d.Ingress.Limits {
		one := live.limiters[l]
		switch {
		case one != nil:
		case l.Per == release.PerTenant:
			shared := tenantLimitOf(d.Key, l)
			if one = g.tenantLimits[shared]; one == nil {
				one = newLimiter(l)
				g.tenantLimits[shared] = one
			}
		default:
			one = newLimiter(l)
		}
		kept[l] = one
		list = append(list, one)
	}
	live.limiters = kept
	return list
}

// limited refuses a request that comes too soon for one of the route's limits per address, or for one of the others.
func (r *route) limited(perAddress bool, key func() string, uptime time.Duration) *refusal {
	for _, l := range r.limiters {
		if (l.per == release.PerAddress) != perAddress {
			continue
		}
		var name string
		if l.keyed != nil {
			name = key()
		}
		if wait := l.take(name, uptime); wait > 0 {
			return &refusal{
				status: http.StatusTooManyRequests, reason: "rate-" + string(l.per), wait: wait,
				detail: "Too many requests for this " + string(l.per) + ". Retry-After says in how many seconds one may be let through.",
			}
		}
	}
	return nil
}

// address is who sends the request, for limits: an IPv4 address, or the /64 network that one subscriber has in IPv6.
func (g *Gateway) address(req *http.Request) string {
	text := req.RemoteAddr
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	if chain := req.Header["X-Forwarded-For"]; g.opts.TrustForwarded && len(chain) > 0 {
		// The last entry is what the proxy before the gateway has seen; those before it are hearsay.
		last := chain[len(chain)-1]
		text = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return text
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		if network, err := a.Prefix(64); err == nil {
			return network.Addr().String()
		}
	}
	return a.String()
}
