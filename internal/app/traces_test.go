package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/release"
)

// tracedGateway is a gateway whose spans go where the environment says, before an instance that answers all.
func tracedGateway(t *testing.T, endpoint string, log io.Writer) (*gateway.Gateway, *Traces) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	traces, err := OpenTraces(t.Context(), TraceOptions{Gateway: "a-1", Unit: "a", Version: "v1", Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	instance := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(instance.Close)
	g, err := gateway.New(gateway.Options{Name: "a-1", Unit: "a", Tracer: traces.Provider()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Apply([]release.Route{{
		Key: "t/app/production/web", Ingress: release.Ingress{Path: "/web"}, Version: 1,
		Stable: &release.Target{Revision: "web-1", Endpoints: []string{strings.TrimPrefix(instance.URL, "http://")}},
	}}); err != nil {
		t.Fatal(err)
	}
	return g, traces
}

func askTimes(t *testing.T, g *gateway.Gateway, n int) {
	t.Helper()
	for range n {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/web/x?secret=1", nil))
		if w.Code != http.StatusOK {
			t.Fatalf("status %d", w.Code)
		}
	}
}

// TestSpansReachACollector takes them as a collector does, and stops before the batch is due.
func TestSpansReachACollector(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=production")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=key")
	var mu sync.Mutex
	var said, paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.Method+" "+r.URL.Path+" "+r.Header.Get("Api-Key"))
		body, _ := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			t.Error(err)
		}
		for _, from := range request.GetResourceSpans() {
			for _, a := range from.GetResource().GetAttributes() {
				if !strings.HasPrefix(a.GetKey(), "telemetry.") {
					said = append(said, a.GetKey()+"="+a.GetValue().GetStringValue())
				}
			}
			for _, scope := range from.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					said = append(said, fmt.Sprintf("%s %s %d", span.GetName(), span.GetKind(), len(span.GetAttributes())))
				}
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	var log bytes.Buffer
	g, traces := tracedGateway(t, server.URL, &log)
	askTimes(t, g, 2)
	if err := traces.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	want := []string{
		"deployment.environment.name=production", "service.instance.id=a-1", "service.name=skyisland-gateway", "service.version=v1", "skyisland.unit=a",
		"GET t/app/production/web SPAN_KIND_SERVER 11", "GET t/app/production/web SPAN_KIND_SERVER 11",
	}
	if fmt.Sprint(said) != fmt.Sprint(want) || fmt.Sprint(paths) != "[POST /v1/traces key]" || log.Len() > 0 {
		t.Errorf("got\n%q\nwant\n%q\nby %q; log: %s", said, want, paths, log.String())
	}
}

// TestASlowCollectorHoldsNoRequest has more spans than may wait, and a collector that takes none of them.
func TestASlowCollectorHoldsNoRequest(t *testing.T) {
	for name, endpoint := range map[string]func() string{
		"it does not answer": func() string {
			hang := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
			t.Cleanup(server.Close)
			t.Cleanup(func() { close(hang) })
			return server.URL
		},
		"it is not there": func() string {
			server := httptest.NewServer(nil)
			server.Close()
			return server.URL
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
			t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
			g, traces := tracedGateway(t, endpoint(), io.Discard)
			// A request that waited for the collector would never end.
			askTimes(t, g, 1000)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			began := time.Now()
			_ = traces.Close(ctx) // whether it fails is the exporter's affair, how long it takes is not
			if took := time.Since(began); took > traceFlush {
				t.Errorf("the stop took %v", took)
			}
		})
	}
}

func TestLostSpansAreSaidNowAndThen(t *testing.T) {
	var log bytes.Buffer
	l := &traceErrorLog{log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 3 {
		l.Handle(io.ErrUnexpectedEOF)
	}
	if n := strings.Count(log.String(), "traces are not sent"); n != 1 {
		t.Errorf("said %d times: %s", n, log.String())
	}
}
