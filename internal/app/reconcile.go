package app

import (
	"context"
	"time"

	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// reconcileEvery is how often gateways are compared with what they should have.
	reconcileEvery = 2 * time.Second
	// reconcileTimeout bounds one comparison.
	reconcileTimeout = 10 * time.Second
)

// reconcile gives gateways the routes they should have and do not: one that joined, or lost its
// copy. It never takes a newer route back: a release under way is ahead of what is stored.
func (a *App) reconcile(ctx context.Context) error {
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	for {
		for _, unit := range a.fleet.Units() {
			a.reconcileUnit(ctx, unit)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *App) reconcileUnit(ctx context.Context, unit string) {
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()
	wanted, err := a.store.Routes(ctx, unit)
	if err != nil {
		if ctx.Err() == nil {
			a.log.WarnContext(ctx, "routes not read", "unit", unit, "error", err)
		}
		return
	}
	gateways, err := a.fleet.Gateways(unit)
	if err != nil {
		return
	}
	for _, gateway := range gateways {
		a.reconcileGateway(ctx, unit, gateway, wanted)
	}
}

func (a *App) reconcileGateway(ctx context.Context, unit string, gateway *admin.Client, wanted []release.Route) {
	state, err := gateway.State(ctx)
	if err != nil {
		// A gateway that is away is compared when it is back; what watches it says so meanwhile.
		return
	}
	has := map[string]int64{}
	for _, route := range state.Routes {
		has[route.Route.Key] = route.Route.Version
	}
	var missing []release.Route
	for _, route := range wanted {
		if version, there := has[route.Key]; (!there && (route.Stable != nil || route.Canary != nil)) || (there && version < route.Version) {
			// What is stored holds without a lease and was served by every gateway, so a lease of an older
			// version that ran out on this one alone is no reason to stay behind.
			route.Fresh = true
			missing = append(missing, route)
		}
	}
	if len(missing) == 0 {
		return
	}
	if _, err := gateway.Apply(ctx, missing); err != nil {
		a.log.WarnContext(ctx, "gateway not reconciled", "unit", unit, "gateway", gateway.Name(), "error", err)
		return
	}
	a.log.InfoContext(ctx, "gateway reconciled", "unit", unit, "gateway", gateway.Name(), "routes", len(missing))
}
