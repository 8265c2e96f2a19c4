package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// taken is an address at which somebody listens already.
func taken(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

func TestAGatewayThatCannotStartSaysWhy(t *testing.T) {
	good, busy := tokenFile(t, "0123456789abcdef"), taken(t)
	for name, test := range map[string]struct {
		flags gatewayFlags
		want  []string
	}{
		"a taken port for traffic": {gatewayFlags{name: "a-1", unit: "a", tokenFile: good, listen: busy}, []string{busy, "--listen"}},
		"a taken port for control": {gatewayFlags{name: "a-1", unit: "a", tokenFile: good, listen: "127.0.0.1:0", adminListen: busy}, []string{busy, "--admin-listen"}},
		"a name that is none":      {gatewayFlags{name: "A 1", unit: "a", tokenFile: good, listen: "127.0.0.1:0", adminListen: "127.0.0.1:0"}, []string{`"A 1"`}},
		"no token file":            {gatewayFlags{name: "a-1", unit: "a", tokenFile: filepath.Join(t.TempDir(), "none")}, []string{"read the token"}},
		"a short token":            {gatewayFlags{name: "a-1", unit: "a", tokenFile: tokenFile(t, "short")}, []string{"shorter than 16"}},
		"a log that cannot be":     {gatewayFlags{name: "a-1", unit: "a", tokenFile: good, accessLog: t.TempDir()}, []string{"open the access log"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := serveGateway(t.Context(), test.flags)
			if err == nil {
				t.Fatal("it started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
		})
	}
}

func TestAGatewayNeedsItsNames(t *testing.T) {
	cmd := gateway()
	cmd.SetArgs([]string{"--unit", "a"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "missing: --name, --token-file") {
		t.Errorf("got %v", err)
	}
}

func TestAGatewayServesUntilItIsStopped(t *testing.T) {
	// The port is free again in a moment, and nobody else on this machine asks for exactly it.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- serveGateway(ctx, gatewayFlags{
			name: "a-1", unit: "a", tokenFile: tokenFile(t, "0123456789abcdef"), listen: address, adminListen: "127.0.0.1:0", data: t.TempDir(),
		})
	}()
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			select {
			case err := <-done:
				t.Fatalf("it ended: %v", err)
			default:
				continue
			}
		}
		res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("without routes it answers %s", res.Status)
		}
		break
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("it did not stop well: %v", err)
	}
}
