package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skyisland/skyisland/internal/scaffold"
)

const (
	// clients bounds how many requests of the tour are under way at once.
	clients = 256
	// clientPatience is how long a client of the tour waits for an answer.
	clientPatience = 5 * time.Second
)

// traffic is the tour's clients: they ask at a fixed rate, whatever the answers are, and carry what
// real clients do.
type traffic struct {
	url     string
	rate    int
	client  *http.Client
	asked   atomic.Int64
	bad     atomic.Int64
	running sync.WaitGroup
}

// counts is what clients saw.
type counts struct{ all, bad int64 }

func (c counts) since(before counts) counts {
	return counts{all: c.all - before.all, bad: c.bad - before.bad}
}

func newTraffic(url string, rate int) *traffic {
	transport := &http.Transport{MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients}
	return &traffic{url: url, rate: rate, client: &http.Client{Transport: transport, Timeout: clientPatience}}
}

// start sends requests until ctx ends.
func (t *traffic) start(ctx context.Context) {
	t.running.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(t.rate))
		defer tick.Stop()
		for number := 0; ; number++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				t.running.Go(func() { t.ask(ctx, number) })
			}
		}
	})
}

// wait returns when no request is under way any more.
func (t *traffic) wait() { t.running.Wait() }

func (t *traffic) counts() counts { return counts{all: t.asked.Load(), bad: t.bad.Load()} }

// ask is one client's request.
func (t *traffic) ask(ctx context.Context, number int) {
	// A request under way when the tour ends is still answered: it must not count as a failure.
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, t.url, nil)
	if err != nil {
		return
	}
	request.Header.Set("X-User-Id", fmt.Sprintf("traveller-%d", number%5000))
	request.Header.Set(scaffold.ClientHeader, scaffold.ClientLanguages)
	response, err := t.client.Do(request)
	t.asked.Add(1)
	if err != nil {
		t.bad.Add(1)
		return
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode >= http.StatusInternalServerError {
		t.bad.Add(1)
	}
}
