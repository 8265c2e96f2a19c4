// Command function is the sample that the end-to-end tests release. What it does is said by its
// environment, which skyisland.yaml sets, so that a version of it is a change of one line:
//
//	VERSION        what it answers
//	FAIL_HEADER    requests with this header are answered 500
//	FAIL_FILE      while this file exists, every request but the health check is answered 500
//	SLOW           how long an answer takes, such as 20ms
//	MOST_PER_SECOND  requests over this rate are answered 503
//	NEVER_HEALTHY  when set, the health check is answered 503
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Getenv)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "function:", err)
		os.Exit(1)
	}
}

// function is what the environment says.
type function struct {
	version, failHeader, failFile string
	slow                          time.Duration
	unhealthy                     bool
	limit                         *limit
}

func run(ctx context.Context, env func(string) string) error {
	f := function{version: env("VERSION"), failHeader: env("FAIL_HEADER"), failFile: env("FAIL_FILE"), unhealthy: env("NEVER_HEALTHY") != ""}
	if text := env("SLOW"); text != "" {
		var err error
		if f.slow, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("SLOW: %w", err)
		}
	}
	if text := env("MOST_PER_SECOND"); text != "" {
		most, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("MOST_PER_SECOND: %w", err)
		}
		f.limit = &limit{most: most}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", env("PORT")))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: f.routes(), ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		// ctx is over; what is under way gets some time of its own.
		finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(finish)
	}()
	fmt.Printf("version %s serves at %s as process %d\n", f.version, listener.Addr(), os.Getpid())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

func (f function) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if f.unhealthy {
			http.Error(w, "this version is never healthy", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("/", f.answer)
	return mux
}

// answer says which version answers, and in the header which process.
func (f function) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Process", strconv.Itoa(os.Getpid()))
	if f.limit != nil && !f.limit.take(time.Now()) {
		http.Error(w, "this is more than one instance carries", http.StatusServiceUnavailable)
		return
	}
	if f.fails(r) {
		http.Error(w, "version "+f.version+" fails", http.StatusInternalServerError)
		return
	}
	if f.slow > 0 {
		wait := time.NewTimer(f.slow)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
			return
		}
	}
	fmt.Fprint(w, f.version)
}

func (f function) fails(r *http.Request) bool {
	if f.failHeader != "" && r.Header.Get(f.failHeader) != "" {
		return true
	}
	if f.failFile == "" {
		return false
	}
	_, err := os.Stat(f.failFile)
	return err == nil
}

// limit lets so many requests through in each second of the clock.
type limit struct {
	most int

	mu     sync.Mutex
	second int64
	taken  int
}

func (l *limit) take(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second := now.Unix(); second != l.second {
		l.second, l.taken = second, 0
	}
	l.taken++
	return l.taken <= l.most
}
