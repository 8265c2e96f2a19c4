package gateway

import (
	"context"
	"fmt"

	"github.com/skyisland/skyisland/internal/release"
)

// Drain waits until no request is with a lane's revision on any route, tunnels included, or until ctx
// ends. It fails as [release.ErrConflict] while a route of the lane still targets the revision. A
// revision the gateway does not know has nothing in flight.
func (g *Gateway) Drain(ctx context.Context, lane release.Lane, name string) error {
	v, err := g.draining(lane, name)
	if v == nil || err != nil {
		return err
	}
	for v.inFlight.Load() > 0 {
		select {
		case <-v.idle:
		case <-ctx.Done():
			return fmt.Errorf("drain revision %s: %d requests still in flight: %w", name, v.inFlight.Load(), ctx.Err())
		}
	}
	// Somebody else may wait for the token that was taken here.
	select {
	case v.idle <- struct{}{}:
	default:
	}
	return nil
}

func (g *Gateway) draining(lane release.Lane, name string) (*revision, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.sorted() {
		if laneOf(r.doc.Key) == lane.String() && r.targets(name) {
			return nil, fmt.Errorf("drain revision %s of %s: %w: route %s still sends requests to it",
				name, lane, release.ErrConflict, r.doc.Key)
		}
	}
	return g.revisions[revisionKey{lane.String(), name}], nil
}
