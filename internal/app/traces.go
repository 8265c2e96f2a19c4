package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

const (
	// traceFlush is how long the last spans may take to their collector when a gateway stops.
	traceFlush = 5 * time.Second
	// traceErrors is how often it is said that a collector does not take spans.
	traceErrors = time.Minute
)

// TraceOptions are who spans come from.
type TraceOptions struct {
	Gateway, Unit, Version string
	Log                    *slog.Logger
}

// Traces take spans and send them to a collector in the background. What waits is bounded, and what does not fit is
// dropped: a collector that is slow or away costs spans and never a request.
type Traces struct{ provider *sdktrace.TracerProvider }

// OpenTraces sends spans by OTLP over HTTP to the collector that the environment names, as OpenTelemetry has it:
// OTEL_EXPORTER_OTLP_* say where and how, OTEL_TRACES_SAMPLER which, OTEL_BSP_* how many may wait. It connects to nobody,
// so the collector may come later.
func OpenTraces(ctx context.Context, o TraceOptions) (*Traces, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	// What the environment says of the service counts more than what is known here.
	from, err := resource.New(ctx, resource.WithAttributes(
		semconv.ServiceName("skyisland-gateway"), semconv.ServiceInstanceID(o.Gateway), semconv.ServiceVersion(o.Version),
		attribute.String("skyisland.unit", o.Unit),
	), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	// The SDK has one handler for all its errors, and its own prints each of them.
	otel.SetErrorHandler(&traceErrorLog{log: o.Log})
	return &Traces{sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(from))}, nil
}

// Provider is where spans begin.
func (t *Traces) Provider() trace.TracerProvider { return t.provider }

// Close sends what waits, for 5 seconds at most.
func (t *Traces) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, traceFlush)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// traceErrorLog says now and then that spans are lost.
type traceErrorLog struct {
	log  *slog.Logger
	said atomic.Int64 // when, in nanoseconds
}

// Handle takes an error of the SDK's.
func (l *traceErrorLog) Handle(err error) {
	now, said := time.Now().UnixNano(), l.said.Load()
	if now-said < int64(traceErrors) || !l.said.CompareAndSwap(said, now) {
		return
	}
	l.log.Warn("traces are not sent, and requests go on", "error", err)
}
