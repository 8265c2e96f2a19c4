package bench_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// crowdClients is over how many connections the load on a release comes.
const crowdClients = 32

// crowd is the clients of an application while its releases come and go.
type crowd struct {
	stop    context.CancelFunc
	sending sync.WaitGroup

	// mu guards what the clients saw; arrived is closed and made anew with each answer.
	mu      sync.Mutex
	seen    map[string]*sight
	failed  int
	arrived chan struct{}
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
	ctx, stop := context.WithCancel(context.Background())
	c := &crowd{stop: stop, seen: map[string]*sight{}, arrived: make(chan struct{})}
	clients := callersOf(crowdClients, address.Host, http.MethodGet, address.Path, "")
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
	if a.failed() {
		s.failed++
		c.failed++
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

// await returns when a revision has answered so many requests.
func (c *crowd) await(b *testing.B, revision string, requests int) {
	b.Helper()
	deadline := time.After(time.Minute)
	for {
		c.mu.Lock()
		s, arrived := c.seen[revision], c.arrived
		enough := s != nil && s.requests >= requests
		c.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-arrived:
		case <-deadline:
			b.Fatalf("revision %s did not answer %d requests within a minute", revision, requests)
		}
	}
}
