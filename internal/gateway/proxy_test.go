package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// TestNoPostFailsWhileWeightsMove is the bar of the gateway: 40 clients with keep-alive connections post
// without a pause over 100 changes of the weight.
func TestNoPostFailsWhileWeightsMove(t *testing.T) {
	const clients, changes = 40, 100
	g := newTestGateway(t, Options{StateDir: t.TempDir()})
	var answered [2]atomic.Int64
	seen := sync.Map{}
	arm := func(i int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("instance: %v", err)
			}
			if _, twice := seen.LoadOrStore(string(body), true); twice {
				t.Errorf("request %s reached an instance twice", body)
			}
			answered[i].Add(1)
			_, _ = w.Write(body)
		}
	}
	stable := []string{instance(t, arm(0)), instance(t, arm(0))}
	candidate := []string{instance(t, arm(1)), instance(t, arm(1))}
	at := func(version int64, w release.Weight) release.Route {
		return testRoute(version, weight(w), func(r *release.Route) {
			r.Stable, r.Canary = target("web-1", stable...), target("web-2", candidate...)
		})
	}
	mustApply(t, g, at(1, 0))
	base := serve(t, g)
	stop := make(chan struct{})
	var sent atomic.Int64
	var wg sync.WaitGroup
	// Under load the client dials connections that it does not need at once, and the gateway waits 10 s for the first
	// byte of one: a POST that comes on it just then is lost, and net/http repeats none. See [Gateway.NewServer].
	transport := &http.Transport{MaxIdleConnsPerHost: clients, IdleConnTimeout: headerTimeout / 2}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	for c := range clients {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				body := fmt.Sprintf("%d-%d", c, n)
				if err := post(client, base+"/web", body); err != nil {
					t.Errorf("POST %s: %v", body, err)
					return
				}
				sent.Add(1)
			}
		})
	}
	weights := []release.Weight{500, 5000, 10000, 2000, 0, 100}
	for i := range changes {
		mustApply(t, g, at(int64(i+2), weights[i%len(weights)]))
		// Each weight serves some requests before the next.
		until := sent.Load() + clients/2
		eventually(t, "requests at a weight", func() bool { return sent.Load() >= until || t.Failed() })
	}
	close(stop)
	wg.Wait()
	if got := answered[0].Load() + answered[1].Load(); got != sent.Load() {
		t.Errorf("%d requests sent, %d answered", sent.Load(), got)
	}
	if answered[0].Load() == 0 || answered[1].Load() == 0 {
		t.Error("one arm got nothing, so nothing was tested")
	}
	eventually(t, "the last request is counted", func() bool {
		return statsOf(g, "web-1").InFlight+statsOf(g, "web-2").InFlight == 0
	})
	for i, revision := range []string{"web-1", "web-2"} {
		s := statsOf(g, revision)
		if int64(s.Requests) != answered[i].Load() || s.Classes["2xx"] != s.Requests {
			t.Errorf("%s counted %d requests %v, its instances %d", revision, s.Requests, s.Classes, answered[i].Load())
		}
	}
}

func post(client *http.Client, url, body string) error {
	resp, err := client.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || string(got) != body {
		return fmt.Errorf("status %d, body %q", resp.StatusCode, got)
	}
	return nil
}

// TestNoPostFailsOnAConnectionThatTheInstanceClosed has instances that close every connection right
// after an answer, without saying so in it.
func TestNoPostFailsOnAConnectionThatTheInstanceClosed(t *testing.T) {
	closed := make(chan struct{}, 1)
	address := rawInstance(t, func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		_ = conn.Close()
		closed <- struct{}{}
	})
	g := newTestGateway(t, Options{})
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", address) }))
	client := &http.Client{}
	base := serve(t, g)
	for i := range 300 {
		if err := post(client, base+"/web", strings.Repeat("x", i*100)); err != nil {
			t.Fatalf("POST %d: %v", i, err)
		}
		<-closed
	}
	eventually(t, "every request has ended", func() bool { return statsOf(g, "web-1").InFlight == 0 })
	if s := statsOf(g, "web-1"); s.Requests != 300 || s.Classes["2xx"] != 300 {
		t.Errorf("counted %+v", s)
	}
}

// rawInstance gives every connection to handle, for instances that misbehave.
func rawInstance(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func TestInstancesThatFail(t *testing.T) {
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	reset := func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
	halfway := func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	}
	for _, test := range []struct {
		name     string
		endpoint string
		status   int
		class    Class
	}{
		{"refuses", refused(t), 502, ClassConnect},
		{"resets", rawInstance(t, reset), 502, ClassBroken},
		{"hangs", rawInstance(t, func(net.Conn) { <-hang }), 504, ClassTimeout},
		{"breaks off halfway", rawInstance(t, halfway), 0, ClassBroken}, // the client's connection breaks too
		{"answers 500", instance(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }), 500, Class5xx},
		{"answers 404", instance(t, http.NotFound), 404, Class4xx},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := Options{AnswerTimeout: patience}
			if test.class == ClassTimeout {
				opts.AnswerTimeout = 50 * time.Millisecond
			}
			g := newTestGateway(t, opts)
			mustApply(t, g, testRoute(1, weight(release.FullWeight), func(r *release.Route) {
				r.Canary, r.Stable = target("web-2", test.endpoint), target("web-1", instance(t, answerWith("stable")))
			}))
			resp, err := http.Get(serve(t, g) + "/web")
			if test.status == 0 {
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				if err == nil {
					t.Error("the client takes half an answer for a whole one")
				}
			} else if err != nil {
				t.Fatal(err)
			} else if _ = resp.Body.Close(); resp.StatusCode != test.status || resp.Header.Get(RevisionHeader) != "web-2" {
				t.Errorf("status %d from %q, want %d from web-2", resp.StatusCode, resp.Header.Get(RevisionHeader), test.status)
			}
			eventually(t, "the request is counted", func() bool { return statsOf(g, "web-2").Requests == 1 })
			if s := statsOf(g, "web-2"); s.Classes[test.class.String()] != 1 || s.InFlight != 0 {
				t.Errorf("counted as %v, want %s", s.Classes, test.class)
			}
			if s := statsOf(g, "web-1"); s.Requests != 0 {
				t.Error("the request fell over to the other revision")
			}
			e := g.Evidence(t.Context(), "demo/hello/production/2", nil, time.Second)
			counts := e.Routes[0].Batches[0].Streams[canary.StreamError]
			if wantBad := test.class != Class4xx; (counts.CanaryBad == 1) != wantBad {
				t.Errorf("evidence %+v, want bad %v", counts, wantBad)
			}
		})
	}
}

func TestAnotherEndpointOfTheSameRevisionTakesOver(t *testing.T) {
	g := newTestGateway(t, Options{})
	good := instance(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	mustApply(t, g, testRoute(1, weight(release.FullWeight), func(r *release.Route) {
		r.Canary = target("web-2", refused(t), good, refused(t))
	}))
	base := serve(t, g)
	for i := range 50 {
		if err := post(http.DefaultClient, base+"/web", strings.Repeat("b", i*5000)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "every request has ended", func() bool { return statsOf(g, "web-2").InFlight == 0 })
	if s := statsOf(g, "web-2"); s.Requests != 50 || s.Classes["2xx"] != 50 {
		t.Errorf("counted %+v", s)
	}
	e := g.Evidence(t.Context(), "demo/hello/production/2", nil, time.Second)
	for _, b := range e.Routes[0].Batches {
		if b.Streams[canary.StreamError].CanaryBad > 0 {
			t.Error("a connection that another endpoint took over counts as an error")
		}
	}
}

func TestRequestsSpreadOverEndpoints(t *testing.T) {
	g := newTestGateway(t, Options{})
	var hits [3]atomic.Int64
	var endpoints []string
	for i := range hits {
		endpoints = append(endpoints, instance(t, func(http.ResponseWriter, *http.Request) { hits[i].Add(1) }))
	}
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", endpoints...) }))
	for range 30 {
		ask(g, "/web")
	}
	for i := range hits {
		if n := hits[i].Load(); n < 5 {
			t.Errorf("endpoint %d got %d of 30", i, n)
		}
	}
}

func TestHeadersOnTheWay(t *testing.T) {
	g := newTestGateway(t, Options{})
	heads := make(chan *http.Request, 1)
	endpoint := instance(t, func(w http.ResponseWriter, r *http.Request) {
		heads <- r
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "4")
	})
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", endpoint) }))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, serve(t, g)+"/web/a%2Fb?x=1;y&z=%zz", strings.NewReader("in"))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example"
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for name, value := range map[string]string{
		"Traceparent": "00-" + trace + "-00f067aa0ba902b7-01", "Tracestate": "a=b", "Connection": "X-Hop", "X-Hop": "1",
		"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "Accept-Encoding": "br",
	} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	in := <-heads
	parent := in.Header.Get("Traceparent")
	for what, pair := range map[string][2]string{
		"host":              {in.Host, "shop.example"},
		"request target":    {in.RequestURI, "/web/a%2Fb?x=1;y&z=%zz"},
		"hop-by-hop header": {in.Header.Get("X-Hop"), ""},
		"forged address":    {in.Header.Get("X-Forwarded-For"), "127.0.0.1"},
		"forged protocol":   {in.Header.Get("X-Forwarded-Proto"), "http"},
		"forwarded host":    {in.Header.Get("X-Forwarded-Host"), "shop.example"},
		"trace id":          {parent[3:35], trace},
		"trace flags":       {parent[53:], "01"},
		"trace state":       {in.Header.Get("Tracestate"), "a=b"},
		"encoding":          {in.Header.Get("Accept-Encoding"), "br"},
		"trailer":           {resp.Trailer.Get("X-Sum"), "4"},
		"revision":          {resp.Header.Get(RevisionHeader), "web-1"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
		}
	}
	if parent[36:52] == "00f067aa0ba902b7" {
		t.Error("the gateway is not the parent of what follows")
	}
}

func TestTraces(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, test := range []struct {
		name, in string
		kept     bool
	}{
		{"valid", "00-" + id + "-00f067aa0ba902b7-00", true},
		{"a later version with more", "01-" + id + "-00f067aa0ba902b7-00-x", true},
		{"version ff", "ff-" + id + "-00f067aa0ba902b7-00", false},
		{"version 00 with more", "00-" + id + "-00f067aa0ba902b7-00-x", false},
		{"upper case", "00-" + strings.ToUpper(id) + "-00f067aa0ba902b7-00", false},
		{"no trace id", "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-00", false},
		{"no parent", "00-" + id + "-0000000000000000-00", false},
		{"too short", "00-" + id, false},
		{"nothing", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{"Traceparent": {test.in}, "Tracestate": {"a=b"}}
			got := continueTrace(h)
			if (got == id) != test.kept || (h.Get("Tracestate") == "a=b") != test.kept {
				t.Errorf("trace %s with state %q, kept should be %v", got, h.Get("Tracestate"), test.kept)
			}
			if again, _, ok := parseTrace(h.Get("Traceparent")); !ok || again != got {
				t.Errorf("wrote %q, which is no traceparent of %s", h.Get("Traceparent"), got)
			}
		})
	}
}

func TestTrustedForwardedHeadersAreKept(t *testing.T) {
	heads := make(chan http.Header, 1)
	g := newTestGateway(t, Options{TrustForwarded: true, Transport: inProcess(func(r *http.Request) (*http.Response, error) {
		heads <- r.Header
		return plainAnswer(200), nil
	})})
	mustApply(t, g, testRoute(1, weight(0)))
	ask(g, "/web", func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", "10.0.0.7")
		r.Header.Set("X-Forwarded-Proto", "https")
	})
	if h := <-heads; h.Get("X-Forwarded-For") != "10.0.0.7, 192.0.2.1" || h.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("headers %v", h)
	}
}

func TestEventsArriveBeforeTheEnd(t *testing.T) {
	goOn := make(chan struct{})
	endpoint := instance(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-goOn:
			case <-r.Context().Done():
				return
			}
		}
	})
	g := newTestGateway(t, Options{})
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", endpoint) }))
	resp, err := http.Get(serve(t, g) + "/web")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 3 {
		// The instance writes the next event only when this one has arrived.
		if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", i) {
			t.Fatalf("event %d: %q %v", i, lines.Text(), lines.Err())
		}
		lines.Scan()
		goOn <- struct{}{}
	}
}

func TestBigBodiesAreStreamed(t *testing.T) {
	const size = 64 << 20
	endpoint := instance(t, func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		w.Header().Set("X-Got", fmt.Sprintf("%d %x %v", n, h.Sum(nil), err))
		_, _ = io.Copy(w, io.LimitReader(zeros{}, size))
	})
	g := newTestGateway(t, Options{})
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", endpoint) }))
	resp, err := http.Post(serve(t, g)+"/web", "", io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	h := sha256.New()
	_, _ = io.Copy(h, io.LimitReader(zeros{}, size))
	if want := fmt.Sprintf("%d %x <nil>", size, h.Sum(nil)); resp.Header.Get("X-Got") != want {
		t.Errorf("uploaded %s, want %s", resp.Header.Get("X-Got"), want)
	}
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Errorf("downloaded %d bytes: %v", n, err)
	}
	eventually(t, "the request is counted", func() bool { return statsOf(g, "web-1").Bytes == size })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestClientsThatGoAway(t *testing.T) {
	arrived := make(chan struct{}, 3)
	endpoint := instance(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/web/stream" {
			_, _ = io.WriteString(w, "first")
			_ = http.NewResponseController(w).Flush()
		} else {
			_, _ = io.Copy(io.Discard, r.Body)
			arrived <- struct{}{}
		}
		<-r.Context().Done()
	})
	g := newTestGateway(t, Options{})
	mustApply(t, g, testRoute(1, weight(release.FullWeight), func(r *release.Route) { r.Canary = target("web-2", endpoint) }))
	base := serve(t, g)
	go1 := func(path string, leave func(*http.Response, context.CancelFunc)) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, strings.NewReader("body"))
		if err != nil {
			t.Error(err)
			return
		}
		if path != "/web/stream" {
			go func() {
				<-arrived
				cancel()
			}()
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			leave(resp, cancel)
			_ = resp.Body.Close()
		} else if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	go1("/web", nil)
	go1("/web/stream", func(resp *http.Response, cancel context.CancelFunc) {
		_, _ = io.ReadFull(resp.Body, make([]byte, 5))
		cancel()
	})
	// A body that breaks off.
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "POST /web HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
	_ = conn.Close()
	eventually(t, "three requests are counted", func() bool { return statsOf(g, "web-2").Requests == 3 })
	if s := statsOf(g, "web-2"); s.Classes["aborted"] != 3 {
		t.Errorf("classes %v, want 3 aborted", s.Classes)
	}
	e := g.Evidence(t.Context(), "demo/hello/production/2", nil, time.Second)
	var sum canary.Counts
	for _, b := range e.Routes[0].Batches {
		sum.CanaryBad += b.Streams[canary.StreamError].CanaryBad
		sum.CanaryGood += b.Streams[canary.StreamError].CanaryGood
	}
	if sum.CanaryBad != 0 || sum.CanaryGood != 1 {
		t.Errorf("evidence %+v, want 1 good for the stream that was answered, and nothing else", sum)
	}
}

// echoUpgrade is an instance that speaks a protocol of its own after an upgrade: every line comes back.
func echoUpgrade(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "echo" {
		http.Error(w, "no upgrade", http.StatusBadRequest)
		return
	}
	w.Header().Set("Upgrade", "echo")
	w.Header().Set("Connection", "Upgrade")
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		line, err := buffered.ReadString('\n')
		if err != nil {
			return
		}
		if _, err := io.WriteString(conn, line); err != nil {
			return
		}
	}
}

type tunnel struct {
	net.Conn
	in *bufio.Reader
}

func openTunnel(t *testing.T, base string) *tunnel {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, _ = io.WriteString(conn, "GET /web HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v %v", resp, err)
	}
	return &tunnel{conn, in}
}

func (u *tunnel) echo(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(u, line+"\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := u.in.ReadString('\n'); err != nil || got != line+"\n" {
		t.Fatalf("sent %q, got %q: %v", line, got, err)
	}
}

func TestATunnelStaysOpenWhileRoutesChangeAndHoldsTheDrain(t *testing.T) {
	g := newTestGateway(t, Options{})
	endpoint := instance(t, echoUpgrade)
	at := func(version int64, w release.Weight) release.Route {
		return testRoute(version, weight(w), func(r *release.Route) {
			r.Stable, r.Canary = target("web-1", instance(t, answerWith("plain"))), target("web-2", endpoint)
		})
	}
	mustApply(t, g, at(1, release.FullWeight))
	u := openTunnel(t, serve(t, g))
	u.echo(t, "before")
	for i := range 20 {
		w := []release.Weight{0, 500, 5000, 10000}[i%4]
		mustApply(t, g, at(int64(i+2), w), placed(fmt.Sprint("other", i), "", fmt.Sprint("/other", i)))
		u.echo(t, fmt.Sprint("after change ", i))
	}
	lane := release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}
	if err := g.Drain(t.Context(), lane, "web-2"); !errors.Is(err, release.ErrConflict) || !strings.Contains(err.Error(), testKey) {
		t.Errorf("drain of a target: %v, want a conflict that names %s", err, testKey)
	}
	mustApply(t, g, testRoute(100, weight(0), func(r *release.Route) { r.Canary = nil }))
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := g.Drain(short, lane, "web-2"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drain with an open tunnel: %v", err)
	}
	u.echo(t, "still here")
	drained := make(chan error, 2)
	for range 2 {
		go func() { drained <- g.Drain(t.Context(), lane, "web-2") }()
	}
	_ = u.Close()
	for range 2 {
		if err := <-drained; err != nil {
			t.Error(err)
		}
	}
	if s := statsOf(g, "web-2"); s.Classes["1xx"] != 1 || s.InFlight != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestALaneDrainsItsOwnInstancesOnly(t *testing.T) {
	g := newTestGateway(t, Options{})
	staging := placed("web", "", "/staging")
	staging.Key, staging.Stable = "demo/hello/staging/web", target("web-1")
	mustApply(t, g, testRoute(1, weight(0)), staging)
	other := release.Lane{Tenant: "demo", Application: "hello", Environment: "elsewhere"}
	if err := g.Drain(t.Context(), other, "web-1"); err != nil {
		t.Errorf("drain of a lane without the revision: %v", err)
	}
	if err := g.Remove(staging.Key, 1); err != nil {
		t.Fatal(err)
	}
	lane := release.Lane{Tenant: "demo", Application: "hello", Environment: "staging"}
	if err := g.Drain(t.Context(), lane, "web-1"); err != nil {
		t.Errorf("another lane holds the drain: %v", err)
	}
}

func TestAccessLines(t *testing.T) {
	var out bytes.Buffer
	g, err := New(Options{Name: "gw", AccessLog: &out, Transport: everybody})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, g, testRoute(3, weight(release.FullWeight)))
	ask(g, "/web/x?token=secret", func(r *http.Request) { r.Header.Set("User-Agent", "spy") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
	line := out.String()
	for _, want := range []string{
		`"route":"` + testKey + `"`, `"revision":"web-2"`, `"arm":"canary"`, `"weight_version":3`, `"status":200`,
		`"class":"2xx"`, `"bytes":2`, `"path":"/web/x"`, `"trace_id":"`, `"upstream_ms":`,
	} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
	if strings.Count(line, "\n") != 1 || strings.Contains(line, "secret") || strings.Contains(line, "spy") {
		t.Errorf("line says too much: %s", line)
	}
	for range accessQueue + 10 {
		ask(g, "/web")
	}
	if lost := g.access.lost.Load(); lost != 10 {
		t.Errorf("%d lines lost, want 10 and no request held up", lost)
	}
}

func TestMetrics(t *testing.T) {
	g := newTestGateway(t, Options{Transport: everybody})
	mustApply(t, g, testRoute(1, weight(release.FullWeight)))
	ask(g, "/web")
	ask(g, "/nowhere")
	w := httptest.NewRecorder()
	g.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`skyisland_gateway_requests_total{class="2xx",gateway="gw",revision="web-2",route="` + testKey + `"} 1`,
		`skyisland_gateway_request_seconds_count{gateway="gw",revision="web-2",route="` + testKey + `"} 1`,
		`skyisland_gateway_unrouted_requests_total{gateway="gw"} 1`,
		`skyisland_gateway_canary_weight_ratio{gateway="gw",route="` + testKey + `"} 1`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}

func TestCountersOfOldRevisionsAreForgotten(t *testing.T) {
	g := newTestGateway(t, Options{Transport: everybody})
	for i := range 50 {
		mustApply(t, g, testRoute(int64(i+1), weight(0), func(r *release.Route) { r.Stable, r.Canary = target(fmt.Sprint("web-", i)), nil }))
		ask(g, "/web")
	}
	if n := len(g.Stats().Revisions); n > keepRevisions+2 {
		t.Errorf("%d revisions are kept", n)
	}
	if n := len(g.revisions); n != 1 {
		t.Errorf("%d revisions have endpoints", n)
	}
	eventually(t, "every request has ended", func() bool { return statsOf(g, "web-49").InFlight == 0 })
	if s := statsOf(g, "web-49"); s.Requests != 1 {
		t.Errorf("the revision in force has %d requests", s.Requests)
	}
}
