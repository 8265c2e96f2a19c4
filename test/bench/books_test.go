package bench_test

import (
	"context"
	"sync"

	"github.com/skyisland/skyisland/internal/gateway/admin"
)

// countEvery is how many releases a route may see until the gateway's counters are read: it forgets revisions once eight have
// come after them.
const countEvery = 4

// books are the gateway's counters over its forgotten revisions: the last that it said of each.
type books struct {
	control *admin.Client

	mu sync.Mutex
	// since is how many releases each route has seen since the last reading.
	since  map[string]int
	said   map[string]map[string]uint64
	astray uint64
}

// released tells that a route has seen another release, and reads the counters before they are forgotten.
func (k *books) released(ctx context.Context, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.since == nil {
		k.since = map[string]int{}
	}
	if k.since[key]++; k.since[key] < countEvery {
		return nil
	}
	return k.readLocked(ctx) // asked again after an error, it reads again
}

func (k *books) read(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.readLocked(ctx)
}

func (k *books) readLocked(ctx context.Context) error {
	stats, err := k.control.Stats(ctx)
	if err != nil {
		return err
	}
	if k.said == nil {
		k.said = map[string]map[string]uint64{}
	}
	for _, s := range stats.Revisions {
		k.said[s.Route+" "+s.Revision] = s.Classes
	}
	k.astray = stats.Unrouted + stats.Unserved
	clear(k.since)
	return nil
}

// sums are the requests by class, and all of them.
func (k *books) sums() (classes map[string]int, all int64) {
	classes = map[string]int{}
	for _, said := range k.said {
		for class, n := range said {
			classes[class] += int(n)
			all += int64(n)
		}
	}
	return classes, all
}
