package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
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
		"no certificate":           {gatewayFlags{name: "a-1", unit: "a", tokenFile: good, tlsDir: filepath.Join(t.TempDir(), "none")}, []string{"read certificates", "none"}},
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

func TestFlagsThatDoNotGoTogether(t *testing.T) {
	needed := []string{"--name", "a-1", "--unit", "a", "--token-file", "none"}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--tls-cert", "a.crt", "--tls-cert", "b.crt", "--tls-key", "a.key"}, "each certificate needs its key"},
		{[]string{"--h2c", "--tls-dir", "tls"}, "--h2c is HTTP/2 in clear text"},
		{[]string{"--max-connections", "0"}, "want 1 or more"},
		{[]string{"--tls-dir", "tls"}, "read the token"}, // and no word against it
	} {
		cmd := gateway()
		cmd.SetArgs(append(needed, test.args...))
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want %q", test.args, err, test.want)
		}
	}
}

func TestAGatewayServesUntilItIsStopped(t *testing.T) {
	pair, client := shownCertificate(t)
	for name, test := range map[string]struct {
		flags  gatewayFlags
		scheme string
		client *http.Client
		proto  string
	}{
		"in clear text": {gatewayFlags{}, "http", http.DefaultClient, "HTTP/1.1"},
		"over TLS":      {gatewayFlags{tlsDir: filepath.Dir(pair)}, "https", client, "HTTP/2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			// The port is free again in a moment, and nobody else on this machine asks for exactly it.
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := free.Addr().String()
			free.Close()
			f := test.flags
			f.name, f.unit, f.tokenFile, f.listen, f.adminListen, f.data = "a-1", "a", tokenFile(t, "0123456789abcdef"), address, "127.0.0.1:0", t.TempDir()
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- serveGateway(ctx, f) }()
			for {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, test.scheme+"://"+address+"/", nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err := test.client.Do(req)
				if err != nil {
					select {
					case err := <-done:
						t.Fatalf("it ended: %v", err)
					default:
						continue
					}
				}
				res.Body.Close()
				if res.StatusCode != http.StatusNotFound || res.Proto != test.proto {
					t.Errorf("without routes it answers %s by %s, want 404 by %s", res.Status, res.Proto, test.proto)
				}
				break
			}
			stop()
			if err := <-done; err != nil {
				t.Errorf("it did not stop well: %v", err)
			}
		})
	}
}

// shownCertificate is the file of a certificate, with its key beside it, and a client that trusts it.
func shownCertificate(t *testing.T) (string, *http.Client) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.EnableHTTP2 = true // and so does the client
	server.StartTLS()
	t.Cleanup(server.Close)
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for file, block := range map[string]*pem.Block{
		"a.crt": {Type: "CERTIFICATE", Bytes: server.Certificate().Raw}, "a.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "a.crt"), server.Client()
}
