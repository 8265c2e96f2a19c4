package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/gateway/admin"
)

// GatewayOptions are one gateway and its two listeners.
type GatewayOptions struct {
	Name string
	Unit string
	// Listen takes traffic, Admin takes control.
	Listen net.Listener
	Admin  net.Listener
	// StateDir is where routes are kept over a restart.
	StateDir string
	// Token is what a control plane must know.
	Token string
	// AccessLog takes a line per request; nil writes none.
	AccessLog io.Writer
	Log       *slog.Logger
	// Certificates make traffic come over TLS, and are followed; nil is clear text, with HTTP/2 in it where H2C says so.
	Certificates *gateway.Certificates
	H2C          bool
	// MaxConnections bounds the connections of clients; 0 is the gateway's own bound.
	MaxConnections int
	// Tracer takes a span per request; nil takes none.
	Tracer trace.TracerProvider
}

// shutdownGrace is how long requests under way may take when a server stops.
const shutdownGrace = 10 * time.Second

// ServeGateway runs a gateway until ctx ends.
func ServeGateway(ctx context.Context, o GatewayOptions) error {
	g, err := gateway.New(gateway.Options{
		Name: o.Name, Unit: o.Unit, StateDir: o.StateDir, AccessLog: o.AccessLog, Log: o.Log,
		Certificates: o.Certificates, H2C: o.H2C, MaxConnections: o.MaxConnections, Tracer: o.Tracer,
	})
	if err != nil {
		return fmt.Errorf("gateway of unit %s: %w", o.Unit, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	// The gateway runs until its last request has finished, or the lines of those would not be written.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return g.Run(running) })
	group.Go(func() error {
		defer stop()
		return serve(ctx, g.NewServer(""), g.Bound(o.Listen))
	})
	if o.Certificates != nil {
		group.Go(func() error { return o.Certificates.Follow(ctx) })
	}
	group.Go(func() error { return serve(ctx, admin.NewServer("", admin.Handler(g, o.Token)), o.Admin) })
	return group.Wait()
}

// serve serves until ctx ends, and lets requests under way finish.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	ended := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			ended <- server.ServeTLS(listener, "", "")
			return
		}
		ended <- server.Serve(listener)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	// ctx has ended; what finishes requests must outlive it.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return server.Close()
		}
		return fmt.Errorf("stop serving %s: %w", listener.Addr(), err)
	}
	return nil
}

// headerPatience bounds how long a client may take to send its header, idlePatience how long a
// connection without requests is kept.
const (
	headerPatience = 10 * time.Second
	idlePatience   = 2 * time.Minute
	headerBytes    = 64 << 10
)

// ServeHTTP serves a handler until ctx ends. onStop is called when the shutdown begins, to end what
// would not end by itself.
func ServeHTTP(ctx context.Context, handler http.Handler, listener net.Listener, onStop func()) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerPatience, IdleTimeout: idlePatience, MaxHeaderBytes: headerBytes}
	server.RegisterOnShutdown(onStop)
	return serve(ctx, server, listener)
}

// ListenError is an address that cannot be listened on.
type ListenError struct {
	// What is served there, Flag the option that changes the address.
	What string
	Flag string
	Addr string
	Err  error
}

// Error names the address and the way out.
func (e *ListenError) Error() string {
	return fmt.Sprintf("cannot listen on %s for %s: %v; choose another address with %s", e.Addr, e.What, e.Err, e.Flag)
}

// Unwrap is the system's error.
func (e *ListenError) Unwrap() error { return e.Err }

// Listen opens a listener, or says what it was for and how to choose another address.
func Listen(ctx context.Context, what, flag, addr string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, &ListenError{What: what, Flag: flag, Addr: addr, Err: err}
	}
	return listener, nil
}
