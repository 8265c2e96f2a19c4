package authn

import (
	"net/http"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// Reason says in a word why a request was refused. There are few, so that they can be the label of a metric.
type Reason string

// Why a request is refused.
const (
	// NoCredential is a request that carries none of the credentials that its route takes.
	NoCredential Reason = "no-credential" //nolint:gosec // a word about credentials, and none
	// BadAPIKey is an API key that nobody has, or more than one key.
	BadAPIKey Reason = "bad-api-key"

	// JWTMalformed is a bearer token that is no signed token, or is too long.
	JWTMalformed Reason = "jwt-malformed"
	// JWTAlgorithm is a token signed with an algorithm that the route does not take.
	JWTAlgorithm Reason = "jwt-algorithm"
	// JWTKey is a token signed with a key that the issuer does not publish.
	JWTKey Reason = "jwt-key"
	// JWTSignature is a token that its key did not sign.
	JWTSignature Reason = "jwt-signature"
	// JWTExpired is a token that has ended, or says no end.
	JWTExpired Reason = "jwt-expired"
	// JWTNotYetValid is a token that begins later, or was issued in the future.
	JWTNotYetValid Reason = "jwt-not-yet-valid"
	// JWTIssuer and JWTAudience are tokens of another issuer, or for somebody else.
	JWTIssuer   Reason = "jwt-issuer"
	JWTAudience Reason = "jwt-audience"
	// JWTSubject is a token that names no caller.
	JWTSubject Reason = "jwt-subject"
	// JWTClaims is a good token without a claim that the route wants. The caller is known and may not: status 403.
	JWTClaims Reason = "jwt-claims"

	// HMACMalformed is a signature of which a header is missing, there twice, or not in its form.
	HMACMalformed Reason = "hmac-malformed"
	// HMACWindow is a request signed too long ago, in the future, or before this gateway began to remember.
	HMACWindow Reason = "hmac-window"
	// HMACSignature is a signature that is wrong, or by a key that nobody has.
	HMACSignature Reason = "hmac-signature"
	// HMACReplay is a signed request that was here before.
	HMACReplay Reason = "hmac-replay"
	// HMACBody is a signed request without a body whose signature is over one.
	HMACBody Reason = "hmac-body"
	// HMACFull is a signed request that the gateway has no room to remember: status 503.
	HMACFull Reason = "hmac-full"

	// KeysUnavailable is that the gateway has no keys to check a credential with: status 503.
	KeysUnavailable Reason = "keys-unavailable"
)

// Reasons are all there are.
func Reasons() []Reason {
	return []Reason{
		NoCredential, BadAPIKey,
		JWTMalformed, JWTAlgorithm, JWTKey, JWTSignature, JWTExpired, JWTNotYetValid, JWTIssuer, JWTAudience, JWTSubject, JWTClaims,
		HMACMalformed, HMACWindow, HMACSignature, HMACReplay, HMACBody, HMACFull,
		KeysUnavailable,
	}
}

// Refusal is the answer to a request that is not let in. It is shared by all requests of a route: whoever gets one reads it.
type Refusal struct {
	// Status is 401 when another credential would help, 403 when none of this caller's would, and 503 when the gateway
	// could not find out.
	Status int
	Reason Reason
	// Detail is a sentence for the caller. It holds nothing of the request and nothing of what lies behind.
	Detail string
	// Challenge is the value of WWW-Authenticate; empty with 503.
	Challenge string
}

// String is the reason and the sentence, for logs. A refusal is no error: a nil one in an error would be none no longer.
func (r *Refusal) String() string { return string(r.Reason) + ": " + r.Detail }

// weightier says whether r is to be told rather than other, when two credentials of a request were refused. To not know
// counts most, because then the request may come again as it is.
func (r *Refusal) weightier(other *Refusal) bool {
	return other == nil || r.rank() > other.rank()
}

func (r *Refusal) rank() int {
	if r.Reason == NoCredential {
		return 0
	}
	return r.Status
}

var details = map[Reason]string{ //nolint:gosec // sentences about credentials, and none
	BadAPIKey:       "The API key is not known here.",
	JWTMalformed:    "The bearer token is no signed token of at most 8 KiB.",
	JWTAlgorithm:    "The token is signed with an algorithm that is not accepted here.",
	JWTKey:          "The token is signed with a key that its issuer does not publish.",
	JWTSignature:    "The token's signature is wrong.",
	JWTExpired:      "The token has expired, or does not say when it does.",
	JWTNotYetValid:  "The token is not valid yet.",
	JWTIssuer:       "The token is from another issuer.",
	JWTAudience:     "The token is for another audience.",
	JWTSubject:      "The token does not say whom it is about.",
	JWTClaims:       "The token lacks a claim that is wanted here.",
	HMACMalformed:   "The signature needs X-Signature, X-Signature-Key, X-Signature-Timestamp, X-Signature-Nonce and X-Content-SHA256, once each and in their forms.",
	HMACWindow:      "The request was signed too long ago, in the future, or before this gateway was started. Sign it again.",
	HMACSignature:   "The request's signature is wrong.",
	HMACReplay:      "The request was here before. Sign it again with another nonce.",
	HMACBody:        "The request has no body, and X-Content-SHA256 is not the hash of nothing.",
	HMACFull:        "There are too many signed requests at the moment. Try again later.",
	KeysUnavailable: "The credential cannot be checked at the moment. Try again later.",
}

// statusOf is 401 but for what another credential would not mend.
func statusOf(reason Reason) int {
	switch reason {
	case JWTClaims:
		return http.StatusForbidden
	case HMACFull, KeysUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusUnauthorized
	}
}

// refusals are all that a route may give, made once: to refuse costs no memory, however many try.
func refusals(policy release.Authentication) map[Reason]*Refusal {
	wants, challenges := wanted(policy)
	all := map[Reason]*Refusal{}
	for _, reason := range Reasons() {
		r := &Refusal{Status: statusOf(reason), Reason: reason, Detail: details[reason]}
		switch {
		case reason == NoCredential:
			r.Detail = "Nobody is let in here without a credential: send " + strings.Join(wants, ", or ") + "."
			r.Challenge = strings.Join(challenges, ", ")
		case r.Status == http.StatusServiceUnavailable:
		case reason == JWTClaims:
			r.Challenge = `Bearer error="insufficient_scope", error_description="` + r.Detail + `"`
		case strings.HasPrefix(string(reason), "jwt-"):
			r.Challenge = `Bearer error="invalid_token", error_description="` + r.Detail + `"`
		case reason == BadAPIKey && policy.APIKey != nil:
			r.Challenge = keyChallenge(policy.APIKey)
		case strings.HasPrefix(string(reason), "hmac-"):
			r.Challenge = hmacChallenge
		}
		all[reason] = r
	}
	return all
}

const hmacChallenge = `HMAC-SHA256 version="v1"`

func keyChallenge(policy *release.APIKeyAuth) string {
	if policy.Bearer() {
		return "Bearer"
	}
	return `ApiKey header="` + policy.HeaderName() + `"`
}

// wanted says what a route takes: in words, and as challenges.
func wanted(policy release.Authentication) (words, challenges []string) {
	if policy.APIKey != nil {
		where := "in the header " + policy.APIKey.HeaderName()
		if policy.APIKey.Bearer() {
			where = `as "Authorization: Bearer"`
		}
		words, challenges = append(words, "an API key "+where), append(challenges, keyChallenge(policy.APIKey))
	}
	if policy.JWT != nil {
		words = append(words, `a token as "Authorization: Bearer"`)
		if policy.APIKey == nil || !policy.APIKey.Bearer() {
			challenges = append(challenges, "Bearer")
		}
	}
	if policy.HMAC != nil {
		words, challenges = append(words, "a signature in X-Signature"), append(challenges, hmacChallenge)
	}
	return words, challenges
}
