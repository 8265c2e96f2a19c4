package bench_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// cutPatience is when a guard counts as one that never trips.
	cutPatience = 2 * time.Minute
	// The instances that benchGuard starts, by their place in instanceFaults.
	instanceFaults = "0,1,0.05"
	healthy        = 0
	dead           = 1
	faulty         = 2
)

// fault is a canary that the gateway's guard has to find.
type fault struct {
	name     string
	instance int
	weight   release.Weight
	// rate is in requests a second, beside how many releases are under way at once, each with a route and a load of its own.
	rate, beside int
	// bar is the most that the median of the bad answers may be.
	bar int
}

// faults are run batch by batch, those of a batch beside each other: what takes seconds until three bad answers costs little.
func faults() [][]fault {
	const all, some = "every request", "5 % of the requests"
	return [][]fault{
		{{all, dead, 500, 10, *guardRuns, 4}, {all, dead, 2000, 10, *guardRuns, 6}, {some, faulty, 2000, 100, 8, 6}},
		{{all, dead, 500, 100, 8, 4}},
		{{all, dead, 2000, 100, 8, 6}},
		{{all, dead, 500, 1000, 1, 4}},
		{{all, dead, 2000, 1000, 1, 6}},
		{{some, faulty, 2000, 1000, 1, 6}},
	}
}

// benchGuard lets releases fail behind a gateway that judges by itself, with nobody above it, and counts the bad answers that
// clients get until it has cut the canary off, and whoever meets the canary after that.
func benchGuard(b *testing.B, r *report) {
	instances := startProcess(b, roleInstances, failsVariable+"="+instanceFaults)
	served := startProcess(b, roleGateway, nameVariable+"=bench", stateVariable+"="+b.TempDir())
	control, err := admin.NewClient("bench", "http://"+served.Admin, controlToken)
	require.NoError(b, err)
	defer control.Close()
	plan := defaultPlan()
	var found [][]cut
	var all []fault
	for b.Loop() {
		for i, batch := range faults() {
			each, errs := make([][]cut, len(batch)), make([]error, len(batch))
			var running sync.WaitGroup
			for j, f := range batch {
				g := &guarding{fault: f, name: fmt.Sprintf("guard-%d-%d", i, j), plan: plan, control: control, addr: served.Addr, instances: instances.Instances}
				running.Go(func() { each[j], errs[j] = g.runs(b.Context(), *guardRuns) })
			}
			running.Wait()
			require.NoError(b, errors.Join(errs...))
			found, all = append(found, each...), append(all, batch...)
		}
	}
	reportGuard(r, all, found)
	b.ReportMetric(0, "ns/op")
}

// guarding is one fault, on routes of its own.
type guarding struct {
	fault
	name      string
	plan      release.Plan
	control   *admin.Client
	addr      string
	instances []string
}

// cut is how a canary was cut off.
type cut struct {
	// bad answers reached clients. Of all that the canary answered, underWay had been sent before the client had the answer
	// that tripped the guard, and came after it; later was sent after it.
	bad, underWay, later int
	// lost requests had no answer of either revision, or a bad one of stable.
	lost int
	// sentence is the guard's.
	sentence string
}

// runs lets so many releases fail, some beside each other.
func (g *guarding) runs(ctx context.Context, runs int) ([]cut, error) {
	beside := min(g.beside, runs)
	found, errs := make([]cut, runs), make([]error, beside)
	var running sync.WaitGroup
	for lane := range beside {
		running.Go(func() {
			l := &guardedLane{guarding: g, path: fmt.Sprintf("/%s-%d", g.name, lane)}
			// As many connections as seldom wait for each other.
			l.clients = callersOf(min(64, max(4, g.rate/10)), g.addr, http.MethodGet, l.path, "")
			defer closeAll(l.clients)
			for run := lane; run < runs && errs[lane] == nil; run += beside {
				found[run], errs[lane] = l.run(ctx, run)
			}
		})
	}
	running.Wait()
	return found, errors.Join(errs...)
}

// guardedLane is a route on which one release after the other fails.
type guardedLane struct {
	*guarding
	path    string
	clients []*caller
	version int64
}

func (l *guardedLane) apply(ctx context.Context, id string, candidate release.Target, w release.Weight) error {
	l.version++
	stable := release.Target{Revision: "stable", Endpoints: []string{l.instances[healthy]}}
	_, err := l.control.Apply(ctx, []release.Route{rampRoute(l.plan, 1, release.Route{
		Key: release.RouteKey(benchLane, l.path[1:]), Ingress: release.Ingress{Path: l.path}, Version: l.version, Stable: &stable,
		Weight: w, Release: id, Fresh: w > release.NoWeight,
	}, candidate)})
	return err
}

// run is one release, from its first request until the canary is cut off and as many requests more as come in a second at
// 10 a second, or in a tenth of one.
func (l *guardedLane) run(ctx context.Context, number int) (cut, error) {
	ctx, stop := context.WithTimeout(ctx, cutPatience)
	defer stop()
	id := fmt.Sprintf("%s/%s/%d", benchLane, l.path[1:], number)
	candidate := release.Target{Revision: fmt.Sprintf("canary-%d", number), Endpoints: []string{l.instances[l.instance]}}
	if err := l.apply(ctx, id, candidate, l.weight); err != nil {
		return cut{}, err
	}
	w := &witness{more: make(chan struct{})}
	loading, end := context.WithCancel(ctx)
	var sending sync.WaitGroup
	sending.Go(func() { paced(loading, l.rate, l.clients, w.take) })
	tripped, err := awaitTrip(ctx, l.control, id)
	if err == nil {
		err = w.await(ctx, max(10, l.rate/10))
	}
	end()
	sending.Wait()
	if err != nil {
		return cut{}, fmt.Errorf("%s at %s, %d requests/s, after %d requests: %w", l.name, l.weight, l.rate, len(w.answers), err)
	}
	return w.judge(candidate.Revision, tripped), l.apply(ctx, id, candidate, release.NoWeight)
}

// awaitTrip reads a release's evidence as its watcher does, until its guard has tripped.
func awaitTrip(ctx context.Context, control *admin.Client, id string) (*release.Evidence, error) {
	after := map[string]gateway.Cursor{}
	for {
		evidence, err := control.Evidence(ctx, id, after, time.Second)
		if err != nil {
			return nil, err
		}
		for _, route := range evidence.Routes {
			after[route.Key] = route.Next
			if route.Tripped != nil {
				return route.Tripped, nil
			}
		}
	}
}

// witness remembers what clients saw of one release.
type witness struct {
	mu      sync.Mutex
	answers []answer
	// more is closed and made anew with each answer.
	more chan struct{}
}

func (w *witness) take(a answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = append(w.answers, a)
	close(w.more)
	w.more = make(chan struct{})
}

// await returns when so many more answers have come.
func (w *witness) await(ctx context.Context, n int) error {
	w.mu.Lock()
	want := len(w.answers) + n
	w.mu.Unlock()
	for {
		w.mu.Lock()
		enough, more := len(w.answers) >= want, w.more
		w.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// judge sorts the answers by the moment at which a client had the one that tripped the guard. Which one that was the guard
// says by how many bad answers it had counted. It counts an answer before it is sent, so once clients have that many of
// them the guard has tripped, in whatever order they came.
func (w *witness) judge(canary string, tripped *release.Evidence) cut {
	c := cut{sentence: tripped.Sentence}
	var bad []time.Time
	for _, a := range w.answers {
		switch {
		case a.revision == canary && a.failed():
			bad = append(bad, a.began.Add(a.took))
		case a.failed():
			c.lost++
		}
	}
	c.bad = len(bad)
	slices.SortFunc(bad, time.Time.Compare)
	counted := int(tripped.CanaryBad)
	if counted == 0 || counted > len(bad) {
		return c // it tripped over something else
	}
	at := bad[counted-1]
	for _, a := range w.answers {
		switch {
		case a.revision != canary:
		case a.began.After(at):
			c.later++
		case a.began.Add(a.took).After(at):
			c.underWay++
		}
	}
	return c
}

func reportGuard(r *report, all []fault, found [][]cut) {
	runs, later, underWay, lost, others := 0, 0, 0, 0, 0
	for i, f := range all {
		var bad []int
		for _, c := range found[i] {
			bad = append(bad, c.bad)
			runs, later, underWay, lost = runs+1, later+c.later, underWay+c.underWay, lost+c.lost
			if !strings.Contains(c.sentence, "error: canary") {
				others++
				r.note("guard, %s at %d requests/s: tripped otherwise: %s", f.weight, f.rate, c.sentence)
			}
		}
		r.judge(fmt.Sprintf("guard: bad answers of a canary that fails %s, at %s of %d requests/s", f.name, f.weight, f.rate), fmt.Sprintf("median <= %d", f.bar),
			median(bad) <= f.bar, "median %d, most %d (%d releases)", median(bad), quantile(bad, 1), len(bad))
	}
	r.judge("guard: requests sent after the answer that tripped it, and served by the canary", "0", later == 0,
		"%d in %d releases (%d were under way; %d tripped by something else than errors)", later, runs, underWay, others)
	r.judge("guard: requests that stable failed, or nobody answered", "0", lost == 0, "%d", lost)
}
