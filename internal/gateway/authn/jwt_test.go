package authn

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/skyisland/skyisland/internal/release"
)

func jwtPolicy(edits ...func(*release.JWTAuth)) release.Authentication {
	p := &release.JWTAuth{Issuer: "https://issuer.example", Audience: "web", Keys: "issuer"}
	for _, edit := range edits {
		edit(p)
	}
	return release.Authentication{JWT: p}
}

// raw is a token of parts that no library would write.
func raw(head, claims string, signature []byte) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(head)) + "." + e([]byte(claims)) + "." + e(signature)
}

func TestJWTAlgorithms(t *testing.T) {
	i := theIssuer()
	text, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	claims := string(text)
	// The classic: what everybody knows, the public key, as the secret of a symmetric signature.
	der, err := x509.MarshalPKIXPublicKey(i.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	symmetric := func(algorithm jose.SignatureAlgorithm, key []byte) string {
		return token(t, algorithm, key, "rsa", good())
	}
	ownKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	embedded := func() string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: "RS256", Key: jose.JSONWebKey{Key: ownKey, KeyID: "rsa"}}, &jose.SignerOptions{EmbedJWK: true})
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign([]byte(claims))
		if err != nil {
			t.Fatal(err)
		}
		out, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	es256 := token(t, "ES256", i.ec, "ec", good())
	parts := strings.Split(es256, ".")
	cut := func(s string) string { return s[:len(s)-4] + "AAAA" }
	for _, c := range []struct {
		name       string
		algorithms []string
		token      string
		want       string
	}{
		{"RS256", nil, token(t, "RS256", i.rsa, "rsa", good()), "jwt olga"},
		{"ES256", nil, es256, "jwt olga"},
		{"EdDSA", nil, token(t, "EdDSA", i.ed, "ed", good()), "jwt olga"},
		{"PS512 where it is wanted", []string{"PS512"}, token(t, "PS512", i.rsa, "rsa", good()), "jwt olga"},
		{"ES384 where it is wanted", []string{"ES384"}, token(t, "ES384", i.ec384, "ec384", good()), "jwt olga"},
		{"PS256 where it is not", nil, token(t, "PS256", i.rsa, "rsa", good()), "jwt-algorithm"},
		{"RS256 where it is not", []string{"ES256"}, token(t, "RS256", i.rsa, "rsa", good()), "jwt-algorithm"},
		{"none", nil, raw(`{"alg":"none","kid":"rsa"}`, claims, nil), "jwt-algorithm"},
		{"None", nil, raw(`{"alg":"None","kid":"rsa"}`, claims, nil), "jwt-algorithm"},
		{"none with a signature", nil, raw(`{"alg":"none","kid":"rsa"}`, claims, []byte("x")), "jwt-algorithm"},
		{"no algorithm", nil, raw(`{"kid":"rsa"}`, claims, []byte("x")), "jwt-algorithm"},
		{"two algorithms", nil, raw(`{"alg":"RS256","alg":"HS256","kid":"rsa"}`, claims, []byte("x")), "jwt-malformed"},
		{"HS256 with the public key in PEM", nil, symmetric("HS256", public), "jwt-algorithm"},
		{"HS256 with the public key in DER", nil, symmetric("HS256", der), "jwt-algorithm"},
		{"HS512 with the modulus", nil, symmetric("HS512", i.rsa.N.Bytes()), "jwt-algorithm"},
		{"the key of the token itself", nil, embedded(), "jwt-signature"},
		{"a signature by another key", nil, token(t, "RS256", ownKey, "rsa", good()), "jwt-signature"},
		{"the ID of a key that nobody has", nil, token(t, "RS256", i.rsa, "lost", good()), "jwt-key"},
		{"the ID of a key of another kind", nil, token(t, "RS256", i.rsa, "ec", good()), "jwt-key"},
		{"a key of another kind, by the algorithm", nil, raw(`{"alg":"ES256","kid":"rsa"}`, claims, make([]byte, 64)), "jwt-key"},
		{"a key on another curve", []string{"ES256", "ES384"}, raw(`{"alg":"ES256","kid":"ec384"}`, claims, make([]byte, 64)), "jwt-key"},
		{"a signature of zeros", nil, raw(`{"alg":"ES256","kid":"ec"}`, claims, make([]byte, 64)), "jwt-signature"},
		{"a signature that is too short", nil, raw(`{"alg":"ES256","kid":"ec"}`, claims, make([]byte, 63)), "jwt-signature"},
		{"no signature", nil, parts[0] + "." + parts[1] + ".", "jwt-signature"},
		{"another signature", nil, cut(es256), "jwt-signature"},
		{"the claims of another", nil, parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(claims, "olga", "root", 1))) + "." + parts[2], "jwt-signature"},
		{"the head of another", nil, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"ec","x":1}`)) + "." + parts[1] + "." + parts[2], "jwt-signature"},
		{"without an ID the only key that fits", nil, token(t, "RS256", i.rsa, "", good()), "jwt olga"},
		{"something critical that nobody knows", nil, token(t, "ES256", i.ec, "ec", good(), func(o *jose.SignerOptions) {
			o.WithCritical("urn:x").WithHeader("urn:x", 1)
		}), "jwt-malformed"},
		{"JSON instead of the compact form", nil, `{"payload":"e30","protected":"e30","signature":"eA"}`, "jwt-malformed"},
		{"two parts", nil, parts[0] + "." + parts[1], "jwt-malformed"},
		{"five parts", nil, es256 + ".x.y", "jwt-malformed"},
		{"nothing", nil, "", "jwt-malformed"},
		{"dots", nil, "..", "jwt-algorithm"},
		{"padding", nil, parts[0] + "=." + parts[1] + "." + parts[2], "jwt-malformed"},
		{"more than 8 KiB", nil, token(t, "ES256", i.ec, "ec", with("x", strings.Repeat("x", 8<<10))), "jwt-malformed"},
		{"almost 8 KiB", nil, token(t, "ES256", i.ec, "ec", with("x", strings.Repeat("x", 5<<10))), "jwt olga"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"issuer": i.set(t)})
			a := mustNew(t, jwtPolicy(func(p *release.JWTAuth) { p.Algorithms = c.algorithms }), f, nil)
			expect(t, a, withToken(c.token), c.want)
		})
	}
}

func TestJWTClaims(t *testing.T) {
	i := theIssuer()
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	for _, c := range []struct {
		name   string
		claims any
		edit   func(*release.JWTAuth)
		want   string
	}{
		{"good ones", good(), nil, "jwt olga"},
		{"no start and no time of issue", with("nbf", nil, "iat", nil), nil, "jwt olga"},
		{"one of several audiences", with("aud", []string{"other", "web"}), nil, "jwt olga"},
		{"ended within the leeway", with("exp", at(-30*time.Second)), nil, "jwt olga"},
		{"begins within the leeway", with("nbf", at(30*time.Second)), nil, "jwt olga"},
		{"a fraction of a second", with("exp", float64(at(time.Minute))+0.5), nil, "jwt olga"},

		{"ended", with("exp", at(-31*time.Second)), nil, "jwt-expired"},
		{"ended, with a longer leeway", with("exp", at(-31*time.Second)), func(p *release.JWTAuth) { p.Leeway = release.Duration(time.Minute) }, "jwt olga"},
		{"no end", with("exp", nil), nil, "jwt-expired"},
		{"null for an end", `{"iss":"https://issuer.example","aud":"web","sub":"olga","exp":null}`, nil, "jwt-expired"},
		{"an end in words", with("exp", "tomorrow"), nil, "jwt-malformed"},
		{"an end beyond all", with("exp", 1e300), nil, "jwt-malformed"},
		{"a start that wraps around", with("nbf", 9.3e18), nil, "jwt-malformed"},
		{"an end before time", with("exp", -1), nil, "jwt-malformed"},
		{"begins later", with("nbf", at(31*time.Second)), nil, "jwt-not-yet-valid"},
		{"issued later", with("iat", at(31*time.Second)), nil, "jwt-not-yet-valid"},
		{"another issuer", with("iss", "https://issuer.example/"), nil, "jwt-issuer"},
		{"no issuer", with("iss", nil), nil, "jwt-issuer"},
		{"another audience", with("aud", "webshop"), nil, "jwt-audience"},
		{"no audience", with("aud", nil), nil, "jwt-audience"},
		{"an empty list of audiences", with("aud", []string{}), nil, "jwt-audience"},
		{"an audience that is a number", with("aud", 1), nil, "jwt-malformed"},
		{"two ends", `{"iss":"https://issuer.example","aud":"web","sub":"olga","exp":1,"exp":99999999999}`, nil, "jwt-malformed"},
		{"an end in capitals", `{"iss":"https://issuer.example","aud":"web","sub":"olga","EXP":99999999999}`, nil, "jwt-expired"},
		{"no object", `"olga"`, nil, "jwt-malformed"},
		{"null", `null`, nil, "jwt-expired"},

		{"no subject", with("sub", nil), nil, "jwt-subject"},
		{"an empty subject", with("sub", ""), nil, "jwt-subject"},
		{"a subject that is a number", with("sub", 7), nil, "jwt-malformed"},
		{"a subject that would end a line", with("sub", "olga\nroot"), nil, "jwt-subject"},
		{"a subject that begins with a space", with("sub", " olga"), nil, "jwt-subject"},
		{"a long subject", with("sub", strings.Repeat("o", 257)), nil, "jwt-subject"},
		{"a subject of another script", with("sub", "Ольга|7"), nil, "jwt Ольга|7"},
		{"a subject in another claim", with("client_id", "shop"), func(p *release.JWTAuth) { p.Subject = "client_id" }, "jwt shop"},
		{"a number in another claim is no subject", with("client_id", 7), func(p *release.JWTAuth) { p.Subject = "client_id" }, "jwt-subject"},

		{"a claim that is wanted", with("tenant", "acme"), wants("tenant", "acme"), "jwt olga"},
		{"a claim that is lacking", good(), wants("tenant", "acme"), "jwt-claims"},
		{"null for a claim", with("tenant", any(nil), "x", 1), wants("tenant", "null"), "jwt-claims"},
		{"another value", with("tenant", "acme2"), wants("tenant", "acme"), "jwt-claims"},
		{"a list that has it", with("groups", []any{"a", "admins"}), wants("groups", "admins"), "jwt olga"},
		{"a list that has it not", with("groups", []any{"a", "b"}), wants("groups", "admins"), "jwt-claims"},
		{"a list in a list", with("groups", []any{[]string{"admins"}}), wants("groups", "admins"), "jwt-claims"},
		{"a scope among others", with("scope", "orders:read orders:write"), wants("scope", "orders:write"), "jwt olga"},
		{"the beginning of a scope", with("scope", "orders:writeall"), wants("scope", "orders:write"), "jwt-claims"},
		{"words of what is no scope", with("tenant", "acme other"), wants("tenant", "acme"), "jwt-claims"},
		{"yes", with("email_verified", true), wants("email_verified", "true"), "jwt olga"},
		{"no", with("email_verified", false), wants("email_verified", "true"), "jwt-claims"},
		{"a number", with("tenant", 42), wants("tenant", "42"), "jwt olga"},
		{"another number", with("tenant", 421), wants("tenant", "42"), "jwt-claims"},
		{"an object", with("tenant", map[string]any{}), wants("tenant", "{}"), "jwt-claims"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"issuer": i.set(t)})
			policy := jwtPolicy()
			if c.edit != nil {
				c.edit(policy.JWT)
			}
			expect(t, mustNew(t, policy, f, nil), withToken(token(t, "ES256", i.ec, "ec", c.claims)), c.want)
		})
	}
}

func wants(name, value string) func(*release.JWTAuth) {
	return func(p *release.JWTAuth) { p.Claims = map[string]string{name: value} }
}

func TestJWTTypes(t *testing.T) {
	i := theIssuer()
	a := mustNew(t, jwtPolicy(), newFolder(t, map[string]string{"issuer": i.set(t)}), nil)
	for kind, want := range map[string]string{
		"JWT": "jwt olga", "jwt": "jwt olga", "at+jwt": "jwt olga", "application/at+JWT": "jwt olga",
		"logout+jwt": "jwt-malformed", "dpop+jwt": "jwt-malformed", "": "jwt-malformed",
	} {
		expect(t, a, withToken(token(t, "ES256", i.ec, "ec", good(), typed(kind))), want)
	}
}

func TestTheSetSaysWhatItsKeysAreFor(t *testing.T) {
	i := theIssuer()
	ec := func(edit func(map[string]any)) string {
		key, err := jose.JSONWebKey{Key: i.ec.Public(), KeyID: "ec"}.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(key, &fields); err != nil {
			t.Fatal(err)
		}
		edit(fields)
		out, err := json.Marshal(map[string]any{"keys": []any{map[string]any{"kty": "unheard-of"}, fields}})
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	text := token(t, "ES256", i.ec, "ec", good())
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), mostBits, 1), E: 65537}
	private, err := jose.JSONWebKey{Key: i.ec, KeyID: "ec"}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, set, want, fault string }{
		{"for signatures", ec(func(k map[string]any) { k["use"] = "sig" }), "jwt olga", ""},
		{"to verify", ec(func(k map[string]any) { k["key_ops"] = []string{"verify"} }), "jwt olga", ""},
		{"for its algorithm", ec(func(k map[string]any) { k["alg"] = "ES256" }), "jwt olga", ""},
		{"for encryption", ec(func(k map[string]any) { k["use"] = "enc" }), "keys-unavailable", "no key of it can be used"},
		{"to sign", ec(func(k map[string]any) { k["key_ops"] = []string{"sign"} }), "keys-unavailable", "no key of it can be used"},
		{"for another algorithm", ec(func(k map[string]any) { k["alg"] = "ECDH-ES" }), "jwt-key", ""},
		{"a point that is not on the curve", ec(func(k map[string]any) { k["x"] = k["y"] }), "keys-unavailable", "no key of it can be used"},
		{"small keys", jwks(t, map[string]crypto.PublicKey{"ec": small.Public()}), "keys-unavailable", "no key of it can be used"},
		{"keys that take too long", jwks(t, map[string]crypto.PublicKey{"ec": huge}), "keys-unavailable", "no key of it can be used"},
		{"symmetric keys", `{"keys":[{"kty":"oct","kid":"ec","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`, "keys-unavailable", "no key of it can be used"},
		{"a private key", `{"keys":[` + string(private) + `]}`, "keys-unavailable", "keys[0] is private"},
		{"no keys", `{"keys":[]}`, "keys-unavailable", "no key of it can be used"},
		{"no set", `{}`, "keys-unavailable", "it is no JWK set"},
		{"a key that is none", `{"keys":["ec"]}`, "keys-unavailable", "keys[0] is no JWK"},
		{"no JSON", "{\n\"keys\": [\n!", "keys-unavailable", "credential issuer:3: it is no JWK set"},
		{"too many keys", `{"keys":[` + strings.Repeat("{},", 100) + `{}]}`, "keys-unavailable", "more than 100 keys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"issuer": c.set})
			expect(t, mustNew(t, jwtPolicy(), f, nil), withToken(text), c.want)
			a := mustNew(t, jwtPolicy(), f, nil)
			err := f.Refresh(t.Context())
			if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
				t.Errorf("got %v, want %q", err, c.fault)
			}
			expect(t, a, withToken(text), c.want)
		})
	}
}

func TestATokenWithoutAnIDHasToBeOfTheOnlyKey(t *testing.T) {
	one, two := newKey(t), newKey(t)
	f := newFolder(t, map[string]string{"issuer": jwks(t, map[string]crypto.PublicKey{"one": one.Public(), "two": two.Public(), "ed": theIssuer().ed.Public()})})
	a := mustNew(t, jwtPolicy(), f, nil)
	expect(t, a, withToken(token(t, "ES256", one, "", good())), "jwt-key")
	expect(t, a, withToken(token(t, "ES256", two, "", good())), "jwt-key")
	expect(t, a, withToken(token(t, "EdDSA", theIssuer().ed, "", good())), "jwt olga")
}

func TestATokenComesAlone(t *testing.T) {
	i := theIssuer()
	a := mustNew(t, jwtPolicy(), newFolder(t, map[string]string{"issuer": i.set(t)}), nil)
	text := token(t, "ES256", i.ec, "ec", good())
	for _, c := range []struct {
		name string
		req  *http.Request
		want string
	}{
		{"twice", get("Authorization", "Bearer "+text, "Authorization", "Bearer "+text), "jwt-malformed"},
		{"with a scheme in another case", get("Authorization", "BEARER "+text), "jwt olga"},
		{"with another scheme", get("Authorization", "DPoP "+text), "no-credential"},
		{"without a scheme", get("Authorization", text), "no-credential"},
		{"with something behind it", get("Authorization", "Bearer "+text+", Bearer x"), "jwt-malformed"},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, a, c.req, c.want) })
	}
}
