package authn

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// The ways a caller may be known by.
const (
	MethodAPIKey = "api-key"
	MethodJWT    = "jwt"
	MethodHMAC   = "hmac"
)

// Caller is who sent a request.
type Caller struct {
	// Subject is the client's name of an API key, the subject of a token, or the ID of the key that signed: 1 to 256
	// bytes that can be printed.
	Subject string
	// Method is how that is known.
	Method string
}

// method is one way to know a caller. It returns [NoCredential] when the request does not try it.
type method interface {
	verify(req *http.Request, now time.Time) (subject string, refused Reason)
	// missing says what it has no keys from; empty when it has them.
	missing() string
}

const accepted Reason = ""

type namedMethod struct {
	name string
	method
}

// Authenticator decides for one version of a route. It is safe for concurrent use and needs no end.
type Authenticator struct {
	now      func() time.Time
	methods  []namedMethod
	refusals map[Reason]*Refusal
	// key is the header of the API key; empty when the route takes none.
	key       string
	keyBearer bool
}

// New returns what decides for a policy. Keys that are not there are no error, they may come: see [Authenticator.Missing].
// It fails for a policy that is wrong, and for one that names a credential or an address where credentials or keys is nil;
// now nil is [time.Now].
func New(policy release.Authentication, credentials *Credentials, keys *KeySets, now func() time.Time) (*Authenticator, error) {
	if err := policy.Check(); err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	a := newAuthenticator(policy, now)
	if credentials == nil && (policy.APIKey != nil || policy.HMAC != nil || policy.JWT != nil && !policy.JWT.Remote()) {
		return nil, errors.New("authentication: a credential is named, and this gateway has no folder of credentials")
	}
	if p := policy.APIKey; p != nil {
		a.methods = append(a.methods, namedMethod{MethodAPIKey, &apiKeyMethod{
			header: a.key, bearer: a.keyBearer, tokensToo: a.keyBearer && policy.JWT != nil, file: credentials.follow(p.Keys, apiKeyFile),
		}})
	}
	if p := policy.JWT; p != nil {
		source, err := keySource(p, credentials, keys)
		if err != nil {
			return nil, err
		}
		a.methods = append(a.methods, namedMethod{MethodJWT, newJWTMethod(p, source)})
	}
	if p := policy.HMAC; p != nil {
		a.methods = append(a.methods, namedMethod{MethodHMAC, &hmacMethod{
			credential: p.Keys, span: p.Span(), file: credentials.follow(p.Keys, secretFile), seen: credentials.seen,
		}})
	}
	return a, nil
}

// Closed returns what decides for a policy that [New] has nothing to decide with: everybody is refused as
// [KeysUnavailable].
func Closed(policy release.Authentication) *Authenticator {
	a := newAuthenticator(policy, time.Now)
	a.methods = []namedMethod{{method: closed{}}}
	return a
}

func newAuthenticator(policy release.Authentication, now func() time.Time) *Authenticator {
	a := &Authenticator{now: now, refusals: refusals(policy)}
	if p := policy.APIKey; p != nil {
		a.key, a.keyBearer = http.CanonicalHeaderKey(p.HeaderName()), p.Bearer()
	}
	return a
}

// closed is the method of a gateway without keys.
type closed struct{}

func (closed) verify(*http.Request, time.Time) (string, Reason) { return "", KeysUnavailable }
func (closed) missing() string                                  { return "this gateway" }

func keySource(p *release.JWTAuth, credentials *Credentials, keys *KeySets) (source, error) {
	if !p.Remote() {
		return &fileSource{credentials.follow(p.Keys, keySetFile)}, nil
	}
	if keys == nil {
		return nil, errors.New("authentication: the keys of an issuer are wanted, and this gateway fetches none")
	}
	set, err := keys.follow(p.Keys)
	if err != nil {
		return nil, fmt.Errorf("authentication: %w", err)
	}
	return set, nil
}

// Authenticate says who sent a request, or why it is not let in. One credential that holds is enough; of several that do
// not, the refusal is about the first, unless the gateway could not check another.
//
// It reads the header only. A request whose signature holds gets a body that ends in [ErrBody] when it is not the one that
// was signed, before its reader has seen all of it. It may wait for the keys of an issuer, as long as [KeySetOptions].Wait
// at most, and never longer than the request's context.
func (a *Authenticator) Authenticate(req *http.Request) (Caller, *Refusal) {
	var refused *Refusal
	now := a.now()
	for _, m := range a.methods {
		subject, reason := m.verify(req, now)
		if reason == accepted {
			return Caller{Subject: subject, Method: m.name}, nil
		}
		if r := a.refusals[reason]; r.weightier(refused) {
			refused = r
		}
	}
	return Caller{}, refused
}

// Strip removes the headers that must not go on to an instance when the caller was known by a method. An API key stays
// here: who has it is the caller, everywhere. A token goes on, because it says for whom it is and when it ends, and so does
// a signature, which is good for one request.
func (a *Authenticator) Strip(h http.Header, method string) {
	if a.key != "" && (!a.keyBearer || method != MethodJWT) {
		delete(h, a.key)
	}
}

// Missing says for which credentials there are no keys, in a sentence each that is safe to show; nil when all are there.
// Requests with one of those are refused as [KeysUnavailable].
func (a *Authenticator) Missing() []string {
	var missing []string
	for _, m := range a.methods {
		if from := m.missing(); from != "" {
			missing = append(missing, m.name+": no keys from "+from)
		}
	}
	return missing
}

// bearer is the token of a request: what follows Bearer in Authorization. More than one header is no token, but tried.
func bearer(h http.Header) (token string, tried bool) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", false
	}
	if len(values) > 1 {
		return "", true
	}
	const scheme = "Bearer "
	if len(values[0]) < len(scheme) || !strings.EqualFold(values[0][:len(scheme)], scheme) {
		return "", false
	}
	return strings.TrimLeft(values[0][len(scheme):], " "), true
}

// isToken says whether a bearer token has the form of a signed token, and is no API key.
func isToken(s string) bool { return strings.Count(s, ".") == 2 }
