package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

const (
	// weightChanges is how often the weight changes, keepAlive how many clients post meanwhile, each
	// over one connection.
	weightChanges = 100
	keepAlive     = 40
	// between is how many posts are answered between two changes.
	between = 40
)

// weights moves the weight of a route of its own between two running functions. A POST that fails is not
// sent again by anybody, so that each failure would be a lost order.
func weights(t *testing.T, i *island.Island) {
	unit := i.Units[0]
	route := release.Route{
		Key: tenant + "/weights/production/driven", Ingress: release.Ingress{Path: "/driven"}, Release: tenant + "/weights/production/1",
		Salt: "the salt of a test", Sticky: release.StickyRequest,
	}
	for version, target := range map[string]**release.Target{"left": &route.Stable, "right": &route.Canary} {
		repo := i.Repo(t, tenant, "weights-"+version)
		repo.Release(in(island.Version(version))).WaitEnd(release.Completed)
		for _, state := range i.Routes(t, unit, repo.Lane) {
			*target = state.Route.Stable
		}
	}
	move := func(version int64, weight release.Weight) {
		route.Version, route.Weight, route.Lease = version, weight, 0
		if weight > release.NoWeight && weight < release.FullWeight {
			route.Lease = release.Duration(time.Minute)
		}
		if _, err := unit.Admin.Apply(t.Context(), []release.Route{route}); err != nil {
			t.Fatal(err)
		}
	}
	move(1, release.NoWeight)
	clients := startPosting(t, unit.Entry+"/driven/order")

	weights := []release.Weight{500, 2500, 5000, release.FullWeight, release.NoWeight}
	for n := range weightChanges {
		move(int64(n+2), weights[n%len(weights)])
		clients.await(t, between)
	}

	clients.stop()
	if failed := clients.failed.Load(); failed > 0 {
		t.Errorf("%d of %d posts failed, the first: %v", failed, clients.answered.Load(), clients.first.Load())
	}
	if left, right := clients.count("left"), clients.count("right"); left == 0 || right == 0 {
		t.Errorf("%d answers of one side and %d of the other: the weight did not move", left, right)
	}
	if err := unit.Admin.Remove(t.Context(), route.Key, route.Version); err != nil {
		t.Error(err)
	}
}

// posting is clients who post, each the next order when the last is answered.
type posting struct {
	url              string
	cancel           context.CancelFunc
	running          sync.WaitGroup
	answered, failed atomic.Int64
	first            atomic.Pointer[error]
	// tick takes a token with each answer, and drops it when nobody waits for one.
	tick chan struct{}

	mu sync.Mutex
	by map[string]int
}

func startPosting(t *testing.T, url string) *posting {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &posting{url: url, cancel: cancel, tick: make(chan struct{}, 1), by: map[string]int{}}
	t.Cleanup(p.stop)
	for number := range keepAlive {
		p.running.Go(func() { p.post(ctx, number) })
	}
	return p
}

func (p *posting) post(ctx context.Context, number int) {
	// A connection of its own, so that 40 are open.
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for order := 0; ctx.Err() == nil; order++ {
		// The last one is answered too, whenever the clients stop.
		body, err := p.send(context.WithoutCancel(ctx), client, fmt.Sprintf("order %d of client %d", order, number))
		p.answered.Add(1)
		if err != nil {
			p.failed.Add(1)
			p.first.CompareAndSwap(nil, &err)
		}
		p.mu.Lock()
		p.by[body]++
		p.mu.Unlock()
		select {
		case p.tick <- struct{}{}:
		default:
		}
	}
}

func (p *posting) send(ctx context.Context, client *http.Client, order string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(order))
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", response.StatusCode, body)
	}
	return string(body), err
}

// await waits until so many more posts are answered.
func (p *posting) await(t *testing.T, more int64) {
	t.Helper()
	until := p.answered.Load() + more
	deadline := time.After(island.Patience)
	for p.answered.Load() < until {
		select {
		case <-p.tick:
		case <-deadline:
			t.Fatalf("%d posts are answered, and no more", p.answered.Load())
		}
	}
}

func (p *posting) count(body string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.by[body]
}

func (p *posting) stop() {
	p.cancel()
	p.running.Wait()
}
