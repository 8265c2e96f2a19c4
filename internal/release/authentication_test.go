package release_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func proofs() release.Authentication {
	return release.Authentication{
		APIKey: &release.APIKeyAuth{Keys: "partners"},
		JWT:    &release.JWTAuth{Issuer: "https://issuer.example", Audience: "web", Keys: "https://issuer.example/jwks.json"},
		HMAC:   &release.HMACAuth{Keys: "webhooks"},
	}
}

func TestAuthenticationCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*release.Authentication)
		want string
	}{
		{"all three are fine", func(*release.Authentication) {}, ""},
		{"one is enough", func(a *release.Authentication) { a.JWT, a.HMAC = nil, nil }, ""},
		{"none is none", func(a *release.Authentication) { *a = release.Authentication{} }, "authentication: want api-key, jwt or hmac"},
		{"a credential is no path", func(a *release.Authentication) { a.APIKey.Keys = "../partners" }, `api-key: keys "../partners": want the name`},
		{"a credential has a name", func(a *release.Authentication) { a.HMAC.Keys = "" }, `hmac: keys "": want the name`},
		{"a credential has no upper case", func(a *release.Authentication) { a.HMAC.Keys = "Webhooks" }, `hmac: keys "Webhooks"`},
		{"a name does not end with a hyphen", func(a *release.Authentication) { a.APIKey.Keys = "a-" }, `keys "a-"`},
		{"a name has at most 63 characters", func(a *release.Authentication) { a.APIKey.Keys = strings.Repeat("a", 64) }, "1 to 63"},
		{"a header of one's own is fine", func(a *release.Authentication) { a.APIKey.Header = "X-Partner_Key" }, ""},
		{"a bearer key is fine", func(a *release.Authentication) { a.APIKey.Header = "authorization" }, ""},
		{"a header has no space", func(a *release.Authentication) { a.APIKey.Header = "X Key" }, `header "X Key": want the name`},
		{"a key is no cookie", func(a *release.Authentication) { a.APIKey.Header = "Cookie" }, `header "Cookie" has a meaning`},
		{"an issuer is required", func(a *release.Authentication) { a.JWT.Issuer = "" }, "jwt: issuer: want"},
		{"an audience is required", func(a *release.Authentication) { a.JWT.Audience = "" }, "jwt: audience: want"},
		{"keys may be a credential", func(a *release.Authentication) { a.JWT.Keys = "issuer-keys" }, ""},
		{"keys are no file", func(a *release.Authentication) { a.JWT.Keys = "/etc/jwks.json" }, `jwt: keys "/etc/jwks.json"`},
		{"keys are not fetched by ftp", func(a *release.Authentication) { a.JWT.Keys = "ftp://issuer.example/jwks.json" }, "jwt: keys: want the address"},
		{"keys have a host", func(a *release.Authentication) { a.JWT.Keys = "https:///jwks.json" }, "jwt: keys: want the address"},
		{"an address has no password", func(a *release.Authentication) { a.JWT.Keys = "https://me:hunter2@issuer.example/" }, "without a user, a password"},
		{"PS256 is fine", func(a *release.Authentication) { a.JWT.Algorithms = []string{"PS256", "ES384"} }, ""},
		{"none is no algorithm", func(a *release.Authentication) { a.JWT.Algorithms = []string{"none"} }, `algorithm "none": want`},
		{"HS256 is no algorithm", func(a *release.Authentication) { a.JWT.Algorithms = []string{"RS256", "HS256"} }, `algorithm "HS256": want`},
		{"an algorithm is there once", func(a *release.Authentication) { a.JWT.Algorithms = []string{"RS256", "RS256"} }, "twice"},
		{"a claim is fine", func(a *release.Authentication) { a.JWT.Claims = map[string]string{"scope": "orders"} }, ""},
		{"a claim has a value", func(a *release.Authentication) { a.JWT.Claims = map[string]string{"scope": ""} }, `claim "scope": want`},
		{"an audience is no claim", func(a *release.Authentication) { a.JWT.Claims = map[string]string{"aud": "x"} }, `claim "aud" is always`},
		{"a leeway is short", func(a *release.Authentication) { a.JWT.Leeway = release.Duration(6 * time.Minute) }, "leeway 6m: want"},
		{"a window is a second at least", func(a *release.Authentication) { a.HMAC.Window = release.Duration(time.Millisecond) }, "window 1ms: want"},
		{"a window is an hour at most", func(a *release.Authentication) { a.HMAC.Window = release.Duration(2 * time.Hour) }, "window 2h: want"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := proofs()
			c.edit(&a)
			err := a.Check()
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells a password: %v", err)
			}
		})
	}
}

func TestAuthenticationSaysAllThatIsWrong(t *testing.T) {
	err := release.Authentication{APIKey: &release.APIKeyAuth{}, JWT: &release.JWTAuth{}, HMAC: &release.HMACAuth{}}.Check()
	for _, want := range []string{"api-key: keys", "jwt: issuer", "jwt: audience", "jwt: keys", "hmac: keys"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestAuthenticationDefaults(t *testing.T) {
	a := proofs()
	if a.APIKey.HeaderName() != "X-Api-Key" || a.APIKey.Bearer() || !a.JWT.Remote() || a.JWT.SubjectClaim() != "sub" ||
		a.JWT.Tolerance() != 30*time.Second || a.HMAC.Span() != 5*time.Minute || !slices.Equal(a.JWT.Accepted(), []string{"RS256", "ES256", "EdDSA"}) {
		t.Errorf("the defaults of %+v are others", a)
	}
	encoded, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"api-key":{"keys":"partners"},"jwt":{"issuer":"https://issuer.example","audience":"web","keys":"https://issuer.example/jwks.json"},"hmac":{"keys":"webhooks"}}`
	if string(encoded) != want {
		t.Errorf("got %s, want %s", encoded, want)
	}
}
