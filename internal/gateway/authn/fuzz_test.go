package authn

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// FuzzAuthenticate reads the head of a request as a server does, and wants nobody to be let in by what nobody has given
// them, and no refusal to repeat what was sent.
func FuzzAuthenticate(f *testing.F) {
	i := theIssuer()
	folder := newFolder(f, allFiles(f))
	shared := all()
	shared.APIKey.Header = "Authorization"
	shared.JWT.Claims = map[string]string{"scope": "orders"}
	routes := []*Authenticator{mustNew(f, all(), folder, nil), mustNew(f, shared, folder, nil)}
	jwt := token(f, "ES256", i.ec, "ec", good())
	for _, head := range []string{
		"", "X-Api-Key: " + goodKey, "X-Api-Key: x\r\nX-Api-Key: y", "Authorization: Bearer " + jwt, "Authorization: Bearer " + goodKey,
		"Authorization: Bearer ..", "Authorization: Bearer " + raw(`{"alg":"none"}`, "{}", nil), "Authorization: Basic eDp5", "Authorization:",
		"Authorization: Bearer " + raw(`{"alg":"RS256","kid":"rsa","jwk":{"kty":"oct","k":"AA"},"x5c":["AA"]}`, `{"exp":1}`, []byte("x")),
	} {
		f.Add([]byte(head))
	}
	var signed strings.Builder
	if err := seal().request().Header.Write(&signed); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(signed.String()))
	f.Add([]byte("X-Signature: v1=\r\nX-Signature-Key: billing\r\nX-Signature-Timestamp: 1\r\nX-Signature-Nonce: n\r\nX-Content-SHA256: 00"))
	f.Fuzz(func(t *testing.T, head []byte) {
		text := "POST /hooks?id=7 HTTP/1.1\r\nHost: web.example\r\n" + strings.Trim(string(head), "\r\n") + "\r\n\r\n"
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		for _, a := range routes {
			caller, refused := a.Authenticate(req)
			if refused == nil {
				// Who is let in has sent one of the credentials that were made above.
				if !strings.Contains(text, goodKey) && !strings.Contains(text, jwt[:len(jwt)-4]) || caller.Subject == "" {
					t.Errorf("%+v was let in by %q", caller, head)
				}
				continue
			}
			if !slices.Contains(Reasons(), refused.Reason) || caller != (Caller{}) {
				t.Errorf("%+v with %+v", refused, caller)
			}
			if refused != a.refusals[refused.Reason] {
				t.Error("a refusal of its own, which may hold anything")
			}
		}
	})
}

// sayings are what errors about files say of themselves.
var sayings = strings.Join([]string{
	wantAPIKey, wantSecret, wantKeyID, wantClient, errNoKey.Error(), errPrivate.Error(), "credential name", "is no JWK",
	"nothing is in it; want a line for each key, and no file at all to let nobody in", `it is no JWK set; want {"keys": […]} in JSON`,
	"the hash is that of nothing; want that of the key, without the end of its line", "the key is there already; want each once",
	"the key has two secrets already; want the old one and the new one at most", "the secret is there already; want each once",
}, " ")

// FuzzCredentials reads files as each kind, and wants no error to tell what is in them.
func FuzzCredentials(f *testing.F) {
	i := theIssuer()
	for _, text := range []string{
		"", "#\n", "acme " + hashOf(goodKey), "acme sha256:", "acme\tsha256:00 \n\n# x\r\nbeta x", "shop " + secretText + "\nshop " + otherSecret,
		i.set(f), `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`, `{"keys":null}`, `{"keys":[{"d":1}]}`, "\xff\xfe", "a b\x00c",
		`{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""},{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"e"}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for kind, of := range kinds {
			read, err := of.read(text)
			if (err == nil) == (read == nil) || read != nil && read.entries == 0 {
				t.Fatalf("%s: %+v and %v", of.name, read, err)
			}
			if err == nil {
				use(kind, read)
				continue
			}
			told := (&credential{fileKey: fileKey{"name", kind}, fault: err}).wrong().Error()
			for _, word := range strings.Fields(string(text)) {
				// Words that stand in the errors themselves are no secrets.
				if len(word) >= 8 && strings.Contains(told, word) && !strings.Contains(sayings, word) {
					t.Errorf("%s: the error tells %q: %s", of.name, word, told)
				}
			}
		}
	})
}

// use asks for callers with what was read.
func use(kind fileKind, read *content) {
	file := &credential{fileKey: fileKey{"name", kind}}
	file.content.Store(read)
	seen := newMemory(1000, noon)
	switch kind {
	case apiKeyFile:
		(&apiKeyMethod{header: "X-Api-Key", file: file}).verify(get("X-Api-Key", goodKey), noon)
	case secretFile:
		m := &hmacMethod{span: hmacPolicy().HMAC.Span(), file: file, seen: func(string) *memory { return seen }}
		req := seal().request()
		if _, refused := m.verify(req, noon); refused == accepted {
			_, _ = io.ReadAll(req.Body)
		}
	case keySetFile:
		for _, k := range read.keySet.keys {
			for _, algorithm := range []string{"RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
				if !k.fits(algorithm) {
					continue
				}
				p := jwtPolicy(func(p *release.JWTAuth) { p.Algorithms = []string{algorithm} })
				m := newJWTMethod(p.JWT, &fileSource{file})
				m.verify(withToken(raw(`{"alg":"`+algorithm+`","typ":"JWT"}`, "{}", make([]byte, 64))), noon)
			}
		}
	}
}
