package app

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/gateway/admin"
)

// newFleet is a client for every gateway of every unit.
func newFleet(units []config.Unit, token string) (*admin.Fleet, error) {
	all := make([]admin.Unit, 0, len(units))
	for _, unit := range units {
		clients := make([]*admin.Client, 0, len(unit.Gateways))
		for _, base := range unit.Gateways {
			address, err := url.Parse(base)
			if err != nil {
				return nil, fmt.Errorf("gateway of unit %s: %w", unit.Name, err)
			}
			client, err := admin.NewClient(address.Host, base, token)
			if err != nil {
				return nil, fmt.Errorf("gateway of unit %s: %w", unit.Name, err)
			}
			clients = append(clients, client)
		}
		all = append(all, admin.Unit{Name: unit.Name, Gateways: clients})
	}
	return admin.NewFleet(all...)
}

// observer is a gateway as a watcher sees it.
type observer struct {
	name   string
	client *admin.Client
}

// observersOf are the gateways of a unit. A unit that the fleet does not have has none; a plan for
// it is refused long before it is watched.
func observersOf(fleet *admin.Fleet) func(unit string) []activities.Observer {
	return func(unit string) []activities.Observer {
		clients, err := fleet.Gateways(unit)
		if err != nil {
			return nil
		}
		out := make([]activities.Observer, len(clients))
		for i, client := range clients {
			out[i] = observer{name: unit + "/" + client.Name(), client: client}
		}
		return out
	}
}

// Name is the unit and the gateway.
func (o observer) Name() string { return o.name }

// Observe asks the gateway for evidence.
func (o observer) Observe(ctx context.Context, release string, after map[string]activities.Cursor, wait time.Duration) ([]activities.Observation, error) {
	cursors := make(map[string]gateway.Cursor, len(after))
	for key, cursor := range after {
		cursors[key] = gateway.Cursor(cursor)
	}
	evidence, err := o.client.Evidence(ctx, release, cursors, wait)
	if err != nil {
		return nil, err
	}
	out := make([]activities.Observation, len(evidence.Routes))
	for i, route := range evidence.Routes {
		out[i] = activities.Observation{
			Key: route.Key, Version: route.Version, Weight: route.Weight, Lapsed: route.Lapsed, Tripped: route.Tripped,
			Batches: route.Batches, Next: activities.Cursor(route.Next), Lost: route.Lost != nil,
		}
	}
	return out, nil
}

// Renew renews leases.
func (o observer) Renew(ctx context.Context, keys []string, version int64, ttl time.Duration) error {
	return o.client.Renew(ctx, keys, version, ttl)
}
