package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/gateway/authn"
)

// GatewayOptions are one gateway and its two listeners.
type GatewayOptions struct {
	// Options are the gateway's own, but for its Credentials and KeySets, which are opened here.
	gateway.Options
	// Listen takes traffic, Admin takes control.
	Listen net.Listener
	Admin  net.Listener
	// Token is what a control plane must know.
	Token string
	// CredentialsDir is the folder of the keys that routes name; without it routes that name some are refused. KeyHosts are
	// the only hosts that issuers' keys are fetched from; empty is any.
	CredentialsDir string
	KeyHosts       []string
}

// shutdownGrace is how long requests under way may take when a server stops.
const shutdownGrace = 10 * time.Second

// openKeys gives the gateway what it knows callers by.
func (o *GatewayOptions) openKeys() error {
	var err error
	if o.CredentialsDir != "" {
		if o.Credentials, err = authn.OpenCredentials(authn.CredentialOptions{Dir: o.CredentialsDir, Log: o.Log}); err != nil {
			return fmt.Errorf("open the credentials: %w", err)
		}
	}
	if o.KeySets, err = authn.NewKeySets(authn.KeySetOptions{Log: o.Log, Hosts: o.KeyHosts}); err != nil {
		return fmt.Errorf("issuers' keys: %w", err)
	}
	return nil
}

// ServeGateway runs a gateway until ctx ends.
func ServeGateway(ctx context.Context, o GatewayOptions) error {
	if err := o.openKeys(); err != nil {
		return fmt.Errorf("gateway of unit %s: %w", o.Unit, err)
	}
	g, err := gateway.New(o.Options)
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
	if o.Credentials != nil {
		group.Go(func() error { return o.Credentials.Run(running) })
	}
	group.Go(func() error { return o.KeySets.Run(running) })
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
