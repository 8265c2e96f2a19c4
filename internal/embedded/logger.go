package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// listenFailed is what Temporal says, fatally, when a service cannot open its port
// (common/rpc/rpc.go, createGRPCListener).
const listenFailed = "Failed to start gRPC listener"

// pageTooLarge is said whenever somebody looks at a workflow in the web UI, which asks for more events
// at once than the frontend gives. It gives fewer, and all is well.
const pageTooLarge = "GetHistory page size is larger than threshold"

// fatalError is a message on which Temporal would have ended the process.
type fatalError struct {
	msg     string
	details string
}

func (e *fatalError) Error() string { return "temporal: " + e.msg + e.details }

// fuse keeps the first fatal message of one server and tells who waits for it.
type fuse struct {
	once  sync.Once
	blown chan struct{}
	err   error // set before blown is closed
}

func newFuse() *fuse { return &fuse{blown: make(chan struct{})} }

func (f *fuse) blow(err error) {
	f.once.Do(func() {
		f.err = err
		close(f.blown)
	})
}

// cause is the first fatal message, or nil while there is none.
func (f *fuse) cause() error {
	select {
	case <-f.blown:
		return f.err
	default:
		return nil
	}
}

// logger passes Temporal's messages to slog. A fatal one does not end the process, as Temporal's own
// logger would: it ends the goroutine and blows the fuse, and the owner of the process decides.
type logger struct {
	to   *slog.Logger
	min  slog.Leveler
	fuse *fuse
	tags []tag.Tag // rendered only when a message passes, since rendering them costs
}

var (
	_ log.Logger     = (*logger)(nil)
	_ log.WithLogger = (*logger)(nil)
)

func newLogger(to *slog.Logger, threshold slog.Leveler, f *fuse) *logger {
	return &logger{to: to.With("component", "temporal"), min: threshold, fuse: f}
}

func (l *logger) With(tags ...tag.Tag) log.Logger {
	joined := make([]tag.Tag, 0, len(l.tags)+len(tags))
	return &logger{to: l.to, min: l.min, fuse: l.fuse, tags: append(append(joined, l.tags...), tags...)}
}

func (l *logger) Debug(msg string, tags ...tag.Tag)  { l.log(slog.LevelDebug, msg, tags) }
func (l *logger) Info(msg string, tags ...tag.Tag)   { l.log(slog.LevelInfo, msg, tags) }
func (l *logger) Error(msg string, tags ...tag.Tag)  { l.log(slog.LevelError, msg, tags) }
func (l *logger) DPanic(msg string, tags ...tag.Tag) { l.log(slog.LevelError, msg, tags) }

func (l *logger) Warn(msg string, tags ...tag.Tag) {
	level := slog.LevelWarn
	if msg == pageTooLarge {
		level = slog.LevelDebug
	}
	l.log(level, msg, tags)
}

func (l *logger) Panic(msg string, tags ...tag.Tag) {
	l.log(slog.LevelError, msg, tags)
	panic(msg) //nolint:forbidigo // the contract of log.Logger: callers recover it or rely on not going on
}

func (l *logger) Fatal(msg string, tags ...tag.Tag) {
	details := ""
	for _, t := range append(l.tags[:len(l.tags):len(l.tags)], tags...) {
		details += fmt.Sprintf(" %s=%v", t.Key(), t.Value())
	}
	l.fuse.blow(&fatalError{msg: msg, details: details})
	runtime.Goexit() // the caller relies on Fatal not returning
}

func (l *logger) log(level slog.Level, msg string, tags []tag.Tag) {
	ctx := context.Background()
	if level < l.min.Level() || !l.to.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, len(l.tags)+len(tags))
	for _, t := range append(l.tags[:len(l.tags):len(l.tags)], tags...) {
		attrs = append(attrs, slog.Any(t.Key(), t.Value()))
	}
	l.to.LogAttrs(ctx, level, msg, attrs...) //nolint:sloglint // the message is Temporal's
}

// isListenFailure reports whether err is a service that found its port taken.
func isListenFailure(err error) bool {
	var fatal *fatalError
	return errors.As(err, &fatal) && fatal.msg == listenFailed
}

// thresholdHandler drops records under its threshold, whatever the handler below lets pass.
type thresholdHandler struct {
	slog.Handler
	min slog.Leveler
}

func (h thresholdHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.min.Level() && h.Handler.Enabled(ctx, level)
}

func (h thresholdHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return thresholdHandler{h.Handler.WithAttrs(attrs), h.min}
}

func (h thresholdHandler) WithGroup(name string) slog.Handler {
	return thresholdHandler{h.Handler.WithGroup(name), h.min}
}
