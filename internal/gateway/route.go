package gateway

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/gateway/authn"
	"github.com/skyisland/skyisland/internal/release"
)

// ErrInvalid is returned for a route no gateway can serve, whatever its version.
var ErrInvalid = errors.New("invalid route")

const (
	maxRoutes    = 10_000
	maxPath      = 255
	maxEndpoints = 1_000
	maxPins      = 64
	maxText      = 1_024
)

// document is a route as it was given, checked and encoded.
type document struct {
	// Route never says Fresh, which is about the change and not about what is served from then on.
	release.Route
	fresh      bool
	host, path string // as they are matched
	encoded    []byte
	digest     [sha256.Size]byte
}

// gone says that the route was taken back to nothing. It stays for its version, so that an older one
// is still refused, and holds no place: its path is free for others.
func (d *document) gone() bool { return d.Stable == nil && d.Canary == nil }

// newDocument checks a route and brings it into the one form it is compared, hashed and stored in.
func newDocument(r release.Route) (*document, error) {
	if err := errors.Join(r.Check(), checkLimits(r)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	fresh := r.Fresh
	r.Fresh = false
	encoded, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("%w: encode route %s: %w", ErrInvalid, r.Key, err)
	}
	// Decoding the encoded form cuts every tie to the caller's slices and pointers.
	d := &document{encoded: encoded, digest: sha256.Sum256(encoded), fresh: fresh}
	if err := json.Unmarshal(encoded, &d.Route); err != nil {
		return nil, fmt.Errorf("%w: decode route %s: %w", ErrInvalid, r.Key, err)
	}
	d.host = strings.ToLower(d.Ingress.Host)
	d.path = strings.TrimRight(d.Ingress.Path, "/")
	return d, nil
}

// checkLimits says what [release.Route.Check] leaves to whoever serves the route.
func checkLimits(r release.Route) error {
	var problems []error
	add := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("route %.300s: "+format, append([]any{r.Key}, args...)...))
	}
	if len(r.Ingress.Path) > maxPath {
		add("path has %d bytes: at most %d", len(r.Ingress.Path), maxPath)
	}
	if strings.ContainsAny(r.Ingress.Host, "/:@ ") {
		add("host %q: want a host name without a port", r.Ingress.Host)
	}
	if r.Lease.Std() > MaxLease {
		add("lease %s: at most %s", r.Lease, MaxLease)
	}
	switch r.Sticky {
	case "", release.StickyRequest, release.StickyUser:
	default:
		add("sticky %q: want request or user", r.Sticky)
	}
	for _, text := range []string{r.Key, r.Ingress.Host, r.Release, r.Salt, r.UserHeader} {
		if len(text) > maxText {
			add("a text of %d bytes: at most %d", len(text), maxText)
		}
	}
	if len(r.Ingress.Pins) > maxPins {
		add("%d pins: at most %d", len(r.Ingress.Pins), maxPins)
	}
	for i, pin := range r.Ingress.Pins {
		if (pin.Header == "") == (pin.Cookie == "") || len(pin.Values) == 0 || len(pin.Values) > maxEndpoints {
			add("pin %d: want a header or a cookie, and 1 to %d values", i, maxEndpoints)
		}
	}
	for _, target := range []*release.Target{r.Stable, r.Canary} {
		if target == nil {
			continue
		}
		if len(target.Endpoints) > maxEndpoints || len(target.Revision) > maxText {
			add("revision %.64q: at most %d endpoints and %d bytes", target.Revision, maxEndpoints, maxText)
		}
		for _, endpoint := range target.Endpoints {
			if err := checkEndpoint(endpoint); err != nil {
				add("revision %.64q: %w", target.Revision, err)
			}
		}
	}
	return errors.Join(problems...)
}

func checkEndpoint(s string) error {
	host, port, err := net.SplitHostPort(s)
	n, numberErr := strconv.ParseUint(port, 10, 16)
	if err != nil || numberErr != nil || n == 0 || host == "" {
		return fmt.Errorf("endpoint %.300q: want host:port, such as 127.0.0.1:8080", s)
	}
	return nil
}

// route is a document in force, with what it needs to serve.
type route struct {
	doc            *document
	stable, canary *upstream // nil when there is none
	draw           *draw
	lease          *lease // nil when the weight needs none
	live           *live
	evidence       *ledger // nil when the route belongs to no release
	tally          *tally  // of this version, where there is evidence
	// auth is nil where everybody is let in.
	auth *authn.Authenticator
	// timeout and maxBody are the document's, or the gateway's own; limiters are all kept to.
	timeout  time.Duration
	maxBody  int64
	limiters []*limiter
}

// weight is the canary's part right now, and whether the route has returned to stable by itself: its lease ran out, or
// its guard tripped.
func (r *route) weight(uptime time.Duration) (w release.Weight, expired bool) {
	if r.tripped() != nil && r.stable != nil && r.doc.Weight > release.NoWeight {
		return release.NoWeight, true
	}
	if r.lease == nil || r.lease.holds(uptime) {
		return r.doc.Weight, false
	}
	return release.NoWeight, true
}

// tripped is what the route's guard has found against the canary of its release; nil without a guard or anything found.
func (r *route) tripped() *release.Evidence {
	if r.evidence == nil || r.evidence.guard == nil {
		return nil
	}
	return r.evidence.guard.trip.Load()
}

// lapsed says that the lease ran out, whether or not anybody has noticed.
func (r *route) lapsed(uptime time.Duration) bool {
	_, expired := r.weight(uptime)
	return expired
}

// targets says whether the route may still send requests to a revision.
func (r *route) targets(revision string) bool {
	return r.stable.is(revision) || r.canary.is(revision)
}
