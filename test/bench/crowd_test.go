package bench_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// crowdClients is over how many connections the load on a release comes.
const crowdClients = 32

// keptFailures is how many failures are told one by one.
const keptFailures = 20

// crowd is the clients of an application while its releases come and go.
type crowd struct {
	stop    context.CancelFunc
	sending sync.WaitGroup

	// mu guards what the clients saw; arrived is closed and made anew with each answer.
	mu      sync.Mutex
	seen    map[string]*sight
	all     int
	failed  int
	arrived chan struct{}
	// why are the first failures.
	why []string
}

// sight is what was seen of one revision, and of no revision under "".
type sight struct {
	requests, failed int
	// last is when the last request was sent that it answered.
	last time.Time
}

// startCrowd sends rate GET requests a second to a URL until the benchmark is over.
func startCrowd(b *testing.B, target string, rate int) *crowd {
	b.Helper()
	address, err := url.Parse(target)
	require.NoError(b, err)
	return startCrowdOf(b, rate, callersOf(crowdClients, address.Host, http.MethodGet, address.Path, ""))
}

// startCrowdOf sends rate requests a second over the clients until the benchmark is over.
func startCrowdOf(b *testing.B, rate int, clients []*caller) *crowd {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c := &crowd{stop: stop, seen: map[string]*sight{}, arrived: make(chan struct{})}
	c.sending.Go(func() {
		defer closeAll(clients)
		paced(ctx, rate, clients, c.take)
	})
	b.Cleanup(c.end)
	return c
}

// end returns when the last answer is in.
func (c *crowd) end() {
	c.stop()
	c.sending.Wait()
}

func (c *crowd) take(a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.seen[a.revision]
	if s == nil {
		s = &sight{}
		c.seen[a.revision] = s
	}
	s.requests++
	c.all++
	if a.failed() {
		s.failed++
		c.failed++
		if len(c.why) < keptFailures {
			c.why = append(c.why, fmt.Sprintf("status %d of revision %q after %s: %v", a.status, a.revision, a.took.Round(time.Millisecond), a.err))
		}
	}
	if a.began.After(s.last) {
		s.last = a.began
	}
	close(c.arrived)
	c.arrived = make(chan struct{})
}

// of is what was seen of a revision so far.
func (c *crowd) of(revision string) sight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.seen[revision]; s != nil {
		return *s
	}
	return sight{}
}

// failures is how many requests have failed so far, whoever answered.
func (c *crowd) failures() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// total is how many requests have been answered and have failed so far, whoever answered, and how the first of them did.
func (c *crowd) total() (all, failed int, why []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all, c.failed, slices.Clone(c.why)
}

// await returns when a revision has answered so many requests.
func (c *crowd) await(b *testing.B, revision string, requests int) {
	b.Helper()
	c.until(b, fmt.Sprintf("%d requests of revision %s", requests, revision), func() bool {
		s := c.seen[revision]
		return s != nil && s.requests >= requests
	})
}

// awaitMore returns when so many more requests have been answered.
func (c *crowd) awaitMore(b *testing.B, requests int) {
	b.Helper()
	all, _, _ := c.total()
	c.until(b, fmt.Sprintf("%d requests more", requests), func() bool { return c.all >= all+requests })
}

// until returns when something has come true of what was seen. It is asked with the lock held.
func (c *crowd) until(b *testing.B, what string, enough func() bool) {
	b.Helper()
	deadline := time.After(time.Minute)
	for {
		c.mu.Lock()
		done, arrived := enough(), c.arrived
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-arrived:
		case <-deadline:
			b.Fatalf("no %s within a minute", what)
		}
	}
}
