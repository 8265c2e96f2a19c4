package bench_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// shiftRate is the load on all gateways together, in requests a second, over shiftClients connections to each; between
	// two changes come shiftAnswers.
	shiftRate    = 600
	shiftClients = 10
	shiftAnswers = 6
	shiftUnit    = "bench"
	shiftPath    = "/shift"
	socketPath   = "/socket"
)

// The weights of a release that becomes stable, once in a while with a step back, and of one that is rolled back.
var (
	shiftsUp   = []release.Weight{100, 500, 2000, 500, 5000, release.FullWeight}
	shiftsBack = []release.Weight{100, 500, 2000}
)

// benchShifts changes one route over and over, with instances that come and go as releases do, under requests that must not be
// sent twice and past WebSockets that were opened before.
func benchShifts(b *testing.B, r *report) {
	s := &shifting{b: b, plan: defaultPlan()}
	var clients []*caller
	var gateways []*admin.Client
	var addrs []string
	for i := range routeGateways {
		name := fmt.Sprintf("bench-%d", i)
		p := startProcess(b, roleGateway, nameVariable+"="+name, stateVariable+"="+b.TempDir())
		client, err := admin.NewClient(name, "http://"+p.Admin, controlToken)
		require.NoError(b, err)
		b.Cleanup(client.Close)
		gateways, addrs = append(gateways, client), append(addrs, p.Addr)
		clients = append(clients, callersOf(shiftClients, p.Addr, http.MethodPost, shiftPath, "one order, please")...)
	}
	var err error
	s.fleet, err = admin.NewFleet(admin.Unit{Name: shiftUnit, Gateways: gateways})
	require.NoError(b, err)
	s.begin()
	for _, addr := range addrs {
		s.sockets = append(s.sockets, openSocket(b, addr, socketPath), openSocket(b, addr, shiftPath))
	}
	s.clients = startCrowdOf(b, shiftRate, clients)
	for b.Loop() {
		for len(s.took) < *shifts {
			s.release()
		}
	}
	s.clients.end()
	s.report(r)
	b.ReportMetric(ms(median(s.took)), "p50-ms")
	b.ReportMetric(0, "ns/op")
}

// shifting is a route on which releases come and go.
type shifting struct {
	b       *testing.B
	plan    release.Plan
	fleet   *admin.Fleet
	clients *crowd
	sockets []*socket
	// started is every instance there was, first the one whose WebSockets stay.
	started           []*running
	stable, candidate *running
	version           int64
	number            int
	// took is how long each change was in coming.
	took     []time.Duration
	up, back int
}

// running is an instance that was started.
type running struct {
	instance
	server *http.Server
	target release.Target
}

// start starts a revision with one instance.
func (s *shifting) start(name string) *running {
	s.b.Helper()
	listener, err := listenLoopback()
	require.NoError(s.b, err)
	one := &running{target: release.Target{Revision: name, Endpoints: []string{listener.Addr().String()}}}
	one.name = name
	one.server = &http.Server{Handler: &one.instance, ReadHeaderTimeout: headerPatience, IdleTimeout: backendIdleLimit}
	go func() { _ = one.server.Serve(listener) }() // it ends with retire, or with the benchmark
	s.b.Cleanup(func() { _ = one.server.Close() })
	s.started = append(s.started, one)
	return one
}

// begin serves the first revision, and beside it a route that has nothing to do with it.
func (s *shifting) begin() {
	s.stable = s.start("r0")
	other := release.Target{Revision: "other", Endpoints: []string{s.start("other").target.Endpoints[0]}}
	require.NoError(s.b, s.apply(release.NoWeight))
	_, err := s.fleet.Apply(s.b.Context(), shiftUnit, []release.Route{{
		Key: "bench/sockets/production/function", Ingress: release.Ingress{Path: socketPath}, Version: 1, Stable: &other,
	}})
	require.NoError(s.b, err)
}

// apply gives the candidate a weight on every gateway.
func (s *shifting) apply(w release.Weight) error {
	s.version++
	stable := s.stable.target
	var candidate release.Target
	if s.candidate != nil {
		candidate = s.candidate.target
	}
	_, err := s.fleet.Apply(s.b.Context(), shiftUnit, []release.Route{rampRoute(s.plan, routeGateways, release.Route{
		Key: release.RouteKey(benchLane, benchComponent), Ingress: release.Ingress{Path: shiftPath}, Version: s.version, Stable: &stable,
		Weight: w, Release: fmt.Sprintf("%s/%d", benchLane, s.number), Fresh: w == shiftsUp[0],
	}, candidate)})
	return err
}

// release is one release; every third is rolled back.
func (s *shifting) release() {
	s.b.Helper()
	s.number++
	s.candidate = s.start(fmt.Sprintf("r%d", s.number))
	weights, good := shiftsUp, true
	if s.number%3 == 0 {
		weights, good = shiftsBack, false
	}
	for _, w := range weights {
		if !s.shift(w) {
			good = false
			break
		}
	}
	gone := s.candidate
	if good {
		gone, s.stable = s.stable, s.candidate
		s.up++
	} else {
		s.back++
	}
	s.shift(release.NoWeight)
	s.retire(gone)
}

// shift is one change, followed by a message over every WebSocket and by some requests. It says false when a guard has found
// against the candidate, which noise can bring about.
func (s *shifting) shift(w release.Weight) bool {
	s.b.Helper()
	began := time.Now()
	err := s.apply(w)
	s.took = append(s.took, time.Since(began))
	if !errors.Is(err, release.ErrLapsed) {
		require.NoError(s.b, err)
	}
	for _, one := range s.sockets {
		one.exchange(strconv.FormatInt(s.version, 10))
	}
	s.clients.awaitMore(s.b, shiftAnswers)
	return err == nil
}

// retire stops a revision once no gateway has requests with it. The first is kept, as its WebSockets are open.
func (s *shifting) retire(one *running) {
	s.b.Helper()
	if one == s.started[0] {
		return
	}
	require.NoError(s.b, s.fleet.Drain(s.b.Context(), shiftUnit, benchLane, one.name))
	require.NoError(s.b, one.server.Close())
}

func (s *shifting) report(r *report) {
	asked, failed, why := s.clients.total()
	r.judge("changes: failed POST requests", "0", failed == 0, "%d of %d, at %d requests/s on %d gateways, over %d changes of one route (%d releases to 100 %%, %d rolled back, each with its instance)",
		failed, asked, shiftRate, routeGateways, len(s.took), s.up, s.back)
	served := int64(0)
	for _, one := range s.started {
		served += one.served.Load()
	}
	r.judge("changes: POST requests that instances served", "as many", served == int64(asked), "%d", served)
	open, messages := map[string]int{}, 0
	for _, one := range s.sockets {
		messages += one.messages
		if one.broken == nil {
			open[one.path]++
		} else {
			r.note("changes: WebSocket at %s: %v", one.path, one.broken)
		}
	}
	r.judge("changes: WebSockets that stayed open", "all", open[socketPath] == routeGateways && open[shiftPath] == routeGateways,
		"%d of %d through another route, %d of %d to the first revision of this one; %d messages there and back", open[socketPath], routeGateways, open[shiftPath], routeGateways, messages)
	r.add("changes: one change on every gateway", "p50 %.1f ms, p99 %.1f ms", ms(median(s.took)), ms(quantile(s.took, 0.99)))
	for _, text := range why {
		r.note("changes, failed: %s", text)
	}
}

// socket is an open WebSocket.
type socket struct {
	path     string
	conn     *websocket.Conn
	messages int
	// broken is why it did not stay open.
	broken error
}

func openSocket(b *testing.B, addr, path string) *socket {
	b.Helper()
	dialer := &websocket.Dialer{HandshakeTimeout: clientPatience}
	conn, response, err := dialer.DialContext(b.Context(), "ws://"+addr+path, nil)
	require.NoError(b, err)
	require.NoError(b, response.Body.Close())
	b.Cleanup(func() { _ = conn.Close() })
	return &socket{path: path, conn: conn}
}

// exchange sends a message and waits until it comes back.
func (s *socket) exchange(text string) {
	if s.broken != nil {
		return
	}
	s.broken = func() error {
		if err := s.conn.SetReadDeadline(time.Now().Add(clientPatience)); err != nil {
			return err
		}
		if err := s.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			return err
		}
		_, back, err := s.conn.ReadMessage()
		if err == nil && string(back) != text {
			err = fmt.Errorf("%q came back as %q", text, back)
		}
		return err
	}()
	if s.broken == nil {
		s.messages++
	}
}
