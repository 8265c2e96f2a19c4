package authn

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/skyisland/skyisland/internal/release"
)

// BenchmarkAuthenticate measures what each way to know a caller adds to a request, and what it takes to refuse one.
func BenchmarkAuthenticate(b *testing.B) {
	i := theIssuer()
	var keys strings.Builder
	for n := range 5_000 {
		fmt.Fprintf(&keys, "client-%d %s\n", n, hashOf(fmt.Sprint("key-", n)))
	}
	f := newFolder(b, map[string]string{
		"partners": keys.String() + "acme " + hashOf(goodKey), "webhooks": "billing " + secretText, "issuer": i.set(b),
	}, func(o *CredentialOptions) { o.Nonces = 1 << 30 })
	key, jwt, hmac := keyPolicy(), jwtPolicy(), hmacPolicy()
	tokenOf := func(algorithm jose.SignatureAlgorithm, key any, id string) *http.Request {
		return withToken(token(b, algorithm, key, id, good()))
	}
	nobody := seal()
	nobody.key = "nobody"
	for _, c := range []struct {
		name   string
		policy release.Authentication
		req    *http.Request
		want   string
	}{
		{"api-key", key, get("X-Partner-Key", goodKey), "api-key acme"},
		{"api-key/bad", key, get("X-Partner-Key", otherKey), "bad-api-key"},
		{"none", key, get(), "no-credential"},
		{"jwt/RS256", jwt, tokenOf("RS256", i.rsa, "rsa"), "jwt olga"},
		{"jwt/ES256", jwt, tokenOf("ES256", i.ec, "ec"), "jwt olga"},
		{"jwt/EdDSA", jwt, tokenOf("EdDSA", i.ed, "ed"), "jwt olga"},
		{"hmac/bad", hmac, nobody.request(), "hmac-signature"},
	} {
		b.Run(c.name, func(b *testing.B) {
			a := mustNew(b, c.policy, f, nil)
			if got := ask(a, c.req); got != c.want {
				b.Fatalf("got %q, want %q", got, c.want)
			}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = a.Authenticate(c.req)
			}
		})
	}
	b.Run("hmac", func(b *testing.B) {
		a := mustNew(b, hmac, f, nil)
		const ahead = 4096
		reqs, n := make([]*http.Request, ahead), 0
		b.ReportAllocs()
		for b.Loop() {
			if n%ahead == 0 {
				b.StopTimer()
				for at := range reqs {
					s := seal()
					s.body, s.nonce = "", fmt.Sprint("n-", n+at)
					reqs[at] = s.request()
				}
				b.StartTimer()
			}
			if _, refused := a.Authenticate(reqs[n%ahead]); refused != nil {
				b.Fatal(refused)
			}
			n++
		}
	})
	b.Run("api-key/parallel", func(b *testing.B) {
		a := mustNew(b, key, f, nil)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			req := get("X-Partner-Key", goodKey)
			for pb.Next() {
				_, _ = a.Authenticate(req)
			}
		})
	})
}

func TestAnAPIKeyTakesNoMemory(t *testing.T) {
	a := mustNew(t, all(), newFolder(t, allFiles(t)), nil)
	for name, req := range map[string]*http.Request{"good": get("X-Api-Key", goodKey), "bad": get("X-Api-Key", otherKey), "none": get()} {
		if n := testing.AllocsPerRun(100, func() { _, _ = a.Authenticate(req) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
