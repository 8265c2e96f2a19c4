package authn

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/skyisland/skyisland/internal/release"
)

// noon is when most tests happen.
var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// clock is a time that a test moves.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(noon.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// folder is a folder of credentials in a test.
type folder struct {
	*Credentials
	dir  string
	time *clock
	log  *journal
	// writes gives every version of a file a time of its own.
	writes int
}

// journal is a log that goroutines may write to.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func newFolder(t testing.TB, files map[string]string, edits ...func(*CredentialOptions)) *folder {
	t.Helper()
	f := &folder{dir: t.TempDir(), time: newClock(), log: &journal{}}
	for name, text := range files {
		f.write(t, name, text)
	}
	o := CredentialOptions{Dir: f.dir, Now: f.time.now, Log: slog.New(slog.NewTextHandler(f.log, nil))}
	for _, edit := range edits {
		edit(&o)
	}
	c, err := OpenCredentials(o)
	if err != nil {
		t.Fatal(err)
	}
	f.Credentials = c
	return f
}

// write writes a file that nobody could take for the one before.
func (f *folder) write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.writes++
	at := noon.Add(time.Duration(f.writes) * time.Second)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// looks looks at the files as often as it takes for a change to count.
func (f *folder) looks(t testing.TB) error {
	t.Helper()
	_ = f.Refresh(t.Context())
	return f.Refresh(t.Context())
}

func mustNew(t testing.TB, policy release.Authentication, f *folder, keys *KeySets) *Authenticator {
	t.Helper()
	a, err := New(policy, f.Credentials, keys, f.time.now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// get is a request without a body.
func get(headers ...string) *http.Request {
	req := httptest.NewRequest(http.MethodGet, "http://web.example/orders?page=2", http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return req
}

// expect asks, and compares the caller or the reason.
func expect(t *testing.T, a *Authenticator, req *http.Request, want string) {
	t.Helper()
	if got := ask(a, req); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// ask says "method subject" of a caller, and the reason of a refusal.
func ask(a *Authenticator, req *http.Request) string {
	caller, refused := a.Authenticate(req)
	if refused != nil {
		return string(refused.Reason)
	}
	return caller.Method + " " + caller.Subject
}

const (
	goodKey     = "k-3f9a1d7e5b2c4f60"
	otherKey    = "k-77aa0d7e5b2c4f61"
	secretText  = "whsec-4b1f0a9d2c7e6358a1b2c3d4e5f60718"
	otherSecret = "whsec-aaaabbbbccccddddeeeeffff00001111"
)

// sealed is a signed request; edit changes what was signed before it is sent.
type sealed struct {
	method, url, body      string
	key, secret, nonce     string
	at                     time.Time
	contentHash, timestamp string // instead of what follows from body and at
	edit                   func(*http.Request)
}

func seal() sealed {
	return sealed{method: http.MethodPost, url: "http://web.example/hooks?id=7", body: `{"paid":true}`, key: "billing", secret: secretText, nonce: "n-1", at: noon}
}

// request is as a server reads it.
func (s sealed) request() *http.Request {
	var req *http.Request
	if s.body == "" {
		req = httptest.NewRequest(s.method, s.url, http.NoBody)
	} else {
		req = httptest.NewRequest(s.method, s.url, strings.NewReader(s.body))
	}
	if s.timestamp == "" {
		s.timestamp = strconv.FormatInt(s.at.Unix(), 10)
	}
	if s.contentHash == "" {
		sum := sha256.Sum256([]byte(s.body))
		s.contentHash = hex.EncodeToString(sum[:])
	}
	// Written out, so that a change of the code is no change of the test.
	_, path, _ := strings.Cut(strings.TrimPrefix(s.url, "http://"), "/")
	text := "v1\n" + s.timestamp + "\n" + s.nonce + "\n" + s.method + "\n" + strings.ToLower(req.Host) + "\n/" + path + "\n" + s.contentHash
	mac := hmac.New(sha256.New, []byte(s.secret))
	mac.Write([]byte(text))
	for name, value := range map[string]string{
		"X-Signature": "v1=" + hex.EncodeToString(mac.Sum(nil)), "X-Signature-Key": s.key,
		"X-Signature-Timestamp": s.timestamp, "X-Signature-Nonce": s.nonce, "X-Content-SHA256": s.contentHash,
	} {
		req.Header.Set(name, value)
	}
	if s.edit != nil {
		s.edit(req)
	}
	return req
}

// issuer signs tokens, with a key of each kind.
type issuer struct {
	rsa   *rsa.PrivateKey
	ec    *ecdsa.PrivateKey
	ec384 *ecdsa.PrivateKey
	ed    ed25519.PrivateKey
}

// theIssuer is made once, because RSA keys take long.
var theIssuer = sync.OnceValue(func() issuer {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var i issuer
	var err error
	i.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	i.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	i.ec384, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	_, i.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	return i
})

// jwks writes public keys, by their IDs, as a set.
func jwks(t testing.TB, keys map[string]crypto.PublicKey) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for id, key := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key, KeyID: id})
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (i issuer) set(t testing.TB) string {
	return jwks(t, map[string]crypto.PublicKey{"rsa": i.rsa.Public(), "ec": i.ec.Public(), "ec384": i.ec384.Public(), "ed": i.ed.Public()})
}

func good() map[string]any {
	return map[string]any{
		"iss": "https://issuer.example", "aud": "web", "sub": "olga",
		"exp": noon.Add(time.Hour).Unix(), "nbf": noon.Add(-time.Minute).Unix(), "iat": noon.Add(-time.Minute).Unix(),
	}
}

// with is good with other values; nil takes one away.
func with(pairs ...any) map[string]any {
	claims := good()
	for i := 0; i < len(pairs); i += 2 {
		name := fmt.Sprint(pairs[i])
		if claims[name] = pairs[i+1]; pairs[i+1] == nil {
			delete(claims, name)
		}
	}
	return claims
}

// token signs claims.
func token(t testing.TB, algorithm jose.SignatureAlgorithm, key any, id string, claims any, head ...func(*jose.SignerOptions)) string {
	t.Helper()
	o := &jose.SignerOptions{}
	for _, edit := range head {
		edit(o)
	}
	if id != "" {
		o.WithHeader("kid", id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	payload, isText := claims.(string)
	if !isText {
		encoded, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		payload = string(encoded)
	}
	signed, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func typed(kind string) func(*jose.SignerOptions) {
	return func(o *jose.SignerOptions) { o.WithHeader("typ", kind) }
}

func withToken(text string) *http.Request { return get("Authorization", "Bearer "+text) }

// running runs something beside the test.
func running(t testing.TB, run func(context.Context) error) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
