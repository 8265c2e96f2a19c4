package gateway

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// accessQueue bounds the lines that wait for the writer.
const accessQueue = 4096

// accessLog writes one line per request, apart from the request. It is nil when there is no writer.
type accessLog struct {
	log   *slog.Logger
	queue chan accessLine
	lost  atomic.Uint64
}

type accessLine struct {
	at                                  time.Time
	trace, route, revision, arm, method string
	path, class                         string
	version, bytes                      int64
	status                              int
	pinned                              bool
	weight                              release.Weight
	first, took                         time.Duration
}

func newAccessLog(w io.Writer) *accessLog {
	if w == nil {
		return nil
	}
	return &accessLog{log: slog.New(slog.NewJSONHandler(w, nil)), queue: make(chan accessLine, accessQueue)}
}

// add queues a request's line, or counts it as lost when the writer does not keep up. The query is
// left out, because people put secrets there.
func (l *accessLog) add(x *exchange, class Class, took time.Duration) {
	if l == nil {
		return
	}
	line := accessLine{
		at: x.arrived, trace: x.trace, route: x.route.doc.Key, revision: x.to.revision.name, arm: x.arm.String(),
		method: x.method, path: x.path, class: class.String(), version: x.route.doc.Version,
		bytes: x.bytes, status: x.status, pinned: x.pinned, weight: x.weight, first: x.first, took: took,
	}
	select {
	case l.queue <- line:
	default:
		l.lost.Add(1)
	}
}

// write writes lines until ctx ends, and then those that are queued already.
func (l *accessLog) write(ctx context.Context) {
	if l == nil {
		return
	}
	for {
		select {
		case line := <-l.queue:
			l.emit(ctx, line)
			continue
		case <-ctx.Done():
		}
		for {
			select {
			case line := <-l.queue:
				l.emit(ctx, line)
			default:
				return
			}
		}
	}
}

func (l *accessLog) emit(ctx context.Context, a accessLine) {
	l.log.LogAttrs(ctx, slog.LevelInfo, "request",
		slog.Time("arrived", a.at), slog.String("trace_id", a.trace), slog.String("route", a.route),
		slog.String("revision", a.revision), slog.String("arm", a.arm), slog.Bool("pinned", a.pinned),
		slog.Int64("weight_version", a.version), slog.String("weight", a.weight.String()), slog.String("method", a.method), slog.String("path", a.path),
		slog.Int("status", a.status), slog.String("class", a.class), slog.Int64("bytes", a.bytes),
		slog.Float64("upstream_ms", float64(a.first.Microseconds())/1000),
		slog.Float64("total_ms", float64(a.took.Microseconds())/1000))
}
