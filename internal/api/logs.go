package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Logs reads what instances and commands wrote.
type Logs interface {
	// InstanceLogs writes the last lines of every instance that matches, and with Follow what comes
	// after until ctx ends. A component, revision or unit nobody knows is [release.ErrNotFound], with a
	// sentence that says what there is.
	InstanceLogs(ctx context.Context, query LogQuery, w io.Writer) error
	// BuildLog writes what a component's command of a release wrote. It is [release.ErrNotFound] when
	// there is nothing.
	BuildLog(ctx context.Context, id release.ID, component string, kind LogKind, w io.Writer) error
}

// LogQuery chooses instances. Empty fields match everything.
type LogQuery struct {
	Component string
	Revision  string
	Unit      string
	// Tail is the lines to begin with, of each instance: 1 to 10000; 0 is 200.
	Tail   int
	Follow bool
}

// The bounds of [LogQuery].Tail.
const (
	usualTail = 200
	mostTail  = 10_000
)

// LogKind is the command whose log is asked for.
type LogKind string

// The kinds of log of a release.
const (
	BuildLog LogKind = "build"
	TestLog  LogKind = "test"
)

// slowReader bounds how long one write to a client may take.
const slowReader = 30 * time.Second

func (s *Server) showInstanceLogs(w http.ResponseWriter, r *http.Request) {
	given := paramsOf(r.Context())
	wanted := LogQuery{
		Component: given.text("component"), Revision: given.text("revision"), Unit: given.text("unit"),
		Tail: given.number("tail"), Follow: given.flag("follow"),
	}
	s.stream(w, r, func(ctx context.Context, out io.Writer) error { return s.logs.InstanceLogs(ctx, wanted, out) })
}

func (s *Server) showBuildLog(w http.ResponseWriter, r *http.Request) {
	id, err := idOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	given := paramsOf(r.Context())
	s.stream(w, r, func(ctx context.Context, out io.Writer) error {
		return s.logs.BuildLog(ctx, id, given.text("component"), LogKind(given.text("kind")), out)
	})
}

// quietStart is how long a log that says nothing is waited for before the answer begins without it:
// whoever follows a silent log must not take the server for dead.
const quietStart = time.Second

// stream answers with text as it comes. An error before the answer has begun is a problem document;
// after it, it is the last line.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, write func(context.Context, io.Writer) error) {
	ctx, cancel := s.streaming(r.Context())
	defer cancel()
	out := &lines{w: w, control: http.NewResponseController(w)}
	timer := time.AfterFunc(quietStart, out.start)
	defer timer.Stop()
	err := write(ctx, out)
	begun := out.finish()
	switch {
	case err == nil || ctx.Err() != nil:
		out.begin()
	case !begun:
		s.fail(w, r, err)
	default:
		s.log.WarnContext(ctx, "log ended early", "request", requestName(ctx), "path", r.URL.Path, "error", err)
		_, _ = io.WriteString(w, "[the log ends here: it could not be read on]\n")
	}
	// The connection may serve another request, which has its own time.
	_ = out.control.SetWriteDeadline(time.Time{})
}

// streaming is a context that also ends when the server closes.
func (s *Server) streaming(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := make(chan struct{})
	go func() {
		select {
		case <-s.closing:
			cancel()
		case <-stop:
		}
	}()
	return ctx, func() { close(stop); cancel() }
}

// lines sends text on at the end of each line. Its mutex is for the timer that may start the answer.
type lines struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
	done    bool
}

// begin sends the header once. The caller holds mu, or nobody else is left.
func (l *lines) begin() {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", mediaText)
		l.w.WriteHeader(http.StatusOK)
	}
}

// start begins the answer before there is text.
func (l *lines) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.done {
		l.begin()
		_ = l.control.Flush()
	}
}

// finish keeps the timer from starting the answer any more, and says whether it has begun.
func (l *lines) finish() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	return l.begun
}

// Write sends p, and everything before it when p ends a line.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin()
	// A writer that knows no deadlines has a bound of its own, or is a test's.
	_ = l.control.SetWriteDeadline(time.Now().Add(slowReader))
	n, err := l.w.Write(p)
	if err == nil && bytes.HasSuffix(p, []byte("\n")) {
		// One that cannot flush sends when it is done.
		_ = l.control.Flush()
	}
	return n, err
}
