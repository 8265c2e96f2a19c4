package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/skyisland/skyisland/internal/app"
)

// openTraces opens where spans go when the environment names a collector; nil is nowhere.
func openTraces(ctx context.Context, f gatewayFlags, log *slog.Logger) (*app.Traces, error) {
	endpoint := firstOf("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	if endpoint == "" || strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	// Said here, because spans sent the wrong way would be lost without a word that helps.
	if protocol := firstOf("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %s: a gateway sends traces by http/protobuf only, which collectors take at port 4318", protocol)
	}
	return app.OpenTraces(ctx, app.TraceOptions{Gateway: f.name, Unit: f.unit, Version: app.Version(), Log: log})
}

// firstOf is the first of some variables that says something.
func firstOf(names ...string) string {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return ""
}
