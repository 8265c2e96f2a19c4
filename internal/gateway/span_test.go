package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/skyisland/skyisland/internal/release"
)

// traced is a provider whose spans a test can look at.
func traced(sampler sdktrace.Sampler) (*sdktrace.TracerProvider, *tracetest.InMemoryExporter) {
	exporter := tracetest.NewInMemoryExporter()
	return sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithSampler(sampler)), exporter
}

// onlySpan waits for the one span that there is.
func onlySpan(t *testing.T, exporter *tracetest.InMemoryExporter) tracetest.SpanStub {
	t.Helper()
	eventually(t, "one span", func() bool { return len(exporter.GetSpans()) > 0 })
	spans := exporter.GetSpans()
	if len(spans) != 1 {
		t.Fatalf("%d spans, want 1", len(spans))
	}
	return spans[0]
}

func attributesOf(span tracetest.SpanStub) map[string]string {
	m := map[string]string{}
	for _, a := range span.Attributes {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

// TestASpanSaysWhatTheRequestWas also holds the ids together: of the caller, the span, the access log and what the
// instance is told.
func TestASpanSaysWhatTheRequestWas(t *testing.T) {
	heads := make(chan http.Header, 1)
	endpoint := instance(t, func(w http.ResponseWriter, r *http.Request) {
		heads <- r.Header
		_, _ = io.WriteString(w, "hello")
	})
	const caller = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, test := range []struct {
		name, parent string
		sampler      sdktrace.Sampler
		continues    bool
		flags        string // that the instance gets
		spans        int
	}{
		{"a trace goes on", "00-" + caller + "-00f067aa0ba902b7-01", sdktrace.ParentBased(sdktrace.NeverSample()), true, "01", 1},
		{"so does one that nobody takes", "00-" + caller + "-00f067aa0ba902b7-00", sdktrace.ParentBased(sdktrace.AlwaysSample()), true, "00", 0},
		{"and one with random ids", "00-" + caller + "-00f067aa0ba902b7-03", sdktrace.ParentBased(sdktrace.NeverSample()), true, "03", 1},
		{"a trace begins", "", sdktrace.ParentBased(sdktrace.AlwaysSample()), false, "03", 1},
		{"and is not taken", "", sdktrace.ParentBased(sdktrace.NeverSample()), false, "02", 0},
		{"what cannot be read is no parent", "00-" + strings.ToUpper(caller) + "-00f067aa0ba902b7-01", sdktrace.AlwaysSample(), false, "03", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			provider, exporter := traced(test.sampler)
			var lines lockedBuffer
			g := newTestGateway(t, Options{Tracer: provider, AccessLog: &lines})
			mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", endpoint) }))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, serve(t, g)+"/web/a%2Fb?token=hidden", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "Shop.example:8080"
			req.Header.Set("Authorization", "hidden")
			req.Header.Set("Tracestate", "a=b")
			if test.parent != "" {
				req.Header.Set("Traceparent", test.parent)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			told := (<-heads).Get("Traceparent")
			eventually(t, "the access line", func() bool { return strings.HasSuffix(lines.String(), "\n") })
			var line struct {
				TraceID string `json:"trace_id"`
			}
			if err := json.Unmarshal([]byte(lines.String()), &line); err != nil {
				t.Fatal(err)
			}
			if line.TraceID != told[3:35] || test.continues != (line.TraceID == caller) {
				t.Errorf("the log has trace %s, the instance was told %s", line.TraceID, told)
			}
			if told[53:] != test.flags {
				t.Errorf("flags %s, want %s", told[53:], test.flags)
			}
			eventually(t, "the spans", func() bool { return len(exporter.GetSpans()) == test.spans && statsOf(g, "web-1").InFlight == 0 })
			if test.spans == 0 {
				return
			}
			span := onlySpan(t, exporter)
			if span.SpanContext.TraceID().String() != told[3:35] || span.SpanContext.SpanID().String() != told[36:52] {
				t.Errorf("the span is %s of %s, the instance was told %s", span.SpanContext.SpanID(), span.SpanContext.TraceID(), told)
			}
			if span.Parent.IsValid() != test.continues || test.continues && (span.Parent.SpanID().String() != "00f067aa0ba902b7" || span.Parent.TraceState().Get("a") != "b") {
				t.Errorf("the span's parent is %v", span.Parent)
			}
			if span.Name != "GET "+testKey || span.SpanKind != trace.SpanKindServer || span.Status.Code != codes.Unset {
				t.Errorf("span %q, %v, %v", span.Name, span.SpanKind, span.Status)
			}
			want := map[string]string{
				"http.request.method": "GET", "http.response.status_code": "200", "url.path": "/web/a%2Fb", "url.scheme": "http",
				"server.address": "shop.example", "network.protocol.version": "1.1", "skyisland.route": testKey, "skyisland.revision": "web-1",
				"skyisland.arm": "stable", "skyisland.release": "demo/hello/production/2", "skyisland.class": "2xx",
			}
			if got := attributesOf(span); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("attributes\n%v, want\n%v", got, want)
			}
			if strings.Contains(fmt.Sprintf("%+v", span), "hidden") {
				t.Error("the span has a secret")
			}
			if len(span.Events) != 2 || span.Events[0].Name != "attempt" || span.Events[1].Name != "answer" ||
				span.Events[0].Attributes[0] != attribute.String("skyisland.endpoint", endpoint) {
				t.Errorf("events %v", span.Events)
			}
		})
	}
}

// lockedBuffer is written by a gateway while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestHowSpansEnd(t *testing.T) {
	left := make(chan struct{})
	for _, test := range []struct {
		name      string
		endpoints []string
		ask       func(t *testing.T, url string)
		want      string // class, status, error type
		code      codes.Code
		attempts  int
	}{
		{"refused, and refused again", []string{refused(t), refused(t)}, nil, "connect 502 connect", codes.Error, 2},
		{"refused, and answered by the next", []string{refused(t), instance(t, http.NotFound)}, nil, "4xx 404 ", codes.Unset, 2},
		{"a failure of the instance", []string{instance(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })}, nil, "5xx 503 503", codes.Error, 1},
		{"nothing in time", []string{rawInstance(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })}, nil, "timeout 504 timeout", codes.Error, 1},
		{"broken off halfway", []string{rawInstance(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1<<10))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
		})}, nil, "broken 200 broken", codes.Error, 1},
		{"left by its client", []string{instance(t, func(_ http.ResponseWriter, r *http.Request) { close(left); <-r.Context().Done() })},
			func(t *testing.T, url string) {
				conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.WriteString(conn, "GET /web HTTP/1.1\r\nHost: a\r\n\r\n")
				<-left
				_ = conn.Close()
			}, "aborted  ", codes.Unset, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			provider, exporter := traced(sdktrace.AlwaysSample())
			opts := Options{Tracer: provider}
			if strings.HasPrefix(test.want, "timeout") {
				opts.AnswerTimeout = 50 * time.Millisecond
			}
			g := newTestGateway(t, opts)
			mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", test.endpoints...) }))
			for _, u := range g.table.Load().routes {
				u.stable.turn.Store(uint32(len(test.endpoints)) - 1) // the first is asked first
			}
			base := serve(t, g)
			if test.ask == nil {
				if resp, err := http.Get(base + "/web"); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			} else {
				test.ask(t, base)
			}
			span := onlySpan(t, exporter)
			a := attributesOf(span)
			if got := a["skyisland.class"] + " " + a["http.response.status_code"] + " " + a["error.type"]; got != test.want || span.Status.Code != test.code {
				t.Errorf("it ended as %q, %v; want %q, %v", got, span.Status.Code, test.want, test.code)
			}
			attempts := 0
			for _, e := range span.Events {
				if e.Name == "attempt" {
					attempts++
				}
			}
			if attempts != test.attempts {
				t.Errorf("%d attempts, want %d", attempts, test.attempts)
			}
		})
	}
}

// TestWhatClientsPutIntoSpansIsBounded sends what would spoil names, and batches.
func TestWhatClientsPutIntoSpansIsBounded(t *testing.T) {
	provider, exporter := traced(sdktrace.AlwaysSample())
	g := newTestGateway(t, Options{Tracer: provider, Transport: inProcess(func(*http.Request) (*http.Response, error) { return plainAnswer(200), nil })})
	mustApply(t, g, testRoute(1, weight(0)))
	req := httptest.NewRequest("BREW", "/web/%ff\xfe"+strings.Repeat("x", 5000), nil)
	req.Host = "\xff" + strings.Repeat("h", 5000)
	g.ServeHTTP(httptest.NewRecorder(), req)
	span := onlySpan(t, exporter)
	a := attributesOf(span)
	if span.Name != "HTTP "+testKey || a["http.request.method"] != "_OTHER" {
		t.Errorf("span %q, method %s", span.Name, a["http.request.method"])
	}
	if got := a["url.path"]; len(got) != maxSpanText || !strings.HasPrefix(got, "/web/%FF%FE") && !strings.HasPrefix(got, "/web/%ff%FE") {
		t.Errorf("path of %d bytes: %.20q", len(got), got)
	}
	if got := attributesOf(spanOf(t, "/web/d41d8cd98f00b204e9800998ecf8427e"))["url.path"]; got != "/web/***" {
		t.Errorf("a path with a key in it is %q", got)
	}
	if got := a["server.address"]; len(got) > maxSpanText+2 || !strings.HasPrefix(got, "\uFFFDhhh") {
		t.Errorf("address of %d bytes: %.20q", len(got), got)
	}
}

// spanOf is the span of a request for a path.
func spanOf(t *testing.T, path string) tracetest.SpanStub {
	t.Helper()
	provider, exporter := traced(sdktrace.AlwaysSample())
	g := newTestGateway(t, Options{Tracer: provider, Transport: everybody})
	mustApply(t, g, testRoute(1, weight(0)))
	ask(g, path)
	return onlySpan(t, exporter)
}

func TestASpanOverHTTP2(t *testing.T) {
	provider, exporter := traced(sdktrace.AlwaysSample())
	certificates, roots := testCertificates(t)
	f := newFront(t, Options{Tracer: provider, Certificates: certificates}, roots)
	mustApply(t, f.g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", instance(t, answerWith("hello"))) }))
	resp, err := f.client.Get(f.base + "/web")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if a := attributesOf(onlySpan(t, exporter)); a["network.protocol.version"] != "2" || a["url.scheme"] != "https" || a["server.address"] != "127.0.0.1" {
		t.Errorf("attributes %v", a)
	}
}

// TestNoTracerCostsNothing holds a gateway without one to no allocation for what spans have put into the request path.
func TestNoTracerCostsNothing(t *testing.T) {
	g := newTestGateway(t, Options{})
	x, req := &exchange{g: g}, httptest.NewRequest(http.MethodGet, "/web", nil)
	if n := testing.AllocsPerRun(1000, func() {
		x.startSpan(req)
		x.attempt(nil)
		x.endSpan(Class2xx, time.Second)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkSpan is the gateway without a network, and what spans add to it.
func BenchmarkSpan(b *testing.B) {
	for _, test := range []struct {
		name   string
		tracer trace.TracerProvider
	}{
		{"off", nil},
		{"noop", noop.NewTracerProvider()},
		{"unsampled", sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))},
		{"sampled", sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter()))},
	} {
		b.Run(test.name, func(b *testing.B) {
			g := newTestGateway(b, Options{Tracer: test.tracer, Transport: inProcess(func(*http.Request) (*http.Response, error) { return plainAnswer(200), nil })})
			mustApply(b, g, testRoute(1, weight(0)))
			b.ReportAllocs()
			for b.Loop() {
				g.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/web", nil))
			}
		})
	}
	b.Run("hooks", func(b *testing.B) {
		g := newTestGateway(b, Options{})
		x, req := &exchange{g: g}, httptest.NewRequest(http.MethodGet, "/web", nil)
		b.ReportAllocs()
		for b.Loop() {
			x.startSpan(req)
			x.attempt(nil)
			x.endSpan(Class2xx, time.Second)
		}
	})
}
