package gateway

import "github.com/skyisland/skyisland/internal/release"

// State is what a gateway serves right now.
type State struct {
	Gateway string `json:"gateway"`
	Unit    string `json:"unit,omitempty"`
	// Digest is that of [Digest] over all routes.
	Digest string `json:"digest"`
	// Unsaved says that the copy on disk is older than what is in force.
	Unsaved bool         `json:"unsaved,omitempty"`
	Routes  []RouteState `json:"routes"`
}

// RouteState is one route as it is in force.
type RouteState struct {
	// Route is the document without its salt, which is a secret.
	Route release.Route `json:"route"`
	// Weight is the canary's part right now; it differs from the document's when the lease lapsed.
	Weight release.Weight `json:"weight"`
	Lapsed bool           `json:"lapsed,omitempty"`
	// Tripped is what the route's guard has found against the canary.
	Tripped *release.Evidence `json:"tripped,omitempty"`
	// LeaseLeft is 0 when the weight needs no lease or the lease has run out.
	LeaseLeft release.Duration `json:"lease_left,omitempty"`
}

// State returns the routes in force, by key.
func (g *Gateway) State() State {
	t, uptime := g.table.Load(), g.uptime()
	s := State{Gateway: g.opts.Name, Unit: g.opts.Unit, Digest: t.digest, Unsaved: g.disk != nil && g.disk.unsaved.Load()}
	for _, r := range sortedRoutes(t) {
		w, expired := r.weight(uptime)
		if expired {
			g.lapse(r, uptime)
		}
		state := RouteState{Route: r.doc.Route, Weight: w, Lapsed: expired, Tripped: r.tripped()}
		state.Route.Salt = ""
		if r.lease != nil {
			state.LeaseLeft = release.Duration(r.lease.left(uptime))
		}
		s.Routes = append(s.Routes, state)
	}
	return s
}
