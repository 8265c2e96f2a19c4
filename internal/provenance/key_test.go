package provenance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
)

// RFC 8410, section 10.1 and 10.3: the keys as others write them.
const (
	rfcPublic = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`
	rfcPrivate = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
`
)

func TestKeysAreReadAsOthersWriteThem(t *testing.T) {
	private, err := ParsePrivateKey([]byte(rfcPrivate))
	if err != nil {
		t.Fatal(err)
	}
	public, err := PublicKeyOf(private)
	if err != nil {
		t.Fatal(err)
	}
	written, err := public.PEM()
	if err != nil || string(written) != rfcPublic {
		t.Errorf("got %s, %v; want %s", written, err, rfcPublic)
	}
	again, err := EncodePrivateKey(private)
	if err != nil || string(again) != rfcPrivate {
		t.Errorf("the private key was not written as it was read: %v", err)
	}
	block, _ := pem.Decode([]byte(rfcPublic))
	sum := sha256.Sum256(block.Bytes)
	if want := hex.EncodeToString(sum[:]); public.ID != want {
		t.Errorf("the key is called %s, want the SHA-256 of its PKIX form, %s", public.ID, want)
	}
	_, second := key(t, 2)
	more, err := second.PEM()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParsePublicKeys(slices.Concat([]byte("\n"), written, []byte("\n"), more, []byte("\n\n")))
	if err != nil || len(got) != 2 || got[0].ID != public.ID || !bytes.Equal(got[1].Key, second.Key) {
		t.Errorf("got %+v, %v; want both keys", got, err)
	}
}

func TestWhatIsNoKeyIsRefused(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherPublic, err := x509.MarshalPKIXPublicKey(other.Public())
	if err != nil {
		t.Fatal(err)
	}
	otherPrivate, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for data, want := range map[string]string{
		"":                                 "there is none",
		"hello":                            "no -----BEGIN PUBLIC KEY-----",
		"# ours\n" + rfcPublic:             "block 1",
		rfcPublic + "x":                    "block 2",
		rfcPrivate:                         "no -----BEGIN PUBLIC KEY-----",
		block("PUBLIC KEY", []byte("x")):   "block 1",
		block("PUBLIC KEY", otherPublic):   "only Ed25519",
		strings.Repeat(rfcPublic, 101):     "more than 100",
		"-----BEGIN PUBLIC KEY-----\nMCow": "block 1",
	} {
		if _, err := ParsePublicKeys([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", data, err, want)
		}
	}
	for data, want := range map[string]string{
		"":                                 "want one PEM block",
		rfcPublic:                          "want one PEM block",
		rfcPrivate + rfcPrivate:            "nothing else",
		block("PRIVATE KEY", []byte("x")):  "not PKCS #8",
		block("PRIVATE KEY", otherPrivate): "want an Ed25519 key",
	} {
		_, err := ParsePrivateKey([]byte(data))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "MC4C") {
			t.Errorf("%.40q: got %v, want %q", data, err, want)
		}
	}
	if _, err := NewPublicKey(ed25519.PublicKey("short")); err == nil {
		t.Error("a key of five bytes was taken")
	}
	if _, err := PublicKeyOf(ed25519.PrivateKey("short")); err == nil {
		t.Error("a private key of five bytes was taken")
	}
	if _, err := Sign(someStatement(t), ed25519.PrivateKey("short")); err == nil {
		t.Error("something was signed with a key of five bytes")
	}
}
