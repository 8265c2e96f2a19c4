package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

const (
	frontendName = "Temporal frontend"
	uiName       = "Temporal web UI"

	// clusterName is written into the data file at its first start and must not change after.
	clusterName = "active"

	// storeName connects the parts of the configuration that speak of the same database.
	storeName = "sqlite"

	// bootAttempts bounds how often a start is tried again after another program took a port between
	// finding it free and opening it. Once is already rare.
	bootAttempts = 3

	// engineStopTimeout is over what Temporal allows itself to drain requests, which is about a
	// second a service.
	engineStopTimeout = 15 * time.Second
)

// engine is a running Temporal server.
type engine struct {
	server temporal.Server
	fuse   *fuse
	ports  ports
}

// bootEngine starts Temporal's services over a prepared data file.
func bootEngine(ctx context.Context, sql *config.SQL, o Options) (*engine, error) {
	var err error
	for range bootAttempts {
		var found ports
		if found, err = findPorts(ctx, o.FrontendAddr); err != nil {
			return nil, err
		}
		var e *engine
		if e, err = startEngine(ctx, sql, found, o); !isListenFailure(err) {
			return e, err
		}
	}
	return nil, err
}

// startEngine runs the start in a goroutine of its own, for two reasons: a fatal message ends the
// goroutine it comes from, and Temporal's start does not end with a context. It bounds itself to
// seconds; a start that is under way when ctx ends is waited for and taken down again.
func startEngine(ctx context.Context, sql *config.SQL, p ports, o Options) (*engine, error) {
	e := &engine{fuse: newFuse(), ports: p}
	started := make(chan error, 1)
	go func() {
		err := errors.New("temporal gave up starting")
		defer func() { started <- err }() // runs after a fatal message too
		e.server, err = temporal.NewServer(
			temporal.WithConfig(serverConfig(sql, p)),
			temporal.ForServices(temporal.DefaultServices),
			temporal.WithStaticHosts(staticHosts(p)),
			temporal.WithLogger(newLogger(o.Log, o.LogLevel, e.fuse)),
			temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
			temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
			temporal.WithDynamicConfigClient(settings(o.DynamicConfig)),
		)
		if err == nil {
			err = e.server.Start()
		}
	}()
	select {
	case <-ctx.Done():
		if <-started == nil {
			return nil, errors.Join(fmt.Errorf("start temporal: %w", ctx.Err()), e.stop())
		}
		return nil, fmt.Errorf("start temporal: %w", ctx.Err())
	case err := <-started:
		if cause := e.fuse.cause(); cause != nil {
			err = cause
		}
		if err != nil {
			return nil, fmt.Errorf("start temporal: %w", err)
		}
		return e, nil
	}
}

// stop ends the services, within engineStopTimeout.
func (e *engine) stop() error {
	stopped := make(chan error, 1)
	go func() {
		err := errors.New("temporal gave up stopping")
		defer func() { stopped <- err }()
		err = e.server.Stop()
	}()
	bound := time.NewTimer(engineStopTimeout)
	defer bound.Stop()
	select {
	case err := <-stopped:
		return err
	case <-bound.C:
		return fmt.Errorf("temporal still runs %s after it was told to stop", engineStopTimeout)
	}
}

// serverConfig has no metrics, profiling, archival or exporter section: Temporal then opens none of
// their ports and calls nobody.
func serverConfig(sql *config.SQL, p ports) *config.Config {
	return &config.Config{
		Persistence: config.Persistence{
			DefaultStore:    storeName,
			VisibilityStore: storeName,
			// The count is fixed for the life of a data file. More shards only share out the lock
			// that one SQLite connection then serializes again.
			NumHistoryShards: 1,
			DataStores:       map[string]config.DataStore{storeName: {SQL: sql}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: dialable(p.frontend)},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services: map[string]config.Service{
			string(primitives.FrontendService): service(p.frontend.IP.String(), p.frontend.Port),
			string(primitives.HistoryService):  service(loopback, p.history),
			string(primitives.MatchingService): service(loopback, p.matching),
			string(primitives.WorkerService):   service(loopback, p.worker),
		},
		Archival: config.Archival{
			History:    config.HistoryArchival{State: "disabled"},
			Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
	}
}

func service(ip string, port int) config.Service {
	return config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: ip}}
}

// staticHosts replaces the gossip that finds the members of a cluster. It also means that nobody
// waits for the members which a killed server left in the data file.
func staticHosts(p ports) map[primitives.ServiceName]static.Hosts {
	on := func(port int) static.Hosts {
		return static.SingleLocalHost(net.JoinHostPort(loopback, strconv.Itoa(port)))
	}
	return map[primitives.ServiceName]static.Hosts{
		primitives.FrontendService: static.SingleLocalHost(dialable(p.frontend)),
		primitives.HistoryService:  on(p.history),
		primitives.MatchingService: on(p.matching),
		primitives.WorkerService:   on(p.worker),
	}
}
