package gateway

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"
)

// W3C trace context, https://www.w3.org/TR/trace-context/: version-traceid-parentid-flags.
const (
	traceVersion = "00"
	traceLength  = 55
	traceBytes   = 16
	// startFlags are sampled and random-trace-id: services that follow the parent's choice would
	// otherwise never be seen, and the id is random indeed.
	startFlags = "03"
)

// continueTrace keeps the request's trace or starts one, makes the gateway the parent of what follows,
// and returns the trace's id.
func continueTrace(h http.Header) string {
	values := h["Traceparent"]
	id, flags, ok := "", "", false
	if len(values) == 1 {
		id, flags, ok = parseTrace(values[0])
	}
	if !ok {
		id, flags = randomHex(traceBytes), startFlags
		// The state belongs to a trace that could not be read.
		h.Del("Tracestate")
	}
	h["Traceparent"] = []string{traceVersion + "-" + id + "-" + randomHex(8) + "-" + flags}
	return id
}

// traceOf is the trace id of a request, empty when it has none that can be read.
func traceOf(h http.Header) string {
	if values := h["Traceparent"]; len(values) == 1 {
		if id, _, ok := parseTrace(values[0]); ok {
			return id
		}
	}
	return ""
}

// parseTrace reads a traceparent. One of a later version is read as far as this one goes.
func parseTrace(s string) (id, flags string, ok bool) {
	if len(s) < traceLength || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return "", "", false
	}
	version, id, parent, flags := s[:2], s[3:35], s[36:52], s[53:55]
	if version == "ff" || (version == traceVersion && len(s) != traceLength) || (len(s) > traceLength && s[traceLength] != '-') {
		return "", "", false
	}
	for _, part := range []string{version, id, parent, flags} {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return "", "", false
		}
	}
	if strings.Trim(id, "0") == "" || strings.Trim(parent, "0") == "" {
		return "", "", false
	}
	return id, flags, true
}

// randomHex names n random bytes, n a multiple of 8. They are never all zero, which the format forbids. Trace ids have
// to be unique, not secret.
func randomHex(n int) string {
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		v := rand.Uint64() | 1 //nolint:gosec // unique, not secret
		binary.LittleEndian.PutUint64(b[i:], v)
	}
	return hex.EncodeToString(b)
}
