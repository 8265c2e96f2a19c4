package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
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
	values, err := query(r, "component", "revision", "unit", "tail", "follow")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	wanted := LogQuery{Component: values.Get("component"), Revision: values.Get("revision"), Unit: values.Get("unit")}
	if wanted.Tail, err = number(values, "tail", usualTail, 1, mostTail); err != nil {
		s.fail(w, r, err)
		return
	}
	if wanted.Follow, err = flag(values, "follow"); err != nil {
		s.fail(w, r, err)
		return
	}
	s.stream(w, r, func(ctx context.Context, out io.Writer) error { return s.logs.InstanceLogs(ctx, wanted, out) })
}

func (s *Server) showBuildLog(w http.ResponseWriter, r *http.Request) {
	id, err := idOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	values, err := query(r, "component", "kind")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	kind := LogKind(values.Get("kind"))
	switch kind {
	case "":
		kind = BuildLog
	case BuildLog, TestLog:
	default:
		s.fail(w, r, badRequest("there is no log of kind %q: there are build and test", kind))
		return
	}
	if err := release.CheckName(values.Get("component")); err != nil {
		s.fail(w, r, badRequest("component %v", err))
		return
	}
	s.stream(w, r, func(ctx context.Context, out io.Writer) error {
		return s.logs.BuildLog(ctx, id, values.Get("component"), kind, out)
	})
}

// stream answers with text as it comes. An error before the first byte is a problem document; after
// it, it is the last line.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, write func(context.Context, io.Writer) error) {
	ctx, cancel := s.streaming(r.Context())
	defer cancel()
	out := &lines{w: w, control: http.NewResponseController(w)}
	err := write(ctx, out)
	if err == nil || ctx.Err() != nil {
		out.begin()
		return
	}
	if !out.begun {
		s.fail(w, r, err)
		return
	}
	s.log.WarnContext(ctx, "log ended early", "request", requestName(ctx), "path", r.URL.Path, "error", err)
	_, _ = io.WriteString(out, "[the log ends here: it could not be read on]\n")
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

// lines sends text on at the end of each line.
type lines struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (l *lines) begin() {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		l.w.WriteHeader(http.StatusOK)
	}
}

// Write sends p, and everything before it when p ends a line.
func (l *lines) Write(p []byte) (int, error) {
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
