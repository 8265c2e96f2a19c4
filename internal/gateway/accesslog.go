package gateway

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
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
	// reason is why the gateway answered by itself, fallback what answered instead of the revision, caller who was
	// authenticated.
	reason, fallback, caller string
	version, bytes           int64
	status, retries          int
	pinned                   bool
	weight                   release.Weight
	first, took              time.Duration
}

// classRefused stands in lines for requests that were not let in.
const classRefused = "refused"

func newAccessLog(w io.Writer, unit string) *accessLog {
	if w == nil {
		return nil
	}
	log := slog.New(slog.NewJSONHandler(w, nil))
	if unit != "" {
		log = log.With("unit", unit)
	}
	return &accessLog{log: log, queue: make(chan accessLine, accessQueue)}
}

// add queues a request's line. The query is left out, because people put secrets there.
func (l *accessLog) add(x *exchange, class Class, took time.Duration) {
	if l == nil {
		return
	}
	l.queueLine(accessLine{
		at: x.arrived, trace: x.trace, route: x.route.doc.Key, revision: x.to.revision.name, arm: x.arm.String(),
		method: x.method, path: x.path, class: class.String(), reason: x.reason, fallback: x.fallback, caller: x.caller.Subject,
		version: x.route.doc.Version, bytes: x.bytes, status: x.status, retries: x.retries, pinned: x.pinned, weight: x.weight,
		first: x.first, took: took,
	})
}

// refused queues the line of a request that was not let in.
func (l *accessLog) refused(req *http.Request, in admission, f *refusal, took time.Duration) {
	if l == nil {
		return
	}
	line := accessLine{
		at: in.at, trace: cmp.Or(traceOf(req.Header), randomHex(traceBytes)), method: req.Method, path: req.URL.Path, class: classRefused,
		reason: f.reason, caller: in.caller.Subject, status: f.status, took: took,
	}
	if r := in.route; r != nil {
		line.route, line.version = r.doc.Key, r.doc.Version
	}
	l.queueLine(line)
}

// queueLine queues a line, or counts it as lost when the writer does not keep up.
func (l *accessLog) queueLine(line accessLine) {
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
	attrs := make([]slog.Attr, 0, 20)
	attrs = append(attrs, slog.Time("arrived", a.at), slog.String("trace_id", a.trace), slog.String("route", a.route))
	if a.class != classRefused {
		attrs = append(attrs, slog.String("revision", a.revision), slog.String("arm", a.arm), slog.Bool("pinned", a.pinned),
			slog.Int64("weight_version", a.version), slog.String("weight", a.weight.String()))
	}
	attrs = append(attrs, slog.String("method", clipped(a.method, maxLoggedMethod)), slog.String("path", masked(a.path)),
		slog.Int("status", a.status), slog.String("class", a.class))
	for _, optional := range [...]struct{ key, value string }{{"reason", a.reason}, {"fallback", a.fallback}, {"caller", a.caller}} {
		if optional.value != "" {
			attrs = append(attrs, slog.String(optional.key, optional.value))
		}
	}
	if a.retries > 0 {
		attrs = append(attrs, slog.Int("retries", a.retries))
	}
	if a.class != classRefused {
		attrs = append(attrs, slog.Int64("bytes", a.bytes), slog.Float64("upstream_ms", milliseconds(a.first)))
	}
	l.log.LogAttrs(ctx, slog.LevelInfo, "request", append(attrs, slog.Float64("total_ms", milliseconds(a.took)))...)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
