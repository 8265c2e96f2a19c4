package release

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Route is the full desired state of one component's traffic in one unit. A gateway takes it whole
// or refuses it; there are no partial updates.
type Route struct {
	// Key names the route: tenant/application/environment/component.
	Key     string  `json:"key"`
	Ingress Ingress `json:"ingress"`
	// Version rises with every change of the route, over all releases of the lane. The same version
	// with the same content is a repetition; an older one, or other content, is refused.
	Version int64 `json:"version"`
	// Stable and Canary are nil when there is none; at least one is set, but for a route that was
	// taken back to nothing.
	Stable *Target `json:"stable,omitempty"`
	Canary *Target `json:"canary,omitempty"`
	// Weight is the canary's part. Below 100 % it is only served while the lease lasts.
	Weight Weight `json:"weight"`
	// Lease is how long the weight holds without renewal, counted by the gateway from when it
	// applied the route. 0 is allowed at 0 and 100 % only.
	Lease Duration `json:"lease,omitempty"`
	// Fresh begins a ramp: the route may be applied where the lease of this release has run out. It
	// is about the change and no part of the state, so routes that differ in nothing else are the same.
	Fresh bool `json:"fresh,omitempty"`
	// Release is the release the canary belongs to, Salt its secret for the draw: random per
	// release, so that who is drawn first changes from release to release.
	Release    string `json:"release,omitempty"`
	Salt       string `json:"salt,omitempty"`
	Sticky     Sticky `json:"sticky,omitempty"`
	UserHeader string `json:"user-header,omitempty"`
	// WarmUp ends this long after the canary first got traffic; until then its latency counts less strictly.
	WarmUp Duration `json:"warm-up,omitempty"`
	// Latency says how slow the canary may be; nil leaves it to the gateway.
	Latency *LatencyBound `json:"latency,omitempty"`
	// Guard is the gateway's own test of the canary; nil leaves judging to whoever reads its evidence.
	Guard *Guard `json:"guard,omitempty"`
}

// Guard is a test that a gateway runs by itself on what it sees of a canary. What it finds against the canary takes the
// traffic back at once in this gateway, for the rest of the release. The first guard of a release counts on a route: a
// test is not changed while it runs.
type Guard struct {
	// FalseRollback bounds the chance that the guard cuts off a harmless canary, over the release; above 0, at most 0.5.
	// It is this gateway's part, on this route, of what the release may spend.
	FalseRollback float64 `json:"false-rollback"`
	// ErrorMargin is how much the canary's failure rate may be above stable's, 0 to below 1.
	ErrorMargin float64 `json:"error-margin"`
	// Steps and Planned are how many steps the ramp has, at least 1, and how long they take together, at least 1 s: the
	// guard spreads its stakes over them.
	Steps   int      `json:"steps"`
	Planned Duration `json:"planned"`
}

// mostGuardSteps bounds what a document may ask of the arithmetic.
const mostGuardSteps = 1000

func (g Guard) check() error {
	switch {
	case !(g.FalseRollback > 0 && g.FalseRollback <= 0.5):
		return fmt.Errorf("guard: false rollback %v: want above 0 and at most 0.5", g.FalseRollback)
	case !(g.ErrorMargin >= 0 && g.ErrorMargin < 1):
		return fmt.Errorf("guard: error margin %v: want 0 to below 1", g.ErrorMargin)
	case g.Steps < 1 || g.Steps > mostGuardSteps:
		return fmt.Errorf("guard: %d steps: want 1 to %d", g.Steps, mostGuardSteps)
	case g.Planned.Std() < time.Second:
		return fmt.Errorf("guard: planned %s: want at least 1s", g.Planned)
	}
	return nil
}

// LatencyBound compares a quantile of the canary's latency with stable's.
type LatencyBound struct {
	// Quantile is in percent, 90 to 99.9; Margin is how much slower the canary may be, as a share of
	// stable's latency, at most 10 times.
	Quantile float64 `json:"quantile"`
	Margin   float64 `json:"margin"`
}

// The bounds of [LatencyBound].
const (
	leastQuantile = 90
	mostQuantile  = 99.9
	mostMargin    = 10
)

// Target is a revision and where its instances listen.
type Target struct {
	Revision string `json:"revision"`
	// Endpoints are host:port, in the order of the instances.
	Endpoints []string `json:"endpoints"`
	// H2C says that they are spoken to by HTTP/2 without TLS.
	H2C bool `json:"h2c,omitempty"`
}

// RouteKey names the route of a component.
func RouteKey(lane Lane, component string) string { return lane.String() + "/" + component }

// Check says what is wrong with a route, and nil when a gateway can serve it.
func (r Route) Check() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if strings.Count(r.Key, "/") != 3 {
		add("key %q: want tenant/application/environment/component", r.Key)
	}
	if !strings.HasPrefix(r.Ingress.Path, "/") {
		add("path %q: want a path that starts with /", r.Ingress.Path)
	}
	if r.Version < 1 {
		add("version %d: want 1 or more", r.Version)
	}
	if !r.Weight.Valid() {
		add("weight %d permyriad: want 0 to 10000", int(r.Weight))
	}
	if r.Weight > NoWeight && r.Canary == nil {
		add("weight %s without a canary", r.Weight)
	}
	if r.Weight > NoWeight && r.Weight < FullWeight {
		if r.Stable == nil {
			add("weight %s without a stable revision to return to", r.Weight)
		}
		if r.Lease <= 0 {
			add("weight %s without a lease", r.Weight)
		}
		if r.Salt == "" {
			add("weight %s without a salt for the draw", r.Weight)
		}
	}
	if l := r.Latency; l != nil && (l.Quantile < leastQuantile || l.Quantile > mostQuantile || l.Margin < 0 || l.Margin > mostMargin) {
		add("latency: quantile %v and margin %v: want 90 to 99.9 percent and 0 to 10", l.Quantile, l.Margin)
	}
	if err := r.Ingress.Check(); err != nil {
		problems = append(problems, err)
	}
	if r.Guard != nil {
		if err := r.Guard.check(); err != nil {
			problems = append(problems, err)
		}
	}
	for _, side := range []struct {
		role   string
		target *Target
	}{{"stable", r.Stable}, {"canary", r.Canary}} {
		if t := side.target; t != nil && (t.Revision == "" || len(t.Endpoints) == 0) {
			add("%s: want a revision and at least one endpoint", side.role)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("route %s: %w", r.Key, errors.Join(problems...))
}

// Receipt is a gateway's word that it serves a set of routes.
type Receipt struct {
	Gateway string `json:"gateway"`
	// Versions are the version in force for each route key.
	Versions map[string]int64 `json:"versions"`
	// Digest is the hash of all the gateway's routes, to compare and find drift.
	Digest string `json:"digest"`
}

// WeightVersion is one weight that a release gave to its routes, and the version it gave it under.
type WeightVersion struct {
	Version int64  `json:"version"`
	Weight  Weight `json:"weight"`
}
