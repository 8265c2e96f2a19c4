package main

import (
	"log/slog"
	"strings"
	"testing"
)

func TestWhenTracesAreSent(t *testing.T) {
	for _, test := range []struct {
		name string
		env  map[string]string
		sent bool
		err  string
	}{
		{"not by themselves", nil, false, ""},
		{"where there is a collector", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, true, ""},
		{"where there is one for traces", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, true, ""},
		{"not where the SDK is off", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, false, ""},
		{"not where nobody exports", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, false, ""},
		{"not by gRPC", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, "http/protobuf only"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			traces, err := openTraces(t.Context(), gatewayFlags{name: "a-1", unit: "a"}, slog.New(slog.DiscardHandler))
			if (traces != nil) != test.sent || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("sent: %t, error: %v", traces != nil, err)
			}
			if traces != nil {
				if err := traces.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
