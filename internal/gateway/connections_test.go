package gateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

func TestALimitOfConnections(t *testing.T) {
	said := make(chan struct{}, 1)
	g := newTestGateway(t, Options{MaxConnections: 2, Log: onRecord(func(message string) {
		if strings.HasPrefix(message, "as many connections") {
			said <- struct{}{}
		}
	})})
	mustApply(t, g, testRoute(1, weight(0), func(r *release.Route) { r.Stable = target("web-1", instance(t, answerWith("hello"))) }))
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := g.Bound(inner)
	server := g.NewServer("")
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	ask := func() (net.Conn, func() error) {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, "GET /web HTTP/1.1\r\nHost: a\r\n\r\n")
		return conn, func() error {
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil {
				_ = resp.Body.Close()
			}
			return err
		}
	}
	first, answered := ask()
	if err := answered(); err != nil {
		t.Fatal(err)
	}
	_, answered = ask()
	if err := answered(); err != nil {
		t.Fatal(err)
	}
	<-said
	_, third := ask()
	if got := g.connections.open.Load(); got != 2 {
		t.Errorf("%d connections are open, want 2", got)
	}
	_ = first.Close()
	if err := third(); err != nil {
		t.Errorf("the one that waited: %v", err)
	}
	// The listener is full again, and closing ends its wait.
	_ = server.Close()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("serve ended with %v", err)
	}
	eventually(t, "every place is free", func() bool { return g.connections.open.Load() == 0 })
}

// onRecord hands over the messages of a log.
func onRecord(took func(string)) *slog.Logger { return slog.New(recordHandler(took)) }

type recordHandler func(string)

func (h recordHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h recordHandler) Handle(_ context.Context, r slog.Record) error {
	h(r.Message)
	return nil
}
func (h recordHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h recordHandler) WithGroup(string) slog.Handler      { return h }
