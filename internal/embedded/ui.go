package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	uiapi "github.com/temporalio/ui-server/v2/server/api"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/csrf"
	"github.com/temporalio/ui-server/v2/server/route"
	uiassets "github.com/temporalio/ui-server/v2/ui"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	uiHeaderTimeout = 10 * time.Second
	uiIdleTimeout   = 2 * time.Minute
	uiHeaderBytes   = 64 << 10

	// uiMessageBytes is the largest answer of the frontend the UI takes: a page of history holds at
	// most this.
	uiMessageBytes = 64 << 20

	// uiBodyLimit bounds what a browser sends: an update or signal with its payload, which Temporal
	// itself refuses over 2 MiB.
	uiBodyLimit = "4M"
)

// webUI serves Temporal's web UI. It is put together from the parts of the UI server rather than
// with that server's own Start, which ends the process when its port is taken and offers no orderly stop.
type webUI struct {
	server *http.Server
	conn   *grpc.ClientConn
	addr   *net.TCPAddr
	served chan struct{}
}

// startUI serves on l, talking to the frontend at frontendAddr. It owns l unless it fails.
func startUI(l *net.TCPListener, frontendAddr string, o Options) (*webUI, error) {
	conn, err := grpc.NewClient(frontendAddr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(uiMessageBytes)))
	if err != nil {
		return nil, err
	}
	handler, err := uiHandler(conn, frontendAddr, o.Namespace)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	addr := l.Addr().(*net.TCPAddr)
	if addr.IP.IsLoopback() {
		handler = onlyLocalNames(handler)
	}
	ui := &webUI{
		conn:   conn,
		addr:   addr,
		served: make(chan struct{}),
		server: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: uiHeaderTimeout,
			IdleTimeout:       uiIdleTimeout,
			MaxHeaderBytes:    uiHeaderBytes,
			ErrorLog:          slog.NewLogLogger(o.Log.With("component", "temporal-ui").Handler(), slog.LevelDebug),
		},
	}
	go func() {
		defer close(ui.served)
		if err := ui.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("temporal UI stopped serving", "error", err)
		}
	}()
	return ui, nil
}

// stop lets requests under way end until ctx does, then cuts them.
func (ui *webUI) stop(ctx context.Context) error {
	err := ui.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, ui.server.Close())
	}
	<-ui.served
	return errors.Join(err, ui.conn.Close())
}

// uiHandler is the UI with its API. It leaves out the UI server's check for new releases, which
// asks hosts on the internet, and its routes for signing in; there are no cross-origin grants and
// there is no codec server.
func uiHandler(conn *grpc.ClientConn, frontendAddr, namespace string) (http.Handler, error) {
	provider, err := uiconfig.NewConfigProviderWithRefresh(&uiconfig.Config{
		TemporalGRPCAddress: frontendAddr,
		EnableUI:            true,
		DefaultNamespace:    namespace,
		DisableNewsFetch:    true,
		NotifyOnNewVersion:  false,
		HideLogs:            true,
		CORS:                uiconfig.CORS{CookieInsecure: true},
	})
	if err != nil {
		return nil, err
	}
	assets, err := uiassets.Assets()
	if err != nil {
		return nil, err
	}
	if assets, err = fs.Sub(assets, "local"); err != nil {
		return nil, err
	}
	e := echo.New()
	e.Logger.SetOutput(io.Discard) // it writes to standard output otherwise; failed requests are answered, not logged
	// The cookie of the CSRF check cannot be Secure: the UI is plain HTTP, on loopback by default.
	e.Use(middleware.Recover(), middleware.BodyLimit(uiBodyLimit), middleware.Gzip(), middleware.Secure(),
		csrf.EnsureTokenCookie(false), middleware.CSRFWithConfig(csrf.MiddlewareConfig(provider, false)))

	route.SetHealthRoute(e)
	routes := e.Group("/api/v1")
	routes.GET("/settings", uiapi.GetSettings(provider))
	routes.GET("/ui-extensions", uiapi.GetUIExtensions(provider, uiapi.TemporalAccessCheck(conn, nil)))
	routes.GET(uiapi.WorkflowRawHistoryUrl, uiapi.WorkflowRawHistoryHandler(workflowservice.NewWorkflowServiceClient(conn)))
	routes.Match([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		"/*", uiapi.TemporalAPIHandler(provider, nil, conn))
	if err := route.SetUIRoutes(e, "", assets, provider); err != nil {
		return nil, err
	}
	route.SetRenderRoute(e, "/")
	return e, nil
}

// onlyLocalNames refuses requests that reached loopback under a name which is not loopback's: a page
// on the internet can let its own name resolve to 127.0.0.1 and so read what the browser may read here.
func onlyLocalNames(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, fmt.Sprintf("this address answers to localhost and %s only", loopback), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
