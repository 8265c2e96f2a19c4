package gateway

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

const (
	scopeName = "github.com/skyisland/skyisland/internal/gateway"
	// maxSpanText bounds what a client can put into a span: thousands of them wait for their collector.
	maxSpanText = 1 << 10
)

const (
	routeAttr    = attribute.Key("skyisland.route")
	revisionAttr = attribute.Key("skyisland.revision")
	armAttr      = attribute.Key("skyisland.arm")
	releaseAttr  = attribute.Key("skyisland.release")
	classAttr    = attribute.Key("skyisland.class")
	endpointAttr = attribute.Key("skyisland.endpoint")
)

func newTracer(o Options) trace.Tracer {
	if o.Tracer == nil {
		return nil
	}
	return o.Tracer.Tracer(scopeName, trace.WithSchemaURL(semconv.SchemaURL))
}

// startSpan begins the request's span, as a child of the caller's when the request names one. It has neither the
// query nor headers nor cookies, and shows the path as a line of the access log does, because people put secrets there.
func (x *exchange) startSpan(req *http.Request) {
	if x.g.tracer == nil {
		return
	}
	ctx, parent := context.Background(), remoteParent(req.Header)
	x.traced = parent.IsValid()
	if x.traced {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	}
	method := knownMethod(req.Method)
	name := method.Value.AsString()
	if method == semconv.HTTPRequestMethodOther {
		name = "HTTP" // as the conventions have it: a client's own words make no names
	}
	scheme := "http"
	if req.TLS != nil {
		scheme = "https"
	}
	_, x.span = x.g.tracer.Start(ctx, name+" "+x.route.doc.Key,
		trace.WithTimestamp(x.arrived), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(
			method, semconv.URLScheme(scheme), semconv.URLPath(spanText(masked(req.URL.EscapedPath()))),
			semconv.ServerAddress(spanText(hostName(req.Host))), semconv.NetworkProtocolVersion(protocolVersion(req)),
			routeAttr.String(x.route.doc.Key), releaseAttr.String(x.route.doc.Release),
		))
	x.trace = x.span.SpanContext().TraceID().String()
}

// continueTrace names the request's trace, and makes what the instance does a child of the gateway's span, or of the
// gateway where nobody takes spans.
func (x *exchange) continueTrace(h http.Header) {
	if x.span == nil {
		x.trace = continueTrace(h)
		return
	}
	sc := x.span.SpanContext()
	flags := sc.TraceFlags()
	if !x.traced {
		// The id is the SDK's, and so random. What state there is belongs to a trace that could not be read.
		flags = flags.WithRandom(true)
		h.Del("Tracestate")
	}
	h["Traceparent"] = []string{traceVersion + "-" + x.trace + "-" + sc.SpanID().String() + "-" + flags.String()}
}

// attempt notes that an instance gets the request. There is more than one when connecting fails.
func (x *exchange) attempt(e *endpoint) {
	if x.span != nil && x.span.IsRecording() {
		x.span.AddEvent("attempt", trace.WithTimestamp(x.g.opts.Now()), trace.WithAttributes(endpointAttr.String(e.address)))
	}
}

// endSpan says how the request ended.
func (x *exchange) endSpan(class Class, age time.Duration) {
	if x.span == nil {
		return
	}
	if x.span.IsRecording() {
		attributes := make([]attribute.KeyValue, 0, 5)
		attributes = append(attributes, classAttr.String(class.String()), revisionAttr.String(x.to.revision.name), armAttr.String(x.arm.String()))
		if x.status != 0 && x.status != statusAborted {
			attributes = append(attributes, semconv.HTTPResponseStatusCode(x.status))
		}
		if x.first > 0 {
			x.span.AddEvent("answer", trace.WithTimestamp(x.arrived.Add(x.first)))
		}
		if errorType := errorTypeOf(class, x.status); errorType != "" {
			attributes = append(attributes, semconv.ErrorTypeKey.String(errorType))
			x.span.SetStatus(codes.Error, "")
		}
		x.span.SetAttributes(attributes...)
	}
	x.span.End(trace.WithTimestamp(x.arrived.Add(age)))
}

// errorTypeOf is what of a request's end is an error of the server's: a 5xx by its status, else by what happened. A
// client that goes away and a 4xx are none.
func errorTypeOf(class Class, status int) string {
	switch class {
	case Class5xx:
		return strconv.Itoa(status)
	case ClassConnect, ClassTimeout, ClassBroken:
		return class.String()
	default:
		return ""
	}
}

// remoteParent is the caller's span, invalid when the request names none that can be read.
func remoteParent(h http.Header) trace.SpanContext {
	values := h["Traceparent"]
	if len(values) != 1 {
		return trace.SpanContext{}
	}
	if _, _, ok := parseTrace(values[0]); !ok {
		return trace.SpanContext{}
	}
	id, err := trace.TraceIDFromHex(values[0][3:35])
	if err != nil {
		return trace.SpanContext{}
	}
	span, err := trace.SpanIDFromHex(values[0][36:52])
	if err != nil {
		return trace.SpanContext{}
	}
	flags, err := strconv.ParseUint(values[0][53:55], 16, 8)
	if err != nil {
		return trace.SpanContext{}
	}
	// A state that cannot be read is the instance's to judge; it gets the header as it came.
	state, _ := trace.ParseTraceState(strings.Join(h["Tracestate"], ","))
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.TraceFlags(flags), TraceState: state, Remote: true})
}

func knownMethod(method string) attribute.KeyValue {
	switch method {
	case http.MethodGet:
		return semconv.HTTPRequestMethodGet
	case http.MethodPost:
		return semconv.HTTPRequestMethodPost
	case http.MethodPut:
		return semconv.HTTPRequestMethodPut
	case http.MethodHead:
		return semconv.HTTPRequestMethodHead
	case http.MethodDelete:
		return semconv.HTTPRequestMethodDelete
	case http.MethodPatch:
		return semconv.HTTPRequestMethodPatch
	case http.MethodOptions:
		return semconv.HTTPRequestMethodOptions
	case http.MethodTrace:
		return semconv.HTTPRequestMethodTrace
	case "QUERY":
		return semconv.HTTPRequestMethodQuery
	default:
		return semconv.HTTPRequestMethodOther
	}
}

func protocolVersion(req *http.Request) string {
	if req.ProtoMajor == 2 {
		return "2"
	}
	return strings.TrimPrefix(req.Proto, "HTTP/")
}

// spanText is a client's text as a span may carry it: short, and valid, because one text that is not fails the whole
// batch that it travels in.
func spanText(s string) string {
	return strings.ToValidUTF8(clipped(s, maxSpanText), "\uFFFD")
}
