package authn

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

func all() release.Authentication {
	return release.Authentication{
		APIKey: &release.APIKeyAuth{Keys: "partners"},
		JWT:    &release.JWTAuth{Issuer: "https://issuer.example", Audience: "web", Keys: "issuer"},
		HMAC:   &release.HMACAuth{Keys: "webhooks"},
	}
}

func allFiles(t testing.TB) map[string]string {
	return map[string]string{
		"partners": "# who may call\nacme " + hashOf(goodKey) + "\n",
		"webhooks": "billing " + secretText + "\n",
		"issuer":   theIssuer().set(t),
	}
}

func TestOneCredentialThatHoldsIsEnough(t *testing.T) {
	f := newFolder(t, allFiles(t))
	a := mustNew(t, all(), f, nil)
	good, expired := token(t, "ES256", theIssuer().ec, "ec", good()), token(t, "ES256", theIssuer().ec, "ec", with("exp", noon.Unix()-60))
	for _, c := range []struct {
		name string
		req  *http.Request
		want string
	}{
		{"nothing", get(), "no-credential"},
		{"another scheme", get("Authorization", "Basic b2xnYTpodW50ZXIy"), "no-credential"},
		{"an API key", get("X-Api-Key", goodKey), "api-key acme"},
		{"a token", withToken(good), "jwt olga"},
		{"a signature", seal().request(), "hmac billing"},
		{"a bad key and a good token", get("X-Api-Key", otherKey, "Authorization", "Bearer "+good), "jwt olga"},
		{"a good key and a bad token", get("X-Api-Key", goodKey, "Authorization", "Bearer "+expired), "api-key acme"},
		{"of two bad ones the first is told", get("X-Api-Key", otherKey, "Authorization", "Bearer "+expired), "bad-api-key"},
		{"a bad key, and a signature that is none", get("X-Api-Key", otherKey, "X-Signature", "v1="), "bad-api-key"},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, a, c.req, c.want) })
	}
}

func TestNotToKnowIsToldRatherThanNo(t *testing.T) {
	files := allFiles(t)
	delete(files, "issuer")
	a := mustNew(t, all(), newFolder(t, files), nil)
	tok := token(t, "ES256", theIssuer().ec, "ec", good())
	expect(t, a, withToken(tok), "keys-unavailable")
	expect(t, a, get("X-Api-Key", otherKey, "Authorization", "Bearer "+tok), "keys-unavailable")
	expect(t, a, get("X-Api-Key", goodKey, "Authorization", "Bearer "+tok), "api-key acme")
	expect(t, a, get(), "no-credential")
	if want := []string{"jwt: no keys from the credential issuer"}; !slices.Equal(a.Missing(), want) {
		t.Errorf("missing %q, want %q", a.Missing(), want)
	}
}

func TestKeysAndTokensShareAHeader(t *testing.T) {
	policy := all()
	policy.APIKey.Header = "authorization"
	policy.HMAC = nil
	a := mustNew(t, policy, newFolder(t, allFiles(t)), nil)
	for _, c := range []struct{ name, bearer, want string }{
		{"a key", goodKey, "api-key acme"},
		{"a token", token(t, "ES256", theIssuer().ec, "ec", good()), "jwt olga"},
		{"what is no token is a bad key", otherKey, "bad-api-key"},
		{"what looks like a token is a bad token", token(t, "ES256", theIssuer().ec, "ec", with("aud", "other")), "jwt-audience"},
		{"nothing", "", "bad-api-key"},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, a, withToken(c.bearer), c.want) })
	}
	expect(t, a, get("Authorization", "bEARER   "+goodKey), "api-key acme")
	expect(t, a, get("Authorization", "Bearer "+goodKey, "Authorization", "Bearer "+goodKey), "bad-api-key")
}

func TestSecretsDoNotGoOn(t *testing.T) {
	for _, c := range []struct {
		name   string
		header string
		method string
		want   []string // headers that stay
	}{
		{"a key is taken out", "", MethodAPIKey, []string{"Authorization", "X-Signature"}},
		{"also when a token was enough", "", MethodJWT, []string{"Authorization", "X-Signature"}},
		{"a bearer key is taken out", "Authorization", MethodAPIKey, []string{"X-Api-Key", "X-Signature"}},
		{"a bearer token stays where keys come in the same header", "Authorization", MethodJWT, []string{"Authorization", "X-Api-Key", "X-Signature"}},
		{"what was not looked at does not stay there", "Authorization", MethodHMAC, []string{"X-Api-Key", "X-Signature"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			policy := all()
			policy.APIKey.Header = c.header
			a := mustNew(t, policy, newFolder(t, allFiles(t)), nil)
			h := get("X-Api-Key", "x", "Authorization", "Bearer x", "X-Signature", "v1=x").Header
			a.Strip(h, c.method)
			var got []string
			for _, name := range []string{"Authorization", "X-Api-Key", "X-Signature"} {
				if h.Get(name) != "" {
					got = append(got, name)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v stay, want %v", got, c.want)
			}
		})
	}
	policy := all()
	policy.APIKey = nil
	a := mustNew(t, policy, newFolder(t, allFiles(t)), nil)
	h := get("X-Api-Key", "theirs").Header
	if a.Strip(h, MethodJWT); h.Get("X-Api-Key") == "" {
		t.Error("a header was taken out that means nothing here")
	}
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	f := newFolder(t, nil)
	keys, err := NewKeySets(KeySetOptions{Hosts: []string{"issuer.example"}})
	if err != nil {
		t.Fatal(err)
	}
	remote := func(url string) release.Authentication {
		return release.Authentication{JWT: &release.JWTAuth{Issuer: "i", Audience: "a", Keys: url}}
	}
	for _, c := range []struct {
		name        string
		policy      release.Authentication
		credentials *Credentials
		keys        *KeySets
		want        string
	}{
		{"files that are not there are none of it", all(), f.Credentials, nil, ""},
		{"no policy", release.Authentication{}, f.Credentials, keys, "want api-key, jwt or hmac"},
		{"no folder", all(), nil, keys, "no folder of credentials"},
		{"an issuer needs no folder", remote("https://issuer.example/jwks"), nil, keys, ""},
		{"an issuer needs a fetcher", remote("https://issuer.example/jwks"), f.Credentials, nil, "fetches none"},
		{"a host that is not one of ours", remote("https://169.254.169.254/latest"), nil, keys, "the host 169.254.169.254 is not one of those"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.policy, c.credentials, c.keys, nil)
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	a := mustNew(t, all(), newFolder(t, nil), nil)
	for _, reason := range Reasons() {
		r := a.refusals[reason]
		if r == nil || r.Reason != reason || r.Detail == "" || !strings.HasSuffix(r.Detail, ".") {
			t.Errorf("%s: %+v is no answer", reason, r)
			continue
		}
		if (r.Status == http.StatusServiceUnavailable) != (r.Challenge == "") {
			t.Errorf("%s: status %d with the challenge %q", reason, r.Status, r.Challenge)
		}
		if strings.ContainsAny(r.Challenge, "\r\n") || strings.Count(r.Challenge, `"`)%2 != 0 {
			t.Errorf("%s: %q is no challenge", reason, r.Challenge)
		}
	}
	for _, c := range []struct {
		reason    Reason
		status    int
		challenge string
	}{
		{NoCredential, 401, `ApiKey header="X-Api-Key", Bearer, HMAC-SHA256 version="v1"`},
		{BadAPIKey, 401, `ApiKey header="X-Api-Key"`},
		{JWTExpired, 401, `Bearer error="invalid_token", error_description="The token has expired, or does not say when it does."`},
		{JWTClaims, 403, `Bearer error="insufficient_scope", error_description="The token lacks a claim that is wanted here."`},
		{HMACReplay, 401, `HMAC-SHA256 version="v1"`},
		{HMACFull, 503, ""},
		{KeysUnavailable, 503, ""},
	} {
		if r := a.refusals[c.reason]; r.Status != c.status || r.Challenge != c.challenge {
			t.Errorf("%s: got %d %s, want %d %s", c.reason, r.Status, r.Challenge, c.status, c.challenge)
		}
	}
	const want = `Nobody is let in here without a credential: send an API key in the header X-Api-Key, or a token as "Authorization: Bearer", or a signature in X-Signature.`
	if got := a.refusals[NoCredential].Detail; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(details)+1 != len(Reasons()) {
		t.Errorf("%d sentences for %d reasons", len(details), len(Reasons()))
	}
}

func TestToRefuseLeavesTheRequestAlone(t *testing.T) {
	a := mustNew(t, all(), newFolder(t, allFiles(t)), nil)
	s := seal()
	s.secret = otherSecret
	req := s.request()
	header, body := req.Header.Clone(), req.Body
	expect(t, a, req, "hmac-signature")
	if !reflect.DeepEqual(req.Header, header) || req.Body != body {
		t.Error("the request is another")
	}
}
