package gateway

import (
	"context"
	"fmt"

	"github.com/skyisland/skyisland/internal/release"
)

// Drain waits until no request is with a revision on any route, tunnels included, or until ctx ends.
// It fails as [release.ErrConflict] while a route still targets the revision. A revision the gateway
// does not know has nothing in flight.
func (g *Gateway) Drain(ctx context.Context, name string) error {
	g.mu.Lock()
	for _, r := range g.sorted() {
		if r.targets(name) {
			g.mu.Unlock()
			return fmt.Errorf("drain revision %s: %w: route %s still sends requests to it", name, release.ErrConflict, r.doc.Key)
		}
	}
	v := g.revisions[name]
	g.mu.Unlock()
	if v == nil {
		return nil
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
