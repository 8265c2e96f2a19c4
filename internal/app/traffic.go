package app

import (
	"context"
	"sync"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/release"
)

// trafficView is what the gateways do, in the API's words.
type trafficView struct{ fleet *admin.Fleet }

// Gateways asks every gateway, all at the same time.
func (t trafficView) Gateways(ctx context.Context) ([]api.Gateway, error) {
	var out []api.Gateway
	var clients []*admin.Client
	for _, unit := range t.fleet.Units() {
		of, err := t.fleet.Gateways(unit)
		if err != nil {
			return nil, err
		}
		for _, client := range of {
			out = append(out, api.Gateway{Unit: unit, Address: client.Name()})
			clients = append(clients, client)
		}
	}
	var asking sync.WaitGroup
	for i, client := range clients {
		asking.Go(func() { describe(ctx, client, &out[i]) })
	}
	asking.Wait()
	return out, ctx.Err()
}

// describe fills in what one gateway says.
func describe(ctx context.Context, client *admin.Client, out *api.Gateway) {
	state, err := client.State(ctx)
	if err != nil {
		out.Error = err.Error()
		return
	}
	stats, err := client.Stats(ctx)
	if err != nil {
		out.Error = err.Error()
		return
	}
	out.Name, out.Digest = state.Gateway, state.Digest
	for _, route := range state.Routes {
		tripped := ""
		if route.Tripped != nil {
			tripped = route.Tripped.Sentence
		}
		out.Routes = append(out.Routes, api.Route{
			Key: route.Route.Key, Release: route.Route.Release, Version: route.Route.Version,
			Path: route.Route.Ingress.Path, Host: route.Route.Ingress.Host,
			Weight: route.Route.Weight, InForce: route.Weight, LeaseLeft: route.LeaseLeft, Lapsed: route.Lapsed, Tripped: tripped,
			Stable: revisionView(route.Route.Key, route.Route.Stable, stats), Canary: revisionView(route.Route.Key, route.Route.Canary, stats),
		})
	}
}

// revisionView is one revision's part of a route; nil when the route has none.
func revisionView(key string, target *release.Target, stats gateway.Stats) *api.RouteRevision {
	if target == nil {
		return nil
	}
	view := &api.RouteRevision{Revision: target.Revision}
	for _, s := range stats.Revisions {
		if s.Route == key && s.Revision == target.Revision {
			view.Requests, view.InFlight, view.P99 = s.Requests, s.InFlight, release.Duration(s.P99)
			view.Errors = failures(s.Classes)
		}
	}
	return view
}

// failures counts the classes that are the instance's fault.
func failures(classes map[string]uint64) uint64 {
	var n uint64
	for _, class := range []gateway.Class{gateway.Class5xx, gateway.ClassConnect, gateway.ClassTimeout, gateway.ClassBroken} {
		n += classes[class.String()]
	}
	return n
}
