package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/gateway/authn"
)

// What is meant where [Options] say nothing.
const (
	DefaultAnswerTimeout = 60 * time.Second
	DefaultMaxBody       = 1 << 30
	DefaultClientIdle    = 30 * time.Second
	DefaultMaxRequests   = 20_000

	defaultDialTimeout = 2 * time.Second
)

// Options is what a gateway needs to know at its start. Only Name is required.
type Options struct {
	// Name tells this gateway apart from every other in receipts and evidence: 1 to 48 lower-case
	// letters, digits, dots and hyphens.
	Name string
	// Unit is the independent deployment the gateway belongs to; a label.
	Unit string
	// StateDir is the directory of routes.json, from which the gateway starts after a restart. It is
	// made when missing. Empty keeps routes in memory only.
	StateDir string
	// Log takes what operators should see; nil discards it.
	Log *slog.Logger
	// AccessLog takes one JSON line per request; nil writes none. A writer that does not keep up
	// loses lines, and the number lost is a metric; requests never wait for it.
	AccessLog io.Writer
	// Now is the clock. Its values must carry a monotonic reading unless a test wants otherwise; nil
	// is [time.Now].
	Now func() time.Time
	// Transport carries requests to instances; nil is a transport tuned for it. Replace it in tests.
	Transport http.RoundTripper
	// DialTimeout bounds connecting to one instance; 0 is 2 s.
	DialTimeout time.Duration
	// AnswerTimeout bounds the wait for the head of an answer once the request has been sent; 0 is
	// 60 s. There is no bound on the length of an answer, because answers may stream.
	AnswerTimeout time.Duration
	// MaxBody is the largest body of a request where its route says nothing, in bytes; 0 is 1 GiB.
	MaxBody int64
	// ClientIdle is how long a client may send nothing of a body that it has begun, or take nothing of an answer; 0 is
	// 30 s. It bounds no tunnel, and no stream that has nothing to say.
	ClientIdle time.Duration
	// Credentials are the keys that routes name, and KeySets those that issuers publish; without them a route that wants
	// them is refused. Both run beside the gateway.
	Credentials *authn.Credentials
	KeySets     *authn.KeySets
	// Units are where other units are entered, http://host:port by name, for routes that fall back to them.
	Units map[string]string
	// TrustForwarded keeps the X-Forwarded headers of the caller and adds to them. Set it only when
	// every caller is a proxy that sets them itself.
	TrustForwarded bool
	// Latency says how slow is slow; the zero value is that of [canary.DefaultConfig].
	Latency canary.LatencyConfig
	// Certificates make traffic come over TLS; nil is clear text.
	Certificates *Certificates
	// H2C also takes HTTP/2 in clear text, from clients that know it beforehand. With Certificates it means nothing.
	H2C bool
	// MaxConnections bounds the connections of clients, see [Gateway.Bound]; 0 is 10,000.
	MaxConnections int
	// MaxRequests bounds the requests under way; those above it are refused. 0 is 20,000.
	MaxRequests int
	// Tracer takes a span per request; nil takes none and costs nothing. Its spans must end without waiting for anybody.
	Tracer trace.TracerProvider
}

var gatewayName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,46}[a-z0-9])?$`)

// withDefaults fills in what was left out, or says what is wrong.
func (o Options) withDefaults() (Options, error) {
	if !gatewayName.MatchString(o.Name) {
		return o, fmt.Errorf("gateway name %q: use 1 to 48 lower-case letters, digits, dots and inner hyphens", o.Name)
	}
	if o.DialTimeout < 0 || o.AnswerTimeout < 0 || o.ClientIdle < 0 || o.MaxBody < 0 {
		return o, errors.New("gateway timeouts and the largest body: want 0 or more")
	}
	if o.MaxConnections < 0 {
		return o, fmt.Errorf("gateway connections: %d at most; want 1 or more", o.MaxConnections)
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = defaultMaxConnections
	}
	if o.MaxRequests < 0 {
		return o, fmt.Errorf("gateway requests: %d at most; want 1 or more", o.MaxRequests)
	}
	o.MaxRequests = cmp.Or(o.MaxRequests, DefaultMaxRequests)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = defaultDialTimeout
	}
	if o.AnswerTimeout == 0 {
		o.AnswerTimeout = DefaultAnswerTimeout
	}
	o.MaxBody = cmp.Or(o.MaxBody, DefaultMaxBody)
	o.ClientIdle = cmp.Or(o.ClientIdle, DefaultClientIdle)
	if o.Latency == (canary.LatencyConfig{}) {
		o.Latency = canary.DefaultConfig().Latency
	}
	return o, nil
}
