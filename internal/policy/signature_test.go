package policy_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	opa "github.com/open-policy-agent/opa/v1/bundle"

	"github.com/skyisland/skyisland/internal/policy"
)

const aSecret = "a-secret-of-at-least-thirty-two-bytes"

// sign adds OPA's signature over the files to them.
func sign(t *testing.T, files map[string]string, with *opa.SigningConfig, algorithm opa.HashingAlgorithm) map[string]string {
	t.Helper()
	hasher, err := opa.NewSignatureHasher(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	var infos []opa.FileInfo
	for name, text := range files {
		var value any = []byte(text)
		if opa.IsStructuredDoc(name) {
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				t.Fatal(err)
			}
		}
		sum, err := hasher.HashFile(value)
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, opa.NewFile(strings.TrimPrefix(name, "/"), hex.EncodeToString(sum), string(algorithm)))
	}
	token, err := opa.GenerateSignedToken(infos, with, "any-name")
	if err != nil {
		t.Fatal(err)
	}
	out := maps.Clone(files)
	out["/.signatures.json"] = fmt.Sprintf(`{"signatures": [%q]}`, token)
	return out
}

// signedBy is an engine whose server gives the files and has to sign them.
func signedBy(t *testing.T, files map[string]string, signature policy.Signature) error {
	t.Helper()
	server := &bundleServer{}
	server.set(tarball(t, files))
	return servedBy(t, server, signature)
}

func servedBy(t *testing.T, server *bundleServer, signature policy.Signature) error {
	t.Helper()
	web := httptest.NewServer(server)
	defer web.Close()
	e, err := policy.New(policy.Options{
		Server:  &policy.Server{URL: web.URL, Cache: filepath.Join(t.TempDir(), "b"), Client: web.Client(), Signature: &signature},
		Timeout: time.Minute,
	})
	if err == nil && !admitted(t, e) {
		t.Error("the rules deny")
	}
	return err
}

func TestABundleHasToBeSigned(t *testing.T) {
	key := policy.Signature{Algorithm: "HS256", Key: aSecret}
	with := opa.NewSigningConfig(aSecret, "HS256", "")
	good := func() map[string]string {
		files := builtIn(t, "")
		files["/data.json"], files["/LICENSE"] = `{ }`, "free"
		return files
	}
	signed := func() map[string]string { return sign(t, good(), with, opa.SHA256) }
	for _, c := range []struct {
		name  string
		files func() map[string]string
		says  string
	}{
		{"as it was signed", signed, ""},
		{"another form of its JSON", func() map[string]string {
			files := signed()
			files["/.manifest"], files["/data.json"] = "{\n\"roots\": [\"release\"], \"revision\": \"r1\"}", "{}"
			return files
		}, ""},
		{"no signature", good, "the bundle is not signed"},
		{"an empty signature", func() map[string]string {
			files := good()
			files["/.signatures.json"] = `{}`
			return files
		}, "missing JWT"},
		{"a signature that is no JSON", func() map[string]string {
			files := good()
			files["/.signatures.json"] = `signed`
			return files
		}, ".signatures.json cannot be read"},
		{"another secret", func() map[string]string {
			return sign(t, good(), opa.NewSigningConfig("b"+aSecret, "HS256", ""), opa.SHA256)
		}, "does not hold"},
		{"another algorithm", func() map[string]string {
			return sign(t, good(), opa.NewSigningConfig(aSecret, "HS512", ""), opa.SHA256)
		}, "does not hold"},
		{"no algorithm", func() map[string]string {
			files := signed()
			_, payload, _ := strings.Cut(files["/.signatures.json"], ".")
			payload, _, _ = strings.Cut(payload, ".")
			// {"alg":"none"}
			files["/.signatures.json"] = `{"signatures": ["eyJhbGciOiJub25lIn0.` + payload + `."]}`
			return files
		}, "does not hold"},
		{"a verifier of its own choice", func() map[string]string {
			files := signed()
			files["/.signatures.json"] = strings.Replace(files["/.signatures.json"], "{", `{"plugin": "mine", `, 1)
			return files
		}, ""},
		{"a changed file", func() map[string]string {
			files := signed()
			files["/release/release.rego"] += "\n"
			return files
		}, "release/release.rego: digest mismatch"},
		{"a changed manifest", func() map[string]string {
			files := signed()
			files["/.manifest"] = `{"revision": "r2", "roots": ["release"]}`
			return files
		}, ".manifest: digest mismatch"},
		{"a file less", func() map[string]string {
			files := signed()
			delete(files, "/release/freeze/freeze.rego")
			return files
		}, "it lacks release/freeze/freeze.rego"},
		{"a file more", func() map[string]string {
			files := signed()
			files["/more.rego"] = "package release.more\n"
			return files
		}, "more.rego not included in bundle signature"},
		{"a file that nobody reads more", func() map[string]string {
			files := signed()
			files["/more.txt"] = "more"
			return files
		}, "more.txt not included in bundle signature"},
		{"a file of another name", func() map[string]string {
			files := signed()
			files["/x/../release/release.rego"] = files["/release/release.rego"]
			return files
		}, "release/release.rego twice"},
		{"hashes that can be forged", func() map[string]string { return sign(t, good(), with, opa.SHA1) }, "which can be forged"},
		{"the first bad thing is the signature", func() map[string]string {
			files := signed()
			files["/data.json"] = `{"freeze_windows": []}`
			return files
		}, "data.json: digest mismatch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := signedBy(t, c.files(), key)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if err != nil && strings.Contains(err.Error(), aSecret) {
				t.Errorf("the secret is told: %v", err)
			}
		})
	}
}

// written is a bundle as OPA's own writer signs and packs it.
func written(t *testing.T, with *opa.SigningConfig) *bundleServer {
	t.Helper()
	b := opa.Bundle{Manifest: opa.Manifest{Revision: "r1"}, Data: map[string]any{}}
	for name, text := range builtIn(t, "") {
		if strings.HasSuffix(name, ".rego") {
			b.Modules = append(b.Modules, opa.ModuleFile{URL: name, Path: name, Raw: []byte(text), Parsed: ast.MustParseModule(text)})
		}
	}
	if err := b.GenerateSignature(with, "", false); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := opa.NewWriter(&out).DisableFormat(true).Write(b); err != nil {
		t.Fatal(err)
	}
	server := &bundleServer{}
	server.set(out.Bytes())
	return server
}

func TestOPAsOwnBundlesAreTakenWithEachKindOfKey(t *testing.T) {
	one, two := rsaKey(t, 2048), rsaKey(t, 2048)
	curve, other := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	for name, c := range map[string]struct {
		with   *opa.SigningConfig
		key    policy.Signature
		denied bool
	}{
		"HS256":                  {opa.NewSigningConfig(aSecret, "HS256", ""), policy.Signature{Algorithm: "HS256", Key: aSecret}, false},
		"RS256, unsaid":          {opa.NewSigningConfig(one.private, "RS256", ""), policy.Signature{Key: one.public}, false},
		"ES256":                  {opa.NewSigningConfig(curve.private, "ES256", ""), policy.Signature{Algorithm: "ES256", Key: curve.public}, false},
		"RS256 of another":       {opa.NewSigningConfig(two.private, "RS256", ""), policy.Signature{Key: one.public}, true},
		"ES256 of another":       {opa.NewSigningConfig(other.private, "ES256", ""), policy.Signature{Algorithm: "ES256", Key: curve.public}, true},
		"the public key as HMAC": {opa.NewSigningConfig(one.public, "HS256", ""), policy.Signature{Key: one.public}, true},
		"a scope that is wanted": {opa.NewSigningConfig(one.private, "RS256", ""), policy.Signature{Key: one.public, Scope: "write"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := servedBy(t, written(t, c.with), c.key); (err != nil) != c.denied {
				t.Errorf("got %v, want denied %t", err, c.denied)
			}
		})
	}
}

type keyPair struct{ private, public string }

func keysOf(t *testing.T, private, public any) keyPair {
	t.Helper()
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	open, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return keyPair{text("PRIVATE KEY", secret), text("PUBLIC KEY", open)}
}

func rsaKey(t *testing.T, bits int) keyPair {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return keysOf(t, key, &key.PublicKey)
}

func ecKey(t *testing.T, curve elliptic.Curve) keyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keysOf(t, key, &key.PublicKey)
}

func TestAKeyThatCannotBeTrustedIsRefused(t *testing.T) {
	rsaPair, curve := rsaKey(t, 2048), ecKey(t, elliptic.P384())
	for name, c := range map[string]struct {
		key  policy.Signature
		says string
	}{
		"nothing":                {policy.Signature{}, "no PEM"},
		"no algorithm":           {policy.Signature{Algorithm: "none", Key: aSecret}, `"none" is no algorithm`},
		"another algorithm":      {policy.Signature{Algorithm: "HS1", Key: aSecret}, `"HS1" is no algorithm`},
		"a short secret":         {policy.Signature{Algorithm: "HS256", Key: "short"}, "shorter than 32 bytes"},
		"a private key":          {policy.Signature{Key: rsaPair.private}, "give the public key only"},
		"a short key":            {policy.Signature{Key: rsaKey(t, 1024).public}, "1024 bits"},
		"an RSA key for a curve": {policy.Signature{Algorithm: "ES256", Key: rsaPair.public}, "RSA key, which ES256 does not take"},
		"another curve":          {policy.Signature{Algorithm: "ES256", Key: curve.public}, "curve P-384, which ES256 does not take"},
		"a curve for RSA":        {policy.Signature{Key: curve.public}, "which RS256 does not take"},
	} {
		t.Run(name, func(t *testing.T) {
			err := signedBy(t, builtIn(t, ""), c.key)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if text := fmt.Sprintf("%v %+v %#v", c.key, c.key, c.key); c.key.Key != "" && strings.Contains(text, c.key.Key) {
				t.Errorf("the key is told: %s", text)
			}
		})
	}
}

func TestAKeptBundleHasToBeSignedToo(t *testing.T) {
	server := &bundleServer{}
	server.set(tarball(t, builtIn(t, "")))
	web := httptest.NewServer(server)
	defer web.Close()
	options := policy.Options{Server: &policy.Server{URL: web.URL, Cache: filepath.Join(t.TempDir(), "b"), Client: web.Client()}, Timeout: time.Minute}
	if _, err := policy.New(options); err != nil {
		t.Fatal(err)
	}
	server.status.Store(502)
	options.Server.Signature = &policy.Signature{Algorithm: "HS256", Key: aSecret}
	if _, err := policy.New(options); err == nil || !strings.Contains(err.Error(), "is not signed") {
		t.Errorf("got %v, want that the kept bundle is not signed", err)
	}
}
