package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/server/common/config"
)

const (
	// uiStopTimeout is how long requests of browsers may take to end.
	uiStopTimeout = 2 * time.Second

	// readyPause is between two looks at a server that is still coming up.
	readyPause = 10 * time.Millisecond
)

// Server is a running Temporal server, with its UI if one was asked for.
// Its methods are safe for concurrent use.
type Server struct {
	opts   Options
	sql    *config.SQL
	engine *engine
	ui     *webUI // nil without a UI

	level    slog.LevelVar // what is worth saying depends on whether the server is up
	stopOnce sync.Once
}

// Start brings up a server that is ready: workflows can be started, in Namespace, with the search
// attributes. ctx bounds the start and not the life of the server, which ends with [Server.Stop].
//
// Errors to tell apart: [*PortError], [ErrDataFileInUse], [ErrDataFileForeign], [ErrSearchAttribute].
// After one of these nothing is left running. After any other the process should end: Temporal has no
// way to take down a start that broke half-way.
func Start(ctx context.Context, o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("embedded temporal: %w", err)
	}
	s := &Server{opts: o, sql: sqlConfig(o.DataFile)}
	s.level.Set(slog.LevelError)
	if o.LogLevel == nil {
		s.opts.LogLevel = &s.level
	}
	if err := s.start(ctx); err != nil {
		return nil, fmt.Errorf("embedded temporal: %w", err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) (err error) {
	var uiListener *net.TCPListener
	if s.opts.UIAddr != "" { // before the work of starting, since a taken port is the likeliest failure
		if uiListener, err = listen(ctx, uiName, s.opts.UIAddr); err != nil {
			return err
		}
		defer func() {
			if s.ui == nil {
				err = errors.Join(err, uiListener.Close())
			}
		}()
	}
	if err := prepareFile(ctx, s.opts.DataFile); err != nil {
		return err
	}
	if err := takeFile(s.sql); err != nil {
		return fmt.Errorf("open %s: %w", s.opts.DataFile, err)
	}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	if err := registerNamespace(ctx, s.sql, s.opts); err != nil {
		return fmt.Errorf("register namespace %s: %w", s.opts.Namespace, err)
	}
	if s.engine, err = bootEngine(ctx, s.sql, s.opts); err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		return err
	}
	if uiListener != nil {
		if s.ui, err = startUI(uiListener, s.FrontendHostPort(), s.opts); err != nil {
			return err
		}
	}
	s.level.Set(slog.LevelWarn)
	return nil
}

// awaitReady waits until the history shard answers, which proves the way from the frontend to the
// database, and until the frontend takes a query with every search attribute.
func (s *Server) awaitReady(ctx context.Context) error {
	c, err := s.lazyClient()
	if err != nil {
		return err
	}
	defer c.Close()
	var query []string
	for _, name := range slices.Sorted(maps.Keys(s.opts.SearchAttributes)) {
		query = append(query, name+" IS NOT NULL")
	}
	probes := []func() error{
		func() error {
			_, err := c.DescribeWorkflowExecution(ctx, "readiness-probe", "")
			var missing *serviceerror.NotFound
			if errors.As(err, &missing) {
				return nil // the shard looked and found none
			}
			return err
		},
		func() error {
			_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: strings.Join(query, " AND ")})
			return err
		},
	}
	for _, probe := range probes {
		if err := s.retry(ctx, probe); err != nil {
			return fmt.Errorf("wait for temporal to be ready: %w", err)
		}
	}
	return nil
}

// retry calls probe until it succeeds, ctx ends or the server is beyond help.
func (s *Server) retry(ctx context.Context, probe func() error) error {
	pause := time.NewTicker(readyPause)
	defer pause.Stop()
	for {
		err := probe()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last answer: %w", ctx.Err(), err)
		case <-s.Failed():
			return s.Err()
		case <-pause.C:
		}
	}
}

// FrontendHostPort is the address to dial, as 127.0.0.1:7233.
func (s *Server) FrontendHostPort() string { return dialable(s.engine.ports.frontend) }

// Namespace is the namespace that [Options] named.
func (s *Server) Namespace() string { return s.opts.Namespace }

// UIURL is where a browser finds the UI, without a slash at the end, or nothing when there is no UI.
func (s *Server) UIURL() string {
	if s.ui == nil {
		return ""
	}
	return "http://" + dialable(s.ui.addr)
}

// Failed is closed when Temporal has given up by itself. The workflows are safe in the data file;
// the process should end and start again. [Server.Err] says why.
func (s *Server) Failed() <-chan struct{} { return s.engine.fuse.blown }

// Err is why the server failed, or nil while it has not.
func (s *Server) Err() error { return s.engine.fuse.cause() }

// Client connects to the server. Address and namespace are filled in; an empty Logger becomes that
// of the server, with the same threshold. The caller closes the client.
func (s *Server) Client(ctx context.Context, o client.Options) (client.Client, error) {
	c, err := client.DialContext(ctx, s.clientOptions(o))
	if err != nil {
		return nil, fmt.Errorf("connect to embedded temporal: %w", err)
	}
	return c, nil
}

func (s *Server) lazyClient() (client.Client, error) {
	return client.NewLazyClient(s.clientOptions(client.Options{}))
}

func (s *Server) clientOptions(o client.Options) client.Options {
	o.HostPort = s.FrontendHostPort()
	if o.Namespace == "" {
		o.Namespace = s.opts.Namespace
	}
	if o.Logger == nil {
		o.Logger = sdklog.NewStructuredLogger(slog.New(thresholdHandler{s.opts.Log.Handler(), s.opts.LogLevel}))
	}
	return o
}

// Stop ends the UI, then the services, then gives the data file back. It waits for all of it, within
// bounds of a few seconds each, and logs what did not end in time. Clients and workers should be
// stopped before. A second call waits for the first and does nothing.
func (s *Server) Stop() {
	s.stopOnce.Do(s.stop)
}

func (s *Server) stop() {
	s.level.Set(slog.LevelError)
	if s.ui != nil {
		ctx, cancel := context.WithTimeout(context.Background(), uiStopTimeout)
		defer cancel()
		if err := s.ui.stop(ctx); err != nil {
			s.opts.Log.Warn("temporal UI did not stop in order", "error", err)
		}
	}
	if s.engine != nil {
		if err := s.engine.stop(); err != nil {
			// The file stays locked: services that still run may still write.
			s.opts.Log.Warn("temporal did not stop in order", "error", err)
			return
		}
	}
	if err := giveBackFile(s.sql); err != nil {
		s.opts.Log.Warn("temporal data file was not given back", "file", s.opts.DataFile, "error", err)
	}
}
