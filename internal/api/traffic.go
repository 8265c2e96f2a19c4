package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// Traffic tells what the gateways do.
type Traffic interface {
	// Gateways is the state of every gateway, in the order of the units. One that does not answer is
	// there with its Error; the call as a whole only fails with ctx.
	Gateways(ctx context.Context) ([]Gateway, error)
}

// TrafficState is where the traffic goes.
type TrafficState struct {
	Gateways []Gateway `json:"gateways"`
}

// Gateway is one gateway's word on what it serves.
type Gateway struct {
	Unit string `json:"unit"`
	// Name is empty when it does not answer and never did.
	Name string `json:"name,omitempty"`
	// Address is where it takes its routes.
	Address string `json:"address"`
	// Error is why it could not be asked; the rest is empty then.
	Error string `json:"error,omitempty"`
	// Digest names all its routes: gateways of a unit that serve alike have the same.
	Digest string  `json:"digest,omitempty"`
	Routes []Route `json:"routes"`
}

// Route is one component's traffic in one gateway.
type Route struct {
	// Key is tenant/application/environment/component.
	Key     string `json:"key"`
	Release string `json:"release,omitempty"`
	Version int64  `json:"version"`
	// Path is the prefix of its requests, Host limits it to one host name.
	Path string `json:"path,omitempty"`
	Host string `json:"host,omitempty"`
	// Weight is what was asked for, InForce what the gateway gives the canary now.
	Weight  release.Weight `json:"weight"`
	InForce release.Weight `json:"in_force"`
	// LeaseLeft is how long InForce holds without renewal; 0 for a weight without a lease.
	LeaseLeft release.Duration `json:"lease_left"`
	// Lapsed says that the lease ran out and the gateway took the traffic back to stable.
	Lapsed bool `json:"lapsed"`
	// Tripped says what the gateway's guard has found against the canary, when it was that.
	Tripped string `json:"tripped,omitempty"`
	// Stable and Canary are nil when there is none.
	Stable *RouteRevision `json:"stable,omitempty"`
	Canary *RouteRevision `json:"canary,omitempty"`
}

// RouteRevision is one revision's part of a route, counted since the gateway's start.
type RouteRevision struct {
	Revision string `json:"revision"`
	Requests uint64 `json:"requests"`
	// Errors are those requests that ended with a 5xx, or with no whole answer for the instance's fault.
	Errors   uint64 `json:"errors"`
	InFlight int64  `json:"in_flight"`
	// P99 is the 99th percentile of the time to answer; 0 before the first request.
	P99 release.Duration `json:"p99"`
}

func (s *Server) showTraffic(w http.ResponseWriter, r *http.Request) {
	given, who := paramsOf(r.Context()), holderOf(r.Context())
	ctx, cancel := context.WithTimeout(r.Context(), askFor)
	defer cancel()
	gateways, err := s.traffic.Gateways(ctx)
	if err != nil {
		s.fail(w, r, fmt.Errorf("ask the gateways: %w", err))
		return
	}
	state := TrafficState{Gateways: make([]Gateway, 0, len(gateways))}
	for _, g := range gateways {
		chosen := []Route{}
		for _, route := range g.Routes {
			if belongs(route.Key, given.text("tenant"), given.text("application")) && who.sees(tenantOf(route.Key)) {
				chosen = append(chosen, route)
			}
		}
		g.Routes = chosen
		state.Gateways = append(state.Gateways, g)
	}
	reply(w, http.StatusOK, state)
}

// belongs says whether a route is of a tenant and application; empty is any.
func belongs(key, tenant, application string) bool {
	parts := strings.SplitN(key, "/", 3)
	return len(parts) == 3 && (tenant == "" || parts[0] == tenant) && (application == "" || parts[1] == application)
}

// tenantOf is whose a route is.
func tenantOf(key string) string {
	tenant, _, _ := strings.Cut(key, "/")
	return tenant
}
