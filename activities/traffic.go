package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/temporal"

	"github.com/skyisland/skyisland/internal/release"
)

// Router is what moving traffic needs of the gateways of a unit.
type Router interface {
	// Check says whether the unit's gateways would take the routes; [release.ErrConflict] or
	// [release.ErrLapsed] if not.
	Check(ctx context.Context, unit string, routes []release.Route) error
	// Size is how many gateways the unit has.
	Size(unit string) int
	// Apply returns when every gateway of the unit serves the routes, all of them from the same moment.
	// It is [release.ErrLapsed] where one has returned to stable by itself and they begin no new ramp.
	Apply(ctx context.Context, unit string, routes []release.Route) ([]release.Receipt, error)
}

// Traffic holds the activities that move live traffic.
type Traffic struct {
	Router Router
	// Salt gives a release its secret for the draw. It is made here, and not in the workflow, so
	// that no history holds it.
	Salt func(release string) string
}

// RouteInput is the desired state of some routes of a unit.
type RouteInput struct {
	Unit   string
	Routes []release.Route
}

// RouteResult is what the gateways say: the receipts of those that serve the routes, and how many were asked whether
// they would.
type RouteResult struct {
	Receipts []release.Receipt
	Gateways int
}

// Check asks whether the routes are free to be taken. It fails finally as [TypeTraffic] when
// another application owns one.
func (t *Traffic) Check(ctx context.Context, in RouteInput) (RouteResult, error) {
	if err := t.Router.Check(ctx, in.Unit, in.Routes); err != nil {
		return RouteResult{}, routeError(err, in.Unit)
	}
	return RouteResult{Gateways: t.Router.Size(in.Unit)}, nil
}

// Apply makes the unit's gateways serve the routes, and returns their receipts when all of them do.
// It is idempotent by the routes' version. A version that has been overtaken fails finally as [TypeTraffic],
// more weight for a canary whose lease ran out as [TypeLapsed].
func (t *Traffic) Apply(ctx context.Context, in RouteInput) (RouteResult, error) {
	routes := slices.Clone(in.Routes)
	for i := range routes {
		if routes[i].Release != "" {
			routes[i].Salt = t.Salt(routes[i].Release)
		}
	}
	receipts, err := t.Router.Apply(ctx, in.Unit, routes)
	return RouteResult{Receipts: receipts}, routeError(err, in.Unit)
}

func routeError(err error, unit string) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("routes of unit %s: %w", unit, err)
	switch {
	case errors.Is(err, release.ErrLapsed):
		return temporal.NewNonRetryableApplicationError(err.Error(), TypeLapsed, nil)
	case errors.Is(err, release.ErrConflict):
		cause := release.Cause{Kind: release.CauseTraffic, Message: err.Error()}
		return temporal.NewNonRetryableApplicationError(cause.Message, TypeTraffic, nil, cause)
	}
	return err
}
