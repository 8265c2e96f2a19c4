package bench_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// rollingRoutes is on how many routes releases roll, each with rollingCallers connections of its own. The revisions of a
	// route take turns with its rollingInstances.
	rollingRoutes    = 22
	rollingCallers   = 3
	rollingInstances = 4
	// bakeRequests is how many requests a route answers at each weight. In a short run it is fewer, so that each route still
	// sees about someReleases.
	bakeRequests = 200
	someReleases = 40
	// tellEvery is after how many answers a long run says how far it is.
	tellEvery = 500_000
	// mostAsked is how often a gateway is asked for the same.
	mostAsked = 50
	// memorySamples are taken over the whole run. They count once every route has seen warmReleases: from then on the gateway
	// keeps as many revisions as it ever will.
	memorySamples = 400
	warmReleases  = 9
	// memoryBar is how much more memory there may be in the last quarter than in the first.
	memoryBar = 0.10
)

// benchMillions sends requests through one gateway while releases roll on all of its routes, and asks for every answer: that
// it came, from a revision that the route had, and that the gateway counted it once. An interrupt ends it with what there is by then.
func benchMillions(b *testing.B, r *report) {
	instances := startProcess(b, roleInstances, failsVariable+"="+strings.Repeat("0,", rollingRoutes*rollingInstances-1)+"0")
	served := startProcess(b, roleGateway, nameVariable+"=bench", stateVariable+"="+b.TempDir())
	control, err := admin.NewClient("bench", "http://"+served.Admin, controlToken)
	require.NoError(b, err)
	defer control.Close()
	m := &millions{
		process: served, control: control, plan: defaultPlan(), books: &books{control: control}, every: max(1, *requests/memorySamples),
	}
	m.bake = max(1, min(bakeRequests, *requests/(rollingRoutes*someReleases*int64(len(m.plan.Steps)))))
	for i := range rollingRoutes {
		m.routes = append(m.routes, newRolling(i, instances.Instances[i*rollingInstances:(i+1)*rollingInstances]))
	}
	var took, used time.Duration
	for b.Loop() {
		before, began := served.cpu(b), time.Now()
		ctx, stop := signal.NotifyContext(b.Context(), os.Interrupt, syscall.SIGTERM)
		if err := m.run(ctx); err != nil {
			r.note("millions: releases did not roll to the end: %v", err)
			b.Error(err) // what was measured is still told
		}
		stop()
		took, used = time.Since(began), served.cpu(b)-before
	}
	m.report(r, took, used, instances.tells(b, askServed))
	b.ReportMetric(float64(m.sent)/took.Seconds(), "requests/s")
	b.ReportMetric(0, "ns/op")
}

// millions is the load and what came of it.
type millions struct {
	process *process
	control *admin.Client
	plan    release.Plan
	routes  []*rolling
	books   *books
	// every is how many answers there are from one reading of the memory to the next.
	every int64
	// bake is how many requests a route answers at each weight.
	bake int64

	mu sync.Mutex
	// right are answers as they should be.
	sent, answered, right int64
	wrong                 []string
	memory                []float64
	// slow is how often the gateway or its disk took so long that it had to be asked again.
	slow int
}

// run sends all requests, and returns when the last is answered and every route is back at one revision.
func (m *millions) run(ctx context.Context) error {
	for _, route := range m.routes {
		if err := route.apply(ctx, m, release.NoWeight); err != nil {
			return err
		}
	}
	rolling, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, len(m.routes))
	for _, route := range m.routes {
		go func() { failed <- route.roll(rolling, m) }()
	}
	var asking sync.WaitGroup
	for _, route := range m.routes {
		for i := range rollingCallers {
			// Requests that may be sent again and such that may not.
			c := newCaller(m.process.Addr, http.MethodGet, route.path, "")
			if i == 0 {
				c = newCaller(m.process.Addr, http.MethodPost, route.path, "one order, please")
			}
			asking.Go(func() {
				defer c.close()
				for ctx.Err() == nil && m.next() {
					m.take(route, route.ask(c))
				}
			})
		}
	}
	asking.Wait()
	stop()
	var errs []error
	for range m.routes {
		errs = append(errs, <-failed)
	}
	// An interrupt ends the load and not the reckoning.
	last := m.patiently(func() error { return m.books.read(context.WithoutCancel(ctx)) })
	return errors.Join(append(errs, last)...)
}

// patiently asks again when a gateway's disk, or the gateway, took seconds, as releases do.
func (m *millions) patiently(ask func() error) (err error) {
	for range mostAsked {
		if err = ask(); !errors.Is(err, gateway.ErrNotSaved) && !errors.Is(err, admin.ErrUnreachable) {
			return err
		}
		m.mu.Lock()
		m.slow++
		m.mu.Unlock()
	}
	return err
}

func (m *millions) next() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sent == *requests {
		return false
	}
	m.sent++
	return true
}

// take counts an answer; wrong says what is wrong with it.
func (m *millions) take(route *rolling, wrong string) {
	if route.answers.Add(1)%m.bake == 0 {
		select {
		case route.baked <- struct{}{}:
		default:
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answered++
	if wrong == "" {
		m.right++
	} else if len(m.wrong) < 20 {
		m.wrong = append(m.wrong, route.path+": "+wrong)
	}
	if m.answered%tellEvery == 0 {
		fmt.Fprintf(os.Stderr, "%s millions: %d of %d answered as they should be, gateway at %.1f MiB\n",
			time.Now().UTC().Format(time.TimeOnly), m.right, m.answered, float64(m.process.resident())/(1<<20))
	}
	if m.answered%m.every == 0 && (len(m.memory) > 0 || m.warm()) {
		m.memory = append(m.memory, float64(m.process.resident())/(1<<20))
	}
}

// warm says whether the gateway keeps as much as it ever will.
func (m *millions) warm() bool {
	return !slices.ContainsFunc(m.routes, func(l *rolling) bool { return l.ended.Load() < warmReleases })
}

func (m *millions) report(r *report, took, used time.Duration, instances int64) {
	var releases, back, changes int64
	for _, route := range m.routes {
		releases, back, changes = releases+route.releases, back+route.back, changes+route.version
	}
	sent := m.sent
	r.judge("millions: requests answered by a revision of their route", "all", m.right == sent, "%d of %d, through one gateway with %d routes", m.right, sent, len(m.routes))
	classes, all := m.books.sums()
	r.judge("millions: requests that the gateway counted once", "all", all == sent && classes["2xx"] == int(sent) && m.books.astray == 0,
		"%d: %s; %d without a route or a revision", all, tally(classes), m.books.astray)
	r.judge("millions: requests that instances served", "as many", instances == sent, "%d", instances)
	r.add("millions: meanwhile", "%d releases (%d more rolled back by a guard), %d changes of routes, the gateway asked again %d times because it or its disk took seconds; %s, %.0f requests/s, %.0f µs CPU a request",
		releases, back, changes, m.slow, took.Round(time.Second), float64(sent)/took.Seconds(), us(used)/float64(sent))
	for _, wrong := range m.wrong {
		r.note("millions, wrong: %s", wrong)
	}
	quarter := len(m.memory) / 4
	if quarter == 0 || m.memory[0] == 0 {
		r.add("millions: memory of the gateway", "unknown")
		return
	}
	first, last := m.memory[:quarter], m.memory[len(m.memory)-quarter:]
	growth := median(last)/median(first) - 1
	r.judge("millions: memory of the gateway, last quarter / first", "<= 1.10", growth <= memoryBar, "%.2f (resident: median %.1f MiB and %.1f MiB, least %.1f and most %.1f MiB; %d samples once each route had seen %d releases)",
		1+growth, median(last), median(first), quantile(m.memory, 0), quantile(m.memory, 1), len(m.memory), warmReleases)
}

// rolling is a route on which one release follows the other.
type rolling struct {
	key, path string
	// first is the name of its first instance, a number, and addrs where each of them is.
	first int
	addrs []string
	// version, stable and candidate are those of the last change; revisions are numbered.
	version, stable, candidate int64
	// oldest and newest are the revisions that a request may meet right now.
	oldest, newest atomic.Int64
	answers        atomic.Int64
	// baked tells that the route has answered as many requests as a step takes.
	baked chan struct{}
	// releases have become stable, back were found bad by the gateway's guard, ended are both.
	releases, back int64
	ended          atomic.Int64
	cursors        map[string]gateway.Cursor
}

func newRolling(i int, addrs []string) *rolling {
	name := fmt.Sprintf("route-%d", i)
	return &rolling{key: release.RouteKey(benchLane, name), path: "/" + name, first: i * len(addrs), addrs: addrs, baked: make(chan struct{}, 1)}
}

func revisionName(number int64) string { return "r" + strconv.FormatInt(number, 10) }

func (l *rolling) target(number int64) release.Target {
	return release.Target{Revision: revisionName(number), Endpoints: []string{l.addrs[number%int64(len(l.addrs))]}}
}

// apply gives the candidate a weight; at 0 % the route has nothing but its stable revision.
func (l *rolling) apply(ctx context.Context, m *millions, w release.Weight) error {
	l.version++
	stable := l.target(l.stable)
	route := rampRoute(m.plan, 1, release.Route{
		Key: l.key, Ingress: release.Ingress{Path: l.path}, Version: l.version, Stable: &stable, Weight: w, Release: l.release(),
		Fresh: w == m.plan.Steps[0].Weight,
	}, l.target(l.candidate))
	return m.patiently(func() error {
		_, err := m.control.Apply(ctx, []release.Route{route})
		return err
	})
}

func (l *rolling) release() string {
	return fmt.Sprintf("%s/%s/%d", benchLane, l.path[1:], l.candidate)
}

// roll lets releases follow each other until ctx ends. The last one is finished.
func (l *rolling) roll(ctx context.Context, m *millions) error {
	last := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		l.candidate++
		l.newest.Store(l.candidate)
		l.cursors = map[string]gateway.Cursor{}
		good, err := l.ramp(ctx, last, m)
		if err != nil {
			return err
		}
		if good {
			l.stable = l.candidate
			l.releases++
		} else {
			l.back++
		}
		if err := l.apply(last, m, release.NoWeight); err != nil {
			return err
		}
		l.oldest.Store(l.stable)
		l.ended.Add(1)
		if err := m.patiently(func() error { return m.books.released(last, l.key) }); err != nil {
			return err
		}
	}
	return nil
}

// ramp takes a release to 100 %, and is not good when the gateway's guard has found against it. Its evidence is read at each
// step, as a watcher does more often.
func (l *rolling) ramp(ctx, last context.Context, m *millions) (good bool, err error) {
	weights := make([]release.Weight, 0, len(m.plan.Steps)+1)
	for _, step := range m.plan.Steps {
		if !step.Probe {
			weights = append(weights, step.Weight)
		}
	}
	for _, w := range append(weights, release.FullWeight) {
		if err := l.apply(last, m, w); errors.Is(err, release.ErrLapsed) {
			return false, nil
		} else if err != nil {
			return false, err
		}
		select {
		case <-l.baked:
		case <-ctx.Done():
		}
		var evidence gateway.Evidence
		if err := m.patiently(func() (err error) {
			evidence, err = m.control.Evidence(last, l.release(), l.cursors, 0)
			return err
		}); err != nil {
			return false, err
		}
		for _, route := range evidence.Routes {
			l.cursors[route.Key] = route.Next
			if route.Tripped != nil {
				return false, nil
			}
		}
	}
	return true, nil
}

// ask sends a request, and says what is wrong with its answer; "" when nothing is.
func (l *rolling) ask(c *caller) (wrong string) {
	oldest := l.oldest.Load()
	a := c.ask()
	newest := l.newest.Load()
	if a.err != nil {
		return a.err.Error()
	}
	number, err := strconv.ParseInt(strings.TrimPrefix(a.revision, "r"), 10, 64)
	switch {
	case a.status != http.StatusOK:
		return fmt.Sprintf("status %d of revision %s", a.status, a.revision)
	case err != nil || number < oldest || number > newest:
		return fmt.Sprintf("revision %q, while there were %d to %d", a.revision, oldest, newest)
	case a.instance != strconv.Itoa(l.first+int(number)%len(l.addrs)):
		return fmt.Sprintf("instance %s as revision %s", a.instance, a.revision)
	}
	return ""
}
