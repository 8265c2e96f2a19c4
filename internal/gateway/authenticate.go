package gateway

import (
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/skyisland/skyisland/internal/gateway/authn"
	"github.com/skyisland/skyisland/internal/release"
)

// CallerHeader names to an instance who was authenticated. What a client says in it never gets through.
const CallerHeader = "X-Skyisland-Caller"

// authenticator returns what decides who may use a route; nil is everybody. With an error it lets nobody in.
func (g *Gateway) authenticator(d *document) (*authn.Authenticator, error) {
	policy := d.Ingress.Authentication
	if policy == nil {
		return nil, nil
	}
	a, err := authn.New(*policy, g.opts.Credentials, g.opts.KeySets, g.opts.Now)
	if err != nil {
		return authn.Closed(*policy), err
	}
	return a, nil
}

// checkAuthentication refuses documents whose callers this gateway has no way to know. One that gives the canary no
// traffic, or no more of it than is in force, is never refused for that: it is a way back, which must not break, and lets
// nobody in instead.
func (g *Gateway) checkAuthentication(docs []*document) error {
	t, uptime := g.table.Load(), g.uptime()
	for _, d := range docs {
		if d.Weight == release.NoWeight || t.routes[d.Key].covers(d, uptime) {
			continue
		}
		if _, err := g.authenticator(d); err != nil {
			return fmt.Errorf("%w: route %s: %w", ErrInvalid, d.Key, err)
		}
	}
	return nil
}

// covers says that a document is in force already, or asks for no more than the one that is. A nil route covers nothing.
func (r *route) covers(d *document, uptime time.Duration) bool {
	if r == nil {
		return false
	}
	if r.doc.digest == d.digest {
		return true
	}
	w, _ := r.weight(uptime)
	return d.Weight <= w && d.Release == r.doc.Release && reflect.DeepEqual(r.doc.Ingress.Authentication, d.Ingress.Authentication)
}

// authenticate says who sends a request, or why it is not let in.
func (r *route) authenticate(req *http.Request) (authn.Caller, *refusal) {
	if r.auth == nil {
		return authn.Caller{}, nil
	}
	caller, f := r.auth.Authenticate(req)
	if f != nil {
		return caller, &refusal{status: f.Status, reason: string(f.Reason), detail: f.Detail, challenge: f.Challenge}
	}
	return caller, nil
}

// admitsAs says whether who was let in by one version of a route is let in by another.
func (r *route) admitsAs(other *route) bool {
	return r == other || reflect.DeepEqual(r.doc.Ingress.Authentication, other.doc.Ingress.Authentication)
}

// introduce tells the instance who was authenticated, and keeps from it what would let it pass for the caller.
func (x *exchange) introduce(h http.Header) {
	delete(h, CallerHeader)
	if x.caller.Subject == "" {
		return
	}
	h[CallerHeader] = []string{x.caller.Subject}
	x.route.auth.Strip(h, x.caller.Method)
}
