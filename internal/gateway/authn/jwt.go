package authn

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/skyisland/skyisland/internal/release"
)

const (
	maxToken   = 8 << 10
	maxSubject = 256
	// maxDate is the last second of the year 9999. Later ones are mistakes, and do not fit every clock.
	maxDate = 253402300799
)

// source has the keys of an issuer.
type source interface {
	// current are the last good keys; nil when there never were any.
	current() *keySet
	// ask has the source look for newer keys, and may wait for them for a bounded time. It says whether what is current
	// then is what the issuer has.
	ask(ctx context.Context) (sure bool)
	// from names the source.
	from() string
}

// fileSource is a credential that holds a JWK set. It is followed as it is.
type fileSource struct{ file *credential }

func (s *fileSource) current() *keySet {
	if now := s.file.content.Load(); now != nil {
		return now.keySet
	}
	return nil
}

func (s *fileSource) ask(context.Context) bool { return true }

func (s *fileSource) from() string { return "the credential " + s.file.name }

// jwtMethod knows callers by a token of their issuer.
type jwtMethod struct {
	policy     release.JWTAuth
	algorithms []jose.SignatureAlgorithm
	keys       source
}

func newJWTMethod(policy *release.JWTAuth, keys source) *jwtMethod {
	m := &jwtMethod{policy: *policy, keys: keys}
	for _, algorithm := range policy.Accepted() {
		m.algorithms = append(m.algorithms, jose.SignatureAlgorithm(algorithm))
	}
	return m
}

func (m *jwtMethod) missing() string {
	if m.keys.current() != nil {
		return ""
	}
	return m.keys.from()
}

func (m *jwtMethod) verify(req *http.Request, now time.Time) (string, Reason) {
	text, tried := bearer(req.Header)
	if !tried {
		return "", NoCredential
	}
	if len(text) > maxToken {
		return "", JWTMalformed
	}
	// Compact form only, and only the algorithms of the route: none and the symmetric ones end here.
	token, err := jwt.ParseSigned(text, m.algorithms)
	if err != nil {
		var algorithm *jose.ErrUnexpectedSignatureAlgorithm
		if errors.As(err, &algorithm) {
			return "", JWTAlgorithm
		}
		return "", JWTMalformed
	}
	head := token.Headers[0] // the compact form has one
	if !isForUs(head) {
		return "", JWTMalformed
	}
	key, refused := m.key(req.Context(), head.KeyID, head.Algorithm)
	if refused != accepted {
		return "", refused
	}
	// Nothing is read of what a token says before its key has signed it.
	var standard jwt.Claims
	var claims claims
	if err := token.Claims(key, &standard, &claims); err != nil {
		if errors.Is(err, jose.ErrCryptoFailure) {
			return "", JWTSignature
		}
		return "", JWTMalformed
	}
	if refused := m.judge(&standard, now); refused != accepted {
		return "", refused
	}
	subject, ok := claims.subject(m.policy.SubjectClaim())
	if !ok {
		return "", JWTSubject
	}
	for name, want := range m.policy.Claims {
		if !claims.has(name, want) {
			return "", JWTClaims
		}
	}
	return subject, accepted
}

// isForUs says whether a token is one to be let in with, by its type: an issuer signs other things with the same key, such
// as the end of a session.
func isForUs(head jose.Header) bool {
	kind, there := head.ExtraHeaders[jose.HeaderType]
	if !there {
		return true
	}
	text, _ := kind.(string)
	return slices.Contains([]string{"jwt", "at+jwt", "application/jwt", "application/at+jwt"}, strings.ToLower(text))
}

// key finds the key of a token. When there is none, the issuer may have a new one.
func (m *jwtMethod) key(ctx context.Context, id, algorithm string) (any, Reason) {
	set := m.keys.current()
	if set != nil {
		if key, ok := set.find(id, algorithm); ok {
			return key, accepted
		}
	}
	sure := m.keys.ask(ctx)
	newer := m.keys.current()
	if newer != nil && newer != set {
		if key, ok := newer.find(id, algorithm); ok {
			return key, accepted
		}
	}
	if newer == nil || !sure {
		return nil, KeysUnavailable
	}
	return nil, JWTKey
}

// judge checks what every token has to say: from whom, for whom, and when.
func (m *jwtMethod) judge(c *jwt.Claims, now time.Time) Reason {
	for _, date := range []*jwt.NumericDate{c.Expiry, c.NotBefore, c.IssuedAt} {
		if date != nil && (*date < 0 || *date > maxDate) {
			return JWTMalformed
		}
	}
	if c.Expiry == nil {
		return JWTExpired
	}
	err := c.ValidateWithLeeway(jwt.Expected{
		Issuer: m.policy.Issuer, AnyAudience: jwt.Audience{m.policy.Audience}, Time: now,
	}, m.policy.Tolerance())
	switch {
	case err == nil:
		return accepted
	case errors.Is(err, jwt.ErrInvalidIssuer):
		return JWTIssuer
	case errors.Is(err, jwt.ErrInvalidAudience):
		return JWTAudience
	case errors.Is(err, jwt.ErrNotValidYet), errors.Is(err, jwt.ErrIssuedInTheFuture):
		return JWTNotYetValid
	default:
		return JWTExpired
	}
}

// claims are all of a token, each as it is written.
type claims map[string]json.RawMessage

// subject is the text of a claim, when it can stand in a header and in a log as it is.
func (c claims) subject(name string) (string, bool) {
	var s string
	if err := json.Unmarshal(c[name], &s); err != nil || s == "" || len(s) > maxSubject || !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return "", false
	}
	unprintable := func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }
	return s, strings.IndexFunc(s, unprintable) < 0
}

// has says whether a claim has a value: is equal to it, or is a list of which one is. The claim scope is a list of words,
// see RFC 8693.
func (c claims) has(name, want string) bool {
	raw := c[name]
	var text string
	if name == "scope" && json.Unmarshal(raw, &text) == nil {
		return slices.Contains(strings.Fields(text), want)
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		return slices.ContainsFunc(list, func(one json.RawMessage) bool { return says(one, want) })
	}
	return says(raw, want)
}

// says compares a text, a number as it is written, or yes-or-no. Null is nothing.
func says(raw json.RawMessage, want string) bool {
	var text string
	var yes bool
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return false
	case json.Unmarshal(raw, &text) == nil:
		return text == want
	case json.Unmarshal(raw, &yes) == nil:
		return strconv.FormatBool(yes) == want
	default:
		// A number. An object begins with a brace, and no list is in a list.
		return raw[0] != '{' && raw[0] != '[' && string(raw) == want
	}
}
