package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/skyisland/skyisland/internal/release"
)

// front is a gateway on a loopback port with everything a client needs to reach it over HTTP/2.
type front struct {
	g      *Gateway
	server *http.Server
	base   string
	client *http.Client
	// dial opens a connection on which HTTP/2 begins at once.
	dial func() net.Conn
}

// overHTTP2 runs a test over TLS and in clear text, each with a new gateway before the instance.
func overHTTP2(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, f front)) {
	for _, over := range []string{"tls", "h2c"} {
		t.Run(over, func(t *testing.T) {
			opts := Options{H2C: over == "h2c"}
			var roots *x509.CertPool
			if over == "tls" {
				opts.Certificates, roots = testCertificates(t)
			}
			f := newFront(t, opts, roots)
			mustApply(t, f.g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", instance(t, handler)) }))
			test(t, f)
		})
	}
}

func newFront(t testing.TB, opts Options, roots *x509.CertPool) front {
	t.Helper()
	f := front{g: newTestGateway(t, opts)}
	var d net.Dialer
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	f.server = f.g.NewServer("")
	transport := &http.Transport{Protocols: new(http.Protocols)}
	if roots == nil {
		f.base = "http://" + address
		go func() { _ = f.server.Serve(f.g.Bound(listener)) }()
		transport.Protocols.SetUnencryptedHTTP2(true)
		f.dial = func() net.Conn {
			conn, err := d.DialContext(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
	} else {
		f.base = "https://" + address
		go func() { _ = f.server.ServeTLS(f.g.Bound(listener), "", "") }()
		transport.Protocols.SetHTTP2(true)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "shop.example"}
		f.dial = func() net.Conn {
			conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: "shop.example", NextProtos: []string{"h2"}})
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
	}
	f.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = f.server.Close()
	})
	return f
}

// counted waits for requests to have ended, and returns their classes.
func (f front) counted(t *testing.T, n uint64) string {
	t.Helper()
	eventually(t, "every request has ended", func() bool {
		s := statsOf(f.g, "web-1")
		return s.InFlight == 0 && s.Requests >= n
	})
	return fmt.Sprint(statsOf(f.g, "web-1").Classes)
}

func TestHTTP2ReachesTheInstance(t *testing.T) {
	heads := make(chan *http.Request, 1)
	overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		heads <- r
		_, _ = io.WriteString(w, "hello")
	}, func(t *testing.T, f front) {
		mustApply(t, f.g, testRoute(2, sticky, weight(500), func(r *release.Route) {
			r.UserHeader = ""
			r.Stable = f.g.table.Load().routes[testKey].doc.Stable
			r.Canary = &release.Target{Revision: "web-2", Endpoints: r.Stable.Endpoints}
		}))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.base+"/web/a%2Fb?x=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "shop.example"
		resp, err := f.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		in := <-heads
		scheme, _, _ := strings.Cut(f.base, ":")
		cookie := resp.Cookies()[0]
		for what, pair := range map[string][2]any{
			"protocol":           {resp.Proto, "HTTP/2.0"},
			"body":               {string(body), "hello"},
			"error":              {err, nil},
			"host":               {in.Host, "shop.example"},
			"request target":     {in.RequestURI, "/web/a%2Fb?x=1"},
			"forwarded protocol": {in.Header.Get("X-Forwarded-Proto"), scheme},
			"cookie":             {cookie.Name, UserCookie},
			"secure cookie":      {cookie.Secure, scheme == "https"},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
			}
		}
	})
}

func TestTrailersBothWaysOverHTTP2(t *testing.T) {
	overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Answer-Sum")
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
		w.Header().Set("X-Answer-Sum", r.Trailer.Get("X-Sum")+" seen")
	}, func(t *testing.T, f front) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.base+"/web", struct{ io.Reader }{strings.NewReader("body")})
		if err != nil {
			t.Fatal(err)
		}
		req.Trailer = http.Header{"X-Sum": {"4"}}
		resp, err := f.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(body) != "body" || resp.Trailer.Get("X-Answer-Sum") != "4 seen" {
			t.Errorf("body %q, trailer %v", body, resp.Trailer)
		}
	})
}

// TestHTTP2StreamsBothWaysAtOnce has a conversation: each line is sent only when the one before was answered.
func TestHTTP2StreamsBothWaysAtOnce(t *testing.T) {
	overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_ = rc.Flush()
		in := bufio.NewScanner(r.Body)
		for in.Scan() {
			_, _ = fmt.Fprintf(w, "%s, you say\n", in.Text())
			_ = rc.Flush()
		}
	}, func(t *testing.T, f front) {
		out, in := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.base+"/web", out)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := f.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for _, said := range []string{"one", "two", "three"} {
			_, _ = io.WriteString(in, said+"\n")
			if !lines.Scan() || lines.Text() != said+", you say" {
				t.Fatalf("answer to %s: %q, %v", said, lines.Text(), lines.Err())
			}
		}
		_ = in.Close()
		if lines.Scan() || lines.Err() != nil {
			t.Errorf("behind the end: %q, %v", lines.Text(), lines.Err())
		}
	})
}

func TestLargeBodiesOverHTTP2(t *testing.T) {
	const size, clients = 16 << 20, 4
	overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(io.MultiWriter(sum, w), r.Body)
		_, _ = w.Write(sum.Sum(nil))
	}, func(t *testing.T, f front) {
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		want := sha256.Sum256(body)
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				resp, err := f.client.Post(f.base+"/web", "application/octet-stream", bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				got, err := io.ReadAll(resp.Body)
				if err != nil || len(got) != size+len(want) || !bytes.Equal(got[size:], want[:]) || sha256.Sum256(got[:size]) != want {
					t.Errorf("%d bytes came back, %v", len(got), err)
				}
			})
		}
		wg.Wait()
		if got := f.counted(t, clients); got != "map[2xx:4]" {
			t.Errorf("counted %s", got)
		}
	})
}

func TestServerSentEventsOverHTTP2(t *testing.T) {
	next := make(chan struct{})
	overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	}, func(t *testing.T, f front) {
		resp, err := f.client.Get(f.base + "/web")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		events := bufio.NewScanner(resp.Body)
		for i := range 3 {
			events.Scan()
			if want := fmt.Sprintf("data: %d", i); events.Text() != want {
				t.Fatalf("event %q, want %q", events.Text(), want)
			}
			events.Scan() // the empty line
			next <- struct{}{}
		}
	})
}

// TestACancelledStreamReachesTheInstance ends one stream; the others on its connection go on.
func TestACancelledStreamReachesTheInstance(t *testing.T) {
	arrived, left := make(chan struct{}, 1), make(chan struct{}, 1)
	overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/web/quick" {
			return
		}
		arrived <- struct{}{}
		<-r.Context().Done()
		left <- struct{}{}
	}, func(t *testing.T, f front) {
		p := newPeer(t, f)
		p.request(1, "GET", "/web")
		<-arrived
		if err := p.fr.WriteRSTStream(1, http2.ErrCodeCancel); err != nil {
			t.Fatal(err)
		}
		<-left
		p.request(3, "GET", "/web/quick")
		if got := p.answer(3); got != "200" {
			t.Errorf("the next stream got %s", got)
		}
		if got := f.counted(t, 2); got != "map[2xx:1 aborted:1]" {
			t.Errorf("counted %s", got)
		}
	})
}

// TestAStreamThatBreaksEndsAlone has a client that breaks off its body, and an instance that breaks off its answer.
func TestAStreamThatBreaksEndsAlone(t *testing.T) {
	arrived, broke := make(chan struct{}, 1), make(chan error, 1)
	overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			arrived <- struct{}{}
			_, err := io.ReadAll(r.Body)
			broke <- err
			return
		}
		w.Header().Set("Content-Length", "9")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, func(t *testing.T, f front) {
		p := newPeer(t, f)
		p.openEnded = true
		p.request(1, "POST", "/web")
		p.openEnded = false
		if err := p.fr.WriteData(1, false, []byte("half")); err != nil {
			t.Fatal(err)
		}
		<-arrived
		if err := p.fr.WriteRSTStream(1, http2.ErrCodeCancel); err != nil {
			t.Fatal(err)
		}
		if err := <-broke; err == nil {
			t.Error("the instance took half a body for a whole one")
		}
		p.request(3, "GET", "/web")
		if got := p.answer(3); got != "INTERNAL_ERROR" {
			t.Errorf("half an answer ended as %q", got)
		}
		if got := f.counted(t, 2); got != "map[aborted:1 broken:1]" {
			t.Errorf("counted %s", got)
		}
	})
}

// TestAShutdownFinishesStreams stops a server in the middle of an answer.
func TestAShutdownFinishesStreams(t *testing.T) {
	arrived, finish := make(chan struct{}, 1), make(chan struct{})
	overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-finish
		_, _ = io.WriteString(w, "whole")
	}, func(t *testing.T, f front) {
		p := newPeer(t, f)
		p.request(1, "GET", "/web")
		<-arrived
		ended := make(chan error, 1)
		go func() { ended <- f.server.Shutdown(context.WithoutCancel(t.Context())) }()
		p.until(func(frame http2.Frame) bool { _, ok := frame.(*http2.GoAwayFrame); return ok })
		finish <- struct{}{}
		if got := p.answer(1); got != "200 whole" {
			t.Errorf("the request under way got %q", got)
		}
		if err := <-ended; err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
}

func TestWhatHTTP2SaysAndHTTP1CannotIsRefused(t *testing.T) {
	seen := make(chan *http.Request, 10)
	overHTTP2(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r }, func(t *testing.T, f front) {
		p := newPeer(t, f)
		id := uint32(1)
		for _, test := range []struct {
			name, method, path string
			fields             []string
			want               string
		}{
			{"a method that is no token", "GET /admin HTTP/1.1", "/web", nil, "400"},
			{"a path without a slash", "GET", "http:opaque", nil, "400"},
			{"no host at all", "GET", "/web", []string{":authority", ""}, "400"},
			{"a host that is none", "GET", "/web", []string{":authority", "a b"}, "400"},
			{"a host with a user", "GET", "/web", []string{":authority", "u@shop.example"}, "PROTOCOL_ERROR"},
			{"another host beside", "GET", "/web", []string{"host", "other.example"}, "400"},
			{"a field of the connection", "GET", "/web", []string{"connection", "keep-alive"}, "400"},
			{"an encoding of the transfer", "POST", "/web", []string{"transfer-encoding", "chunked"}, "400"},
			{"two lengths", "GET", "/web", []string{"content-length", "0", "content-length", "0"}, "400"},
			{"a length that is none", "GET", "/web", []string{"content-length", "+1"}, "400"},
			{"a line in a value", "GET", "/web", []string{"x-a", "b\r\nhost: c"}, "PROTOCOL_ERROR"},
			{"a WebSocket as HTTP/1.1 asks for it", "GET", "/web", []string{"upgrade", "websocket"}, "400"},
			{"a WebSocket as HTTP/2 asks for it", "CONNECT", "/web", []string{":protocol", "websocket"}, "PROTOCOL_ERROR"},
			{"a tunnel", "CONNECT", "", nil, "405"},
			{"a header above 64 KiB", "GET", "/web", slices.Repeat([]string{"x-long", strings.Repeat("x", 40<<10)}, 2), "431"},
		} {
			t.Run(test.name, func(t *testing.T) {
				p.t = t
				p.request(id, test.method, test.path, test.fields...)
				status, _, _ := strings.Cut(p.answer(id), " ")
				if status != test.want {
					t.Errorf("got %s, want %s", status, test.want)
				}
			})
			id += 2
		}
		p.t = t
		// The connection is still good, and crumbs and a second host that says the same are put right.
		p.request(id, "GET", "/web", "cookie", "a=1", "host", "SHOP.example", "cookie", "b=2")
		if got := p.answer(id); got != "200" {
			t.Fatalf("got %s", got)
		}
		in := <-seen
		if got := in.Header["Cookie"]; len(got) != 1 || got[0] != "a=1; b=2" {
			t.Errorf("cookies %q", got)
		}
		if in.Host != "shop.example" || len(in.Header["Host"]) != 0 {
			t.Errorf("host %q and %q", in.Host, in.Header["Host"])
		}
		if got := f.counted(t, 1); got != "map[2xx:1]" || len(seen) != 0 {
			t.Errorf("counted %s, and %d more reached the instance", got, len(seen))
		}
		w := httptest.NewRecorder()
		f.g.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		for _, line := range []string{
			`refused_requests_total{gateway="gw",reason="malformed",route=""} 7`, `http2_errors_total{error="stream_PROTOCOL_ERROR_bad_connect",gateway="gw"} 1`,
			`connections{gateway="gw"} 1`, `connections_limit{gateway="gw"} 10000`,
		} {
			if !strings.Contains(w.Body.String(), "\nskyisland_gateway_"+line+"\n") {
				t.Errorf("the metrics lack %s", line)
			}
		}
	})
}

// TestAHeaderWithoutEndEndsTheConnection goes on with a header that is above the bound already.
func TestAHeaderWithoutEndEndsTheConnection(t *testing.T) {
	overHTTP2(t, answerWith("never"), func(t *testing.T, f front) {
		p := newPeer(t, f)
		p.request(1, "GET", "/web", slices.Repeat([]string{"x-many", strings.Repeat("x", 100)}, 4*maxHeader/100)...)
		p.until(func(frame http2.Frame) bool {
			away, ok := frame.(*http2.GoAwayFrame)
			return ok && away.ErrCode == http2.ErrCodeProtocol
		})
		if got := statsOf(f.g, "web-1"); got.Requests != 0 {
			t.Errorf("%d requests counted", got.Requests)
		}
	})
}

func TestTheBoundsOfHTTP2AreTold(t *testing.T) {
	hold := make(chan struct{})
	overHTTP2(t, func(http.ResponseWriter, *http.Request) { <-hold }, func(t *testing.T, f front) {
		p := newPeer(t, f)
		for id, want := range map[http2.SettingID]uint32{
			http2.SettingMaxConcurrentStreams: 100, http2.SettingMaxFrameSize: 16 << 10, http2.SettingInitialWindowSize: 256 << 10,
			http2.SettingMaxHeaderListSize: 64<<10 + 320, http2.SettingEnableConnectProtocol: 0,
		} {
			if got := p.settings[id]; got != want {
				t.Errorf("%v is %d, want %d", id, got, want)
			}
		}
		for i := range uint32(streams + 1) {
			p.request(1+2*i, "GET", "/web")
		}
		if got := p.answer(1 + 2*streams); got != "PROTOCOL_ERROR" && got != "REFUSED_STREAM" {
			t.Errorf("the stream above the bound got %s", got)
		}
		for range streams {
			hold <- struct{}{}
		}
		if got := f.counted(t, streams); got != "map[2xx:100]" {
			t.Errorf("counted %s", got)
		}
	})
}

// TestHTTP2ClientsThatHoldAConnectionAreLetGo has one that begins a header and says nothing any more, and one that says
// something and reads nothing.
func TestHTTP2ClientsThatHoldAConnectionAreLetGo(t *testing.T) {
	for _, test := range []struct {
		name string
		hold func(client net.Conn, fr *http2.Framer)
		want time.Duration
	}{
		{"silent", func(client net.Conn, fr *http2.Framer) {
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			_, _ = io.Copy(io.Discard, client) // PINGs are read and not answered
		}, silence + answer},
		{"deaf", func(_ net.Conn, fr *http2.Framer) {
			for fr.WriteWindowUpdate(0, 1) == nil {
				pass(7 * time.Second) // and so it notices 3 s after the bound
			}
		}, unread + 3*time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newTestGateway(t, Options{H2C: true})
				client, server := net.Pipe()
				listener := &oneListener{conns: make(chan net.Conn, 1), addr: server.LocalAddr(), closed: make(chan struct{})}
				listener.conns <- server
				s := g.NewServer("")
				go func() { _ = s.Serve(listener) }()
				t.Cleanup(func() { _ = s.Close() })
				began := time.Now()
				_, _ = io.WriteString(client, http2.ClientPreface)
				fr := http2.NewFramer(client, nil)
				_ = fr.WriteSettings()
				test.hold(client, fr)
				if took := time.Since(began).Round(time.Second); took < test.want || took > test.want+time.Second {
					t.Errorf("it was let go after %v, want %v, or the look after it", took, test.want)
				}
			})
		})
	}
}

// oneListener gives out connections that are there already.
type oneListener struct {
	conns  chan net.Conn
	addr   net.Addr
	closed chan struct{}
	once   sync.Once
}

func (l *oneListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneListener) Addr() net.Addr { return l.addr }

func TestProtocolsOfAListener(t *testing.T) {
	certificates, roots := testCertificates(t)
	for _, test := range []struct {
		name  string
		opts  Options
		roots *x509.CertPool
		ask   func(*http.Protocols)
		want  string
	}{
		{"TLS speaks HTTP/1.1 to who knows no better", Options{Certificates: certificates}, roots, func(p *http.Protocols) { p.SetHTTP1(true) }, "HTTP/1.1"},
		{"TLS prefers HTTP/2", Options{Certificates: certificates}, roots, func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) }, "HTTP/2.0"},
		{"clear text speaks HTTP/1.1", Options{}, nil, func(p *http.Protocols) { p.SetHTTP1(true) }, "HTTP/1.1"},
		{"clear text speaks no HTTP/2 by itself", Options{}, nil, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }, ""},
		{"clear text speaks HTTP/1.1 beside HTTP/2", Options{H2C: true}, nil, func(p *http.Protocols) { p.SetHTTP1(true) }, "HTTP/1.1"},
		{"clear text speaks HTTP/2 where it is asked to", Options{H2C: true}, nil, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }, "HTTP/2.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFront(t, test.opts, test.roots)
			mustApply(t, f.g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", instance(t, answerWith("hello"))) }))
			transport := f.client.Transport.(*http.Transport)
			transport.Protocols = new(http.Protocols)
			test.ask(transport.Protocols)
			resp, err := f.client.Get(f.base + "/web")
			if err != nil {
				if test.want != "" {
					t.Fatal(err)
				}
				return
			}
			_ = resp.Body.Close()
			if resp.Proto != test.want {
				t.Errorf("it speaks %s, want %q", resp.Proto, test.want)
			}
		})
	}
}

// TestNoTunnelOfHTTP2 asks for the upgrade by which requests have been smuggled past proxies.
func TestNoTunnelOfHTTP2(t *testing.T) {
	heads := make(chan http.Header, 1)
	for _, upgrade := range []string{"h2c", "H2C", "websocket, h2c"} {
		f := newFront(t, Options{H2C: true}, nil)
		mustApply(t, f.g, testRoute(1, weight(0), func(r *release.Route) {
			r.Stable = target("web-1", rawInstance(t, func(conn net.Conn) {
				req, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				heads <- req.Header
				answer := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
				if req.Header.Get("Upgrade") != "" {
					answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + req.Header.Get("Upgrade") + "\r\n\r\n"
				}
				_, _ = io.WriteString(conn, answer)
			}))
		}))
		conn := f.dial()
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, "GET /web HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "+upgrade+"\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if in := <-heads; resp.StatusCode != http.StatusOK || len(in["Upgrade"])+len(in["Http2-Settings"])+len(in["Connection"]) > 0 {
			t.Errorf("%s: the client got %s, the instance %v", upgrade, resp.Status, in)
		}
	}
}

// BenchmarkProtocols has clients that speak to one gateway in different ways, and says how much of HTTP/1.1 in clear text
// each carries. The clients' part of the work is in it.
func BenchmarkProtocols(b *testing.B) {
	certificates, roots := testCertificates(b)
	endpoint := instance(b, answerWith("hello"))
	var baseline float64
	for _, test := range []struct {
		name  string
		opts  Options
		roots *x509.CertPool
		ask   func(*http.Protocols)
	}{
		{"http1", Options{}, nil, func(p *http.Protocols) { p.SetHTTP1(true) }},
		{"h2c", Options{H2C: true}, nil, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }},
		{"http1-tls", Options{Certificates: certificates}, roots, func(p *http.Protocols) { p.SetHTTP1(true) }},
		{"http2-tls", Options{Certificates: certificates}, roots, func(p *http.Protocols) { p.SetHTTP2(true) }},
	} {
		f := newFront(b, test.opts, test.roots)
		mustApply(b, f.g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", endpoint) }))
		transport := f.client.Transport.(*http.Transport)
		transport.MaxIdleConnsPerHost = 64
		transport.Protocols = new(http.Protocols)
		test.ask(transport.Protocols)
		b.Run(test.name, func(b *testing.B) {
			rate := loadBy(b, f.client, f.base+"/web")
			if test.name == "http1" {
				baseline = rate
			}
			if baseline > 0 {
				b.ReportMetric(rate/baseline, "of_http1")
			}
		})
	}
}

// TestATunnelOverTLS opens a WebSocket as browsers do where HTTP/2 has none: on a connection of HTTP/1.1.
func TestATunnelOverTLS(t *testing.T) {
	certificates, roots := testCertificates(t)
	f := newFront(t, Options{Certificates: certificates}, roots)
	mustApply(t, f.g, testRoute(1, weight(0), func(r *release.Route) {
		r.Stable = target("web-1", rawInstance(t, func(conn net.Conn) {
			in := bufio.NewReader(conn)
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_, _ = io.Copy(conn, in)
		}))
	}))
	conn, err := tls.Dial("tcp", strings.TrimPrefix(f.base, "https://"), &tls.Config{RootCAs: roots, ServerName: "shop.example", NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, _ = io.WriteString(conn, "GET /web HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := in.ReadString('\n'); line != "hello\n" {
		t.Errorf("%q came back, %v", line, err)
	}
}

// peer speaks HTTP/2 frame by frame, for what no client library says.
type peer struct {
	t        *testing.T
	conn     net.Conn
	fr       *http2.Framer
	settings map[http2.SettingID]uint32
	answers  map[uint32]string // by stream, whole ones
	partial  map[uint32]string
	// openEnded lets a body follow a request.
	openEnded bool
}

func newPeer(t *testing.T, f front) *peer {
	t.Helper()
	p := &peer{t: t, conn: f.dial(), settings: map[http2.SettingID]uint32{}, answers: map[uint32]string{}, partial: map[uint32]string{}}
	t.Cleanup(func() { _ = p.conn.Close() })
	_ = p.conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(p.conn, http2.ClientPreface)
	p.fr = http2.NewFramer(p.conn, p.conn)
	p.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := p.fr.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	p.until(func(frame http2.Frame) bool {
		s, ok := frame.(*http2.SettingsFrame)
		return ok && s.IsAck()
	})
	return p
}

// request sends a request without a body. Fields come in pairs; a pseudo field replaces the usual one.
func (p *peer) request(id uint32, method, path string, fields ...string) {
	p.t.Helper()
	pseudo := [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "shop.example"}, {":path", path}}
	if path == "" {
		pseudo = [][2]string{{":method", method}, {":authority", "shop.example"}}
	}
	var regular [][2]string
	for i := 0; i < len(fields); i += 2 {
		field := [2]string{fields[i], fields[i+1]}
		at := slices.IndexFunc(pseudo, func(f [2]string) bool { return f[0] == field[0] })
		switch {
		case at >= 0:
			pseudo[at] = field
		case strings.HasPrefix(field[0], ":"):
			pseudo = append(pseudo, field)
		default:
			regular = append(regular, field)
		}
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	enc.SetMaxDynamicTableSize(0) // a block that is refused leaves nothing behind
	for _, field := range append(pseudo, regular...) {
		if field[0] == ":authority" && field[1] == "" {
			continue
		}
		_ = enc.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	rest := block.Bytes()
	first := true
	for first || len(rest) > 0 {
		part := rest[:min(len(rest), frame)]
		rest = rest[len(part):]
		var err error
		if first {
			err = p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: part, EndStream: !p.openEnded, EndHeaders: len(rest) == 0})
		} else {
			err = p.fr.WriteContinuation(id, len(rest) == 0, part)
		}
		if err != nil {
			p.t.Fatal(err)
		}
		first = false
	}
}

// answer waits for a stream's end, and says its status and body, or the code it was reset with.
func (p *peer) answer(id uint32) string {
	p.t.Helper()
	p.until(func(http2.Frame) bool { _, ended := p.answers[id]; return ended })
	return strings.TrimSpace(p.answers[id])
}

// until reads frames until one is what is waited for.
func (p *peer) until(found func(http2.Frame) bool) {
	p.t.Helper()
	for {
		frame, err := p.fr.ReadFrame()
		if err != nil {
			p.t.Fatalf("read from the gateway: %v", err)
		}
		p.took(frame)
		if found(frame) {
			return
		}
	}
}

func (p *peer) took(frame http2.Frame) {
	id := frame.Header().StreamID
	ended := false
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			_ = f.ForeachSetting(func(s http2.Setting) error { p.settings[s.ID] = s.Val; return nil })
			_ = p.fr.WriteSettingsAck()
		}
	case *http2.MetaHeadersFrame:
		p.partial[id] += f.PseudoValue("status") + " "
		ended = f.StreamEnded()
	case *http2.DataFrame:
		p.partial[id] += string(f.Data())
		ended = f.StreamEnded()
	case *http2.RSTStreamFrame:
		if _, whole := p.answers[id]; !whole {
			p.answers[id] = f.ErrCode.String()
		}
	}
	if ended {
		p.answers[id] = p.partial[id]
	}
}
