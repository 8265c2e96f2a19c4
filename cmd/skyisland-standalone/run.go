package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/skyisland/skyisland/internal/app"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/embedded"
	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/gitremote"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

// errTourOver ends the program after its tour, when that is all it was started for.
var errTourOver = errors.New("the tour is over")

// run is the whole program: it takes its ports, starts its parts from the gateway inwards, and stops
// them the other way round.
func run(ctx context.Context, o options, out, errs io.Writer) error {
	data, err := filepath.Abs(o.data)
	if err != nil {
		return fmt.Errorf("--data %s: %w", o.data, err)
	}
	o.data = data
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	log, closeLog, err := o.logger(errs)
	if err != nil {
		return err
	}
	defer closeLog()
	secrets, err := readSecrets(o)
	if err != nil {
		return err
	}
	ports, err := listen(ctx, o)
	if err != nil {
		return err
	}
	defer ports.close()
	server, err := startTemporal(ctx, o, log)
	if err != nil {
		return err
	}
	defer server.Stop()
	temporal, err := server.Client(ctx, client.Options{Logger: log.With("component", "temporal-client")})
	if err != nil {
		return fmt.Errorf("connect to the embedded Temporal: %w", err)
	}
	defer temporal.Close()
	s := &standalone{options: o, out: out, log: log, secrets: secrets, ports: ports, temporal: server}
	return s.run(ctx, temporal)
}

// logger writes to a file, so that the terminal stays with what people want to see.
func (o options) logger(errs io.Writer) (*slog.Logger, func(), error) {
	if o.verbose {
		return slog.New(slog.NewTextHandler(errs, nil)), func() {}, nil
	}
	file, err := os.OpenFile(o.file("skyisland.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, nil, fmt.Errorf("open the log: %w", err)
	}
	return slog.New(slog.NewTextHandler(file, nil)), func() { _ = file.Close() }, nil
}

// secrets are made on the first start and kept in the data folder.
type secrets struct{ token, gateway, webhook string }

func readSecrets(o options) (secrets, error) {
	var s secrets
	for file, value := range map[string]*string{"token": &s.token, "gateway-token": &s.gateway, "webhook-secret": &s.webhook} {
		var err error
		if *value, err = app.Secret(o.file(file)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// ports are the listeners, taken before anything starts: a taken one must not leave half a program.
type ports struct {
	api   net.Listener
	units []unitPorts
}

type unitPorts struct {
	name           string
	traffic, admin net.Listener
}

func listen(ctx context.Context, o options) (_ *ports, err error) {
	p := &ports{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.api, err = app.Listen(ctx, "the API, the webhooks and the git remote", "--listen", o.listen); err != nil {
		return nil, err
	}
	units, err := o.parseUnits()
	if err != nil {
		return nil, err
	}
	for _, unit := range units {
		u := unitPorts{name: unit.name}
		if u.traffic, err = app.Listen(ctx, "traffic to unit "+unit.name, "--unit", unit.traffic); err != nil {
			return nil, err
		}
		p.units = append(p.units, u)
		if p.units[len(p.units)-1].admin, err = app.Listen(ctx, "control of the gateway of unit "+unit.name, "--unit", unit.admin); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// close gives the ports back; those that were served are closed already, which is no error here.
func (p *ports) close() {
	all := []net.Listener{p.api}
	for _, unit := range p.units {
		all = append(all, unit.traffic, unit.admin)
	}
	for _, listener := range all {
		if listener != nil {
			_ = listener.Close()
		}
	}
}

func startTemporal(ctx context.Context, o options, log *slog.Logger) (*embedded.Server, error) {
	server, err := embedded.Start(ctx, embedded.Options{
		DataFile: o.file("temporal.db"), FrontendAddr: o.temporal, UIAddr: o.ui,
		SearchAttributes: workflows.SearchAttributes(), Log: log,
	})
	var taken *embedded.PortError
	if errors.As(err, &taken) {
		flag := "--temporal"
		if taken.Addr == o.ui {
			flag = "--ui"
		}
		return nil, &app.ListenError{What: "the " + taken.Name, Flag: flag, Addr: taken.Addr, Err: taken.Err}
	}
	if errors.Is(err, embedded.ErrDataFileInUse) {
		return nil, fmt.Errorf("another skyisland-standalone uses the folder %s: stop it, or choose another with --data", o.data)
	}
	if err != nil {
		return nil, fmt.Errorf("start the embedded Temporal: %w", err)
	}
	return server, nil
}

// standalone is the program once it has its ports and Temporal.
type standalone struct {
	options  options
	out      io.Writer
	log      *slog.Logger
	secrets  secrets
	ports    *ports
	temporal *embedded.Server
	// answerLink makes a link by which a question can be answered in a browser.
	answerLink func(release.ID, release.Ask) (string, error)
}

func (s *standalone) run(ctx context.Context, temporal client.Client) error {
	remote, err := gitremote.New(ctx, gitremote.Options{
		Dir: s.options.file("git"), PublicURL: s.base(), WebhookURL: s.base() + "/webhooks/github?wait=4s",
		Secret: []byte(s.secrets.webhook), Log: s.log,
	})
	if err != nil {
		return fmt.Errorf("git remote: %w", err)
	}
	c, err := s.config(ctx)
	if err != nil {
		return err
	}
	a, err := app.New(ctx, app.Options{
		Config: c, Temporal: temporal, Version: app.Version(), GitRemote: s.base() + "/git/TENANT/APPLICATION.git",
		Adopt: s.adopt, Log: s.log,
	})
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	s.answerLink = a.AnswerLink
	group, running := errgroup.WithContext(ctx)
	for _, unit := range s.ports.units {
		group.Go(func() error { return s.serveUnit(running, unit) })
	}
	group.Go(func() error { return a.Run(running) })
	group.Go(func() error { return s.serveAPI(running, a, remote) })
	group.Go(func() error { return remote.Run(running) })
	group.Go(func() error { return s.temporalFails(running) })
	group.Go(func() error { return s.greet(running) })
	err = group.Wait()
	if errors.Is(err, errTourOver) || ctx.Err() != nil {
		// Its work is done, or somebody stopped it: neither is a failure.
		return nil
	}
	return err
}

// serveUnit runs a unit's gateway.
func (s *standalone) serveUnit(ctx context.Context, unit unitPorts) error {
	var access io.Writer
	if s.options.accessLog {
		file, err := os.OpenFile(s.options.file("access.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return fmt.Errorf("open the access log: %w", err)
		}
		defer func() { _ = file.Close() }()
		access = file
	}
	credentials := s.options.file("credentials")
	if err := os.MkdirAll(credentials, 0o700); err != nil {
		return fmt.Errorf("make the folder of credentials: %w", err)
	}
	entries := map[string]string{}
	for _, other := range s.ports.units {
		if other.name != unit.name {
			entries[other.name] = "http://" + other.traffic.Addr().String()
		}
	}
	return app.ServeGateway(ctx, app.GatewayOptions{
		Options: gateway.Options{
			Name: "gateway-" + unit.name, Unit: unit.name, StateDir: s.options.file("gateways", unit.name), AccessLog: access, Log: s.log,
			Units: entries,
		},
		Listen: unit.traffic, Admin: unit.admin, Token: s.secrets.gateway, CredentialsDir: credentials,
	})
}

// serveAPI serves the API, the webhooks and the git remote on one port.
func (s *standalone) serveAPI(ctx context.Context, a *app.App, remote http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("/git/", remote)
	mux.Handle("/", a.Handler())
	return app.ServeHTTP(ctx, mux, s.ports.api, a.CloseStreams)
}

// temporalFails ends the program when Temporal gives up: nothing could go on.
func (s *standalone) temporalFails(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.temporal.Failed():
		return fmt.Errorf("the embedded Temporal failed: %w", s.temporal.Err())
	}
}

// base is the address of the API.
func (s *standalone) base() string { return "http://" + s.ports.api.Addr().String() }

// adopt makes an application of a repository of our own remote.
func (s *standalone) adopt(fullName, cloneURL string) (release.Application, bool) {
	tenant, name, found := strings.Cut(fullName, "/")
	if !found || !strings.HasPrefix(cloneURL, s.base()+"/git/") {
		return release.Application{}, false
	}
	return release.Application{Tenant: tenant, Name: name, Repository: cloneURL}, true
}

// config is what the app is told: everything is in the data folder and on this machine.
func (s *standalone) config(ctx context.Context) (config.Config, error) {
	c := config.Config{
		Data: s.options.data, Listen: s.ports.api.Addr().String(), PublicURL: s.base(),
		Temporal:     config.Temporal{Address: s.temporal.FrontendHostPort(), Namespace: s.temporal.Namespace(), UI: s.temporal.UIURL()},
		GatewayToken: config.Secret(s.secrets.gateway), GitHub: config.GitHub{Secret: config.Secret(s.secrets.webhook)},
		Tokens: []config.Token{{Name: "operator", Groups: []string{"release-managers"}, Token: config.Secret(s.secrets.token), Scopes: release.Scopes()}},
		Policy: config.Policy{Data: s.options.policyData},
		Build:  config.Build{Env: buildEnv(ctx), Path: os.Getenv("PATH")},
	}
	if c.Policy.Data == "" {
		c.Policy.Data = s.options.file("policy-data.yaml")
	}
	for _, unit := range s.ports.units {
		c.Units = append(c.Units, config.Unit{
			Name: unit.name, Gateways: []string{"http://" + unit.admin.Addr().String()}, Entry: "http://" + unit.traffic.Addr().String(),
		})
	}
	file := s.options.config
	if file == "" {
		file = s.options.file("config.yaml")
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return c, nil
		}
	}
	local, err := config.ReadLocal(file)
	if err != nil {
		return c, err
	}
	local.Apply(&c)
	return c, nil
}

// buildEnv lets builds share what Go has compiled and downloaded on this machine already. Without
// Go there is nothing to share.
func buildEnv(ctx context.Context) map[string]string {
	env := map[string]string{}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOTOOLCHAIN"} {
		if value, err := exec.CommandContext(ctx, "go", "env", name).Output(); err == nil {
			if text := strings.TrimSpace(string(value)); text != "" {
				env[name] = text
			}
		}
	}
	return env
}
