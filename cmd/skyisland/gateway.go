package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace"

	"github.com/skyisland/skyisland/internal/app"
	"github.com/skyisland/skyisland/internal/cli"
	dataplane "github.com/skyisland/skyisland/internal/gateway"
)

// leastToken is as short as a gateway's token may be; whoever knows it moves traffic.
const leastToken = 16

// gatewayFlags are the options of one gateway.
type gatewayFlags struct {
	name, unit          string
	listen, adminListen string
	data, tokenFile     string
	accessLog           string
	tlsCerts, tlsKeys   []string
	tlsDir              string
	h2c                 bool
	maxConnections      int
	maxRequests         int
	credentials         string
	keyHosts            []string
	entries             map[string]string
	maxBody             int64
	timeout, clientIdle time.Duration
	trustForwarded      bool
}

// gateway is the command that runs one gateway until it is told to stop.
func gateway() *cobra.Command {
	var f gatewayFlags
	cmd := &cobra.Command{
		Use: "gateway --name NAME --unit UNIT --token-file FILE", Short: "Run one gateway: it serves traffic as the server's releases say", Args: cobra.NoArgs,
		Long: "Runs one gateway until it is interrupted. It takes its routes from the server over --admin-listen, keeps a copy in --data\n" +
			"to start from, and returns to stable by itself when the server does not renew a canary's lease.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if missing := f.missing(); len(missing) > 0 {
				return cli.UsageError("missing: %s; %s", strings.Join(missing, ", "), cmd.UseLine())
			}
			if err := f.check(); err != nil {
				return err
			}
			return serveGateway(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "name that tells this gateway apart from every other")
	flags.StringVar(&f.unit, "unit", "", "unit it belongs to")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address for traffic")
	flags.StringVar(&f.adminListen, "admin-listen", "127.0.0.1:7790", "address for the server, which takes the token")
	flags.StringVar(&f.data, "data", "", "folder for a copy of the routes (default: none, and a restart begins without routes)")
	flags.StringVar(&f.tokenFile, "token-file", "", "file with the token that the server has to know")
	flags.StringVar(&f.accessLog, "access-log", "", "file for a line per request; - is standard output")
	flags.StringArrayVar(&f.tlsCerts, "tls-cert", nil, "file with a certificate and its chain: traffic comes over TLS; repeat it for several host names")
	flags.StringArrayVar(&f.tlsKeys, "tls-key", nil, "file with the private key of the --tls-cert in the same place")
	flags.StringVar(&f.tlsDir, "tls-dir", "", "folder of certificates and keys, NAME.crt with NAME.key, instead of or beside --tls-cert")
	flags.BoolVar(&f.h2c, "h2c", false, "also take HTTP/2 in clear text, from clients that begin with it")
	flags.IntVar(&f.maxConnections, "max-connections", 10_000, "how many connections clients may have; others wait")
	flags.IntVar(&f.maxRequests, "max-requests", dataplane.DefaultMaxRequests, "how many requests may be under way; others get 503")
	flags.StringVar(&f.credentials, "credentials", "", "folder of the keys that routes name to know callers by")
	flags.StringArrayVar(&f.keyHosts, "key-host", nil, "host from which keys of token issuers may be fetched; repeat it for several (default: any)")
	flags.StringToStringVar(&f.entries, "unit-entry", nil, "NAME=URL where another unit is entered, for routes that fall back to it; repeat it for several")
	flags.Int64Var(&f.maxBody, "max-body", dataplane.DefaultMaxBody, "largest body of a request in bytes, where its route says nothing")
	flags.DurationVar(&f.timeout, "timeout", dataplane.DefaultAnswerTimeout, "how long the head of an answer may take, where its route says nothing")
	flags.DurationVar(&f.clientIdle, "client-idle", dataplane.DefaultClientIdle, "how long a client may send nothing of a body, or take nothing of an answer")
	flags.BoolVar(&f.trustForwarded, "trust-forwarded", false, "believe X-Forwarded-… of callers; only where all of them are proxies of yours")
	return cmd
}

// missing are the flags that every gateway needs and this one was not given.
func (f gatewayFlags) missing() []string {
	var out []string
	for _, needed := range []struct{ flag, value string }{{"--name", f.name}, {"--unit", f.unit}, {"--token-file", f.tokenFile}} {
		if needed.value == "" {
			out = append(out, needed.flag)
		}
	}
	return out
}

// check says what of the flags does not go together.
func (f gatewayFlags) check() error {
	switch {
	case len(f.tlsCerts) != len(f.tlsKeys):
		return cli.UsageError("%d times --tls-cert and %d times --tls-key: each certificate needs its key", len(f.tlsCerts), len(f.tlsKeys))
	case f.h2c && f.tls():
		return cli.UsageError("--h2c is HTTP/2 in clear text; over TLS clients choose HTTP/2 by themselves")
	case f.maxConnections < 1 || f.maxRequests < 1:
		return cli.UsageError("--max-connections %d and --max-requests %d: want 1 or more", f.maxConnections, f.maxRequests)
	case f.maxBody < 1 || f.timeout <= 0 || f.clientIdle <= 0:
		return cli.UsageError("--max-body %d, --timeout %s and --client-idle %s: want more than 0", f.maxBody, f.timeout, f.clientIdle)
	}
	return nil
}

// tls says whether traffic comes over TLS.
func (f gatewayFlags) tls() bool { return len(f.tlsCerts) > 0 || f.tlsDir != "" }

// certificates opens what traffic is served with; nil is clear text.
func (f gatewayFlags) certificates(log *slog.Logger) (*dataplane.Certificates, error) {
	if !f.tls() {
		return nil, nil
	}
	var pairs []dataplane.KeyPair
	for i, cert := range f.tlsCerts {
		pairs = append(pairs, dataplane.KeyPair{CertFile: cert, KeyFile: f.tlsKeys[i]})
	}
	return dataplane.OpenCertificates(pairs, f.tlsDir, log)
}

func serveGateway(ctx context.Context, f gatewayFlags) error {
	token, err := readToken(f.tokenFile)
	if err != nil {
		return err
	}
	access, closeAccess, err := openAccessLog(f.accessLog)
	if err != nil {
		return err
	}
	defer closeAccess()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	certificates, err := f.certificates(log)
	if err != nil {
		return err
	}
	listener, err := app.Listen(ctx, "traffic", "--listen", f.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	control, err := app.Listen(ctx, "the server's control", "--admin-listen", f.adminListen)
	if err != nil {
		return err
	}
	defer control.Close()
	traces, err := openTraces(ctx, f, log)
	if err != nil {
		return err
	}
	var tracer trace.TracerProvider // an interface that is nil, and not one that holds a nil
	if traces != nil {
		tracer = traces.Provider()
		defer func() {
			// ctx has ended by then, and the last spans have not been sent.
			if err := traces.Close(context.WithoutCancel(ctx)); err != nil {
				log.WarnContext(ctx, "the last traces are lost", "error", err)
			}
		}()
	}
	log.InfoContext(ctx, "gateway serves", "gateway", f.name, "unit", f.unit, "traffic", listener.Addr().String(), "tls", certificates != nil, "traces", traces != nil, "admin", control.Addr().String())
	return app.ServeGateway(ctx, app.GatewayOptions{
		Options: dataplane.Options{
			Name: f.name, Unit: f.unit, StateDir: f.data, AccessLog: access, Log: log,
			Certificates: certificates, H2C: f.h2c, MaxConnections: f.maxConnections, MaxRequests: f.maxRequests, Tracer: tracer,
			Units: f.entries, MaxBody: f.maxBody, AnswerTimeout: f.timeout, ClientIdle: f.clientIdle, TrustForwarded: f.trustForwarded,
		},
		Listen: listener, Admin: control, Token: token, CredentialsDir: f.credentials, KeyHosts: f.keyHosts,
	})
}

func readToken(file string) (string, error) {
	in, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, 4<<10))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if len(token) < leastToken {
		return "", fmt.Errorf("the token in %s is shorter than %d characters: whoever guesses it moves traffic", file, leastToken)
	}
	return token, nil
}

// openAccessLog opens where the access log goes; nowhere is nil.
func openAccessLog(file string) (io.Writer, func(), error) {
	switch file {
	case "":
		return nil, func() {}, nil
	case "-":
		return os.Stdout, func() {}, nil
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, nil, fmt.Errorf("open the access log: %w", err)
	}
	return out, func() {
		if err := errors.Join(out.Sync(), out.Close()); err != nil {
			fmt.Fprintln(os.Stderr, "skyisland: close the access log:", err)
		}
	}, nil
}
