package release

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Authentication says how callers prove who they are before a request goes to an instance. One proof that holds is
// enough; at least one kind is set. It names credentials and never holds any: those lie on the gateway's machine.
type Authentication struct {
	APIKey *APIKeyAuth `json:"api-key,omitempty"`
	JWT    *JWTAuth    `json:"jwt,omitempty"`
	HMAC   *HMACAuth   `json:"hmac,omitempty"`
}

// APIKeyAuth knows callers by a key that they send.
type APIKeyAuth struct {
	// Keys names the credential that holds the hashes of the keys.
	Keys string `json:"keys"`
	// Header carries the key; empty is X-Api-Key. In Authorization the key follows the word Bearer.
	Header string `json:"header,omitempty"`
}

// JWTAuth knows callers by a signed token that an issuer gave them, sent as "Authorization: Bearer".
type JWTAuth struct {
	// Issuer and Audience are the claims iss and aud that a token must have; both are required.
	Issuer   string `json:"issuer"`
	Audience string `json:"audience"`
	// Keys is the address of the issuer's JWK set, or the name of a credential that holds one.
	Keys string `json:"keys"`
	// Algorithms are the signature algorithms that are accepted; empty is RS256, ES256 and EdDSA. Symmetric ones are not
	// among those there are: with them, whoever can check a token can make one.
	Algorithms []string `json:"algorithms,omitempty"`
	// Claims are further claims that a token must have, each with its value: a text or yes-or-no that is equal, a list
	// that has it, and for scope one of the words. Numbers are compared as they are written.
	Claims map[string]string `json:"claims,omitempty"`
	// Subject is the claim that names the caller; empty is sub.
	Subject string `json:"subject,omitempty"`
	// Leeway is how far the issuer's clock may be off; 0 is 30 s, at most 5 min.
	Leeway Duration `json:"leeway,omitempty"`
}

// HMACAuth knows callers by a signature over the request, made with a secret that both sides have.
type HMACAuth struct {
	// Keys names the credential that holds the secrets.
	Keys string `json:"keys"`
	// Window is how far from now a request may say it was signed, and how long its nonce is remembered; 0 is 5 min,
	// 1 s to 1 h.
	Window Duration `json:"window,omitempty"`
}

// What is meant where nothing is said.
const (
	defaultKeyHeader = "X-Api-Key"
	defaultSubject   = "sub"
	defaultLeeway    = 30 * time.Second
	defaultWindow    = 5 * time.Minute
)

// The bounds of an [Authentication].
const (
	mostLeeway    = 5 * time.Minute
	leastWindow   = time.Second
	mostWindow    = time.Hour
	mostAuthText  = 1024
	mostClaims    = 32
	authorization = "Authorization"
)

var (
	tokenAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

	credentialName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	fieldName      = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")

	// Headers that belong to HTTP itself, or that others read and write: a key in one of them would be seen by whom it
	// is not for, or would change what the request means.
	takenHeaders = []string{
		"accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie", "date",
		"expect", "forwarded", "host", "keep-alive", "proxy-authorization", "proxy-connection", "range", "referer", "te",
		"trailer", "transfer-encoding", "upgrade", "user-agent", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
	}
	// Claims that have a field or a meaning of their own.
	takenClaims = []string{"iss", "aud", "exp", "nbf", "iat"}
)

// IsCredentialName says whether a credential may be called so: 1 to 63 lower-case letters, digits and inner hyphens.
func IsCredentialName(s string) bool { return credentialName.MatchString(s) }

// HeaderName is the header that carries the key.
func (a APIKeyAuth) HeaderName() string {
	if a.Header == "" {
		return defaultKeyHeader
	}
	return a.Header
}

// Bearer says that the key is sent as a bearer token.
func (a APIKeyAuth) Bearer() bool { return strings.EqualFold(a.Header, authorization) }

// Remote says that the keys are fetched from an address.
func (j JWTAuth) Remote() bool { return strings.Contains(j.Keys, "://") }

// Accepted are the signature algorithms that are accepted.
func (j JWTAuth) Accepted() []string {
	if len(j.Algorithms) == 0 {
		return []string{"RS256", "ES256", "EdDSA"}
	}
	return slices.Clone(j.Algorithms)
}

// SubjectClaim is the claim that names the caller.
func (j JWTAuth) SubjectClaim() string {
	if j.Subject == "" {
		return defaultSubject
	}
	return j.Subject
}

// Tolerance is how far the issuer's clock may be off.
func (j JWTAuth) Tolerance() time.Duration {
	if j.Leeway == 0 {
		return defaultLeeway
	}
	return j.Leeway.Std()
}

// Span is how far from now a request may say it was signed.
func (h HMACAuth) Span() time.Duration {
	if h.Window == 0 {
		return defaultWindow
	}
	return h.Window.Std()
}

// Check says everything that is wrong.
func (a Authentication) Check() error {
	var problems []error
	if a.APIKey == nil && a.JWT == nil && a.HMAC == nil {
		problems = append(problems, errors.New("want api-key, jwt or hmac"))
	}
	if a.APIKey != nil {
		problems = append(problems, a.APIKey.check()...)
	}
	if a.JWT != nil {
		problems = append(problems, a.JWT.check()...)
	}
	if a.HMAC != nil {
		problems = append(problems, a.HMAC.check()...)
	}
	for i, err := range problems {
		problems[i] = fmt.Errorf("authentication: %w", err)
	}
	return errors.Join(problems...)
}

func (a APIKeyAuth) check() []error {
	var problems []error
	if !IsCredentialName(a.Keys) {
		problems = append(problems, fmt.Errorf("api-key: keys %.100q: %s", a.Keys, wantCredential))
	}
	switch {
	case a.Header == "":
	case !fieldName.MatchString(a.Header):
		problems = append(problems, fmt.Errorf("api-key: header %.100q: want the name of a header, such as X-Api-Key", a.Header))
	case slices.Contains(takenHeaders, strings.ToLower(a.Header)):
		problems = append(problems, fmt.Errorf("api-key: header %q has a meaning of its own: want another, such as X-Api-Key", a.Header))
	}
	return problems
}

const wantCredential = "want the name of a credential: 1 to 63 lower-case letters, digits and inner hyphens"

func (j JWTAuth) check() []error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf("jwt: "+format, args...)) }
	for _, text := range []struct{ name, value string }{{"issuer", j.Issuer}, {"audience", j.Audience}} {
		if text.value == "" || len(text.value) > mostAuthText {
			add("%s: want what the claim says, 1 to %d bytes: a token for somebody else would do otherwise", text.name, mostAuthText)
		}
	}
	if err := j.checkKeys(); err != nil {
		problems = append(problems, err)
	}
	for i, algorithm := range j.Algorithms {
		if !slices.Contains(tokenAlgorithms, algorithm) {
			add("algorithm %.20q: want some of %s", algorithm, strings.Join(tokenAlgorithms, ", "))
		}
		if slices.Contains(j.Algorithms[:i], algorithm) {
			add("algorithm %.20q is there twice", algorithm)
		}
	}
	if len(j.Claims) > mostClaims {
		add("%d claims: at most %d", len(j.Claims), mostClaims)
	}
	for _, name := range slices.Sorted(maps.Keys(j.Claims)) {
		switch value := j.Claims[name]; {
		case name == "" || len(name) > mostAuthText || value == "" || len(value) > mostAuthText:
			add("claim %.100q: want a name and a value, 1 to %d bytes each", name, mostAuthText)
		case slices.Contains(takenClaims, name):
			add("claim %q is always checked: say it with issuer, audience and leeway", name)
		}
	}
	if len(j.Subject) > mostAuthText {
		add("subject of %d bytes: at most %d", len(j.Subject), mostAuthText)
	}
	if l := j.Leeway.Std(); l < 0 || l > mostLeeway {
		add("leeway %s: want 0 to 5m", j.Leeway)
	}
	return problems
}

// checkKeys repeats no address that may hold a password.
func (j JWTAuth) checkKeys() error {
	if !j.Remote() {
		if !IsCredentialName(j.Keys) {
			return fmt.Errorf("jwt: keys %.100q: want https://host/path of a JWK set, or the name of a credential that holds one", j.Keys)
		}
		return nil
	}
	u, err := url.Parse(j.Keys)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(j.Keys) > mostAuthText:
		return errors.New("jwt: keys: want the address of a JWK set, such as https://issuer.example/.well-known/jwks.json")
	case u.User != nil || u.Fragment != "":
		return errors.New("jwt: keys: want an address without a user, a password and a fragment")
	}
	return nil
}

func (h HMACAuth) check() []error {
	var problems []error
	if !IsCredentialName(h.Keys) {
		problems = append(problems, fmt.Errorf("hmac: keys %.100q: %s", h.Keys, wantCredential))
	}
	if w := h.Window.Std(); w != 0 && (w < leastWindow || w > mostWindow) {
		problems = append(problems, fmt.Errorf("hmac: window %s: want 1s to 1h", h.Window))
	}
	return problems
}
