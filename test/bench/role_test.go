package bench_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/app"
	"github.com/skyisland/skyisland/internal/gateway"
)

// The roles of processes that a measurement starts.
const (
	// roleBackend answers every request.
	roleBackend = "backend"
	// roleInstances is many instances in one process, see serveInstances.
	roleInstances = "instances"
	// roleProxy is a bare httputil.ReverseProxy, roleGateway the gateway as the program runs it.
	roleProxy   = "proxy"
	roleGateway = "gateway"
	// roleIntake is the webhook with its store and its router.
	roleIntake = "intake"
)

// What a role is told, in its environment.
const (
	backendVariable  = "SKYISLAND_BENCH_BACKEND"
	nameVariable     = "SKYISLAND_BENCH_NAME"
	stateVariable    = "SKYISLAND_BENCH_STATE"
	failsVariable    = "SKYISLAND_BENCH_FAILS"
	storeVariable    = "SKYISLAND_BENCH_STORE"
	profileVariable  = "SKYISLAND_BENCH_PROFILE"
	controlToken     = "bench-control"
	answerLength     = 1024
	idlePerBackend   = 1024
	headerPatience   = 10 * time.Second
	backendIdleLimit = 2 * time.Minute
)

// hello is the first line that a role prints, once it listens.
type hello struct {
	Addr string `json:"addr"`
	// Admin is where a gateway is controlled.
	Admin string `json:"admin,omitempty"`
	// Instances are where those of [roleInstances] listen.
	Instances []string `json:"instances,omitempty"`
}

// play is a whole process in a role. It ends with its standard input, and so with whoever started it.
func play(role string) error {
	// A terminal sends it to everybody; who measures decides.
	signal.Ignore(os.Interrupt)
	listener, err := listenLoopback()
	if err != nil {
		return err
	}
	stopProfile, err := startProfile(os.Getenv(profileVariable))
	if err != nil {
		return err
	}
	defer stopProfile()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	said := hello{Addr: listener.Addr().String()}
	ended := make(chan error, 1)
	served := func() int64 { return 0 }
	switch role {
	case roleInstances:
		if said.Instances, served, err = serveInstances(os.Getenv(failsVariable), ended); err != nil {
			return err
		}
	case roleIntake:
		if err := serveIntake(ctx, listener, os.Getenv(storeVariable), ended); err != nil {
			return err
		}
	case roleBackend:
		go func() { ended <- serveHTTP(listener, backend()) }()
	case roleProxy:
		go func() { ended <- serveHTTP(listener, bareProxy(os.Getenv(backendVariable))) }()
	case roleGateway:
		control, err := listenLoopback()
		if err != nil {
			return err
		}
		said.Admin = control.Addr().String()
		go func() {
			ended <- app.ServeGateway(ctx, app.GatewayOptions{
				Options: gateway.Options{
					Name: os.Getenv(nameVariable), Unit: "bench", StateDir: os.Getenv(stateVariable), Log: slog.New(slog.DiscardHandler),
				},
				Listen: listener, Admin: control, Token: controlToken,
			})
		}()
	default:
		return errors.New("there is no such role")
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		return err
	}
	go func() { ended <- tell(served) }()
	return <-ended
}

// startProfile writes a CPU profile to a file until stop is called; to none when the name is empty.
func startProfile(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return pprof.StopCPUProfile, pprof.StartCPUProfile(file)
}

// What a process can be asked, a line each.
const (
	// askCPU is the CPU used so far, in nanoseconds, askServed the requests that its instances have served.
	askCPU    = "cpu"
	askServed = "served"
)

// tell answers every line with a number, until there are no more.
func tell(served func() int64) error {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		number := int64(cpuTime())
		if lines.Text() == askServed {
			number = served()
		}
		if _, err := fmt.Println(number); err != nil {
			return err
		}
	}
	return nil
}

func listenLoopback() (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(context.Background(), "tcp", "127.0.0.1:0")
}

func serveHTTP(listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerPatience, IdleTimeout: backendIdleLimit}
	return server.Serve(listener)
}

// backend answers with a kilobyte.
func backend() http.Handler {
	body := []byte(strings.Repeat("sky island ", answerLength)[:answerLength])
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
}

// bareProxy is what one would write by hand. Its pool of connections is as large as the gateway's:
// with the default of two it would mostly open connections, and that would be measured.
func bareProxy(backend string) *httputil.ReverseProxy {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: backend})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: idlePerBackend, DisableCompression: true}
	return proxy
}
