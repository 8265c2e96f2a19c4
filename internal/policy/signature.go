package policy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	opa "github.com/open-policy-agent/opa/v1/bundle"
)

const (
	// signaturesName is where a bundle has its signature: a JWT over the hashes of its other files.
	signaturesName = ".signatures.json"
	// defaultAlgorithm is what opa sign takes when nothing is said.
	defaultAlgorithm = "RS256"
	// shortestSecret is in bytes: RFC 7518 wants one as long as the hash.
	shortestSecret = 32
	// shortestRSA is in bits, as RFC 7518 wants it.
	shortestRSA = 2048
	// theKey is the only key there is, whatever a signature calls its own.
	theKey = "key"
)

// Signature is how bundles have to be signed, as opa build and opa sign do it.
type Signature struct {
	// Algorithm is HS, RS, PS or ES with 256, 384 or 512; empty is RS256. It is never taken from the bundle.
	Algorithm string
	// Key is the secret of an HS algorithm, of 32 bytes at least, or a public key in PEM. It is never logged.
	Key string
	// Scope is the scope that is signed; empty is none.
	Scope string
}

// String tells no secrets.
func (s Signature) String() string { return "signed with " + s.algorithm() }

// GoString tells no secrets.
func (s Signature) GoString() string { return s.String() }

func (s Signature) algorithm() string {
	if s.Algorithm == "" {
		return defaultAlgorithm
	}
	return s.Algorithm
}

// check says what is wrong with the key, which would otherwise be found with the first bundle.
func (s Signature) check() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("policy server: signature: "+format, args...)
	}
	kind, size, known := strings.Cut(s.algorithm(), "S")
	if !known || !slices.Contains([]string{"H", "R", "P", "E"}, kind) || !slices.Contains([]string{"256", "384", "512"}, size) {
		return wrong("%q is no algorithm: write HS256, RS256, PS256 or ES256, or the same with 384 or 512", s.Algorithm)
	}
	if kind == "H" {
		if len(s.Key) < shortestSecret {
			return wrong("the secret is shorter than %d bytes: whoever guesses it can sign rules", shortestSecret)
		}
		return nil
	}
	block, _ := pem.Decode([]byte(s.Key))
	if block == nil {
		return wrong("the key is no PEM: %s needs a public key", s.algorithm())
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return wrong("the key is a %s: give the public key only", strings.ToLower(block.Type))
	}
	if err != nil {
		return wrong("the key cannot be read: %w", err)
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if kind == "E" {
			return wrong("the key is an RSA key, which %s does not take", s.algorithm())
		}
		if key.N.BitLen() < shortestRSA {
			return wrong("the key has %d bits: %d at least", key.N.BitLen(), shortestRSA)
		}
	case *ecdsa.PublicKey:
		curve := map[string]string{"256": "P-256", "384": "P-384", "512": "P-521"}[size]
		if kind != "E" || key.Curve.Params().Name != curve {
			return wrong("the key is of the curve %s, which %s does not take", key.Curve.Params().Name, s.algorithm())
		}
	default:
		return wrong("the key is neither RSA nor ECDSA")
	}
	return nil
}

// verify says why the files of a bundle are not those that were signed. What OPA hashes, and how, is left to OPA; but the
// bundle does not choose the verifier, as it may with OPA, and weak hashes are refused.
func (s Signature) verify(members []member) error {
	at := slices.IndexFunc(members, func(m member) bool { return m.name == signaturesName })
	if at < 0 {
		return fmt.Errorf("the bundle is not signed: it has no %s, and policy.server.signature wants one", signaturesName)
	}
	var given opa.SignaturesConfig
	if err := json.Unmarshal(members[at].text, &given); err != nil {
		return fmt.Errorf("the bundle's %s cannot be read: %w", signaturesName, err)
	}
	key := &opa.KeyConfig{Key: s.Key, Algorithm: s.algorithm(), Scope: s.Scope}
	signed, err := (&opa.DefaultVerifier{}).VerifyBundleSignature(given, opa.NewVerificationConfig(map[string]*opa.KeyConfig{theKey: key}, theKey, s.Scope, nil))
	if err != nil {
		return fmt.Errorf("the bundle's signature does not hold: %w", err)
	}
	for _, m := range members {
		if m.name == signaturesName {
			continue
		}
		if hash := signed[m.name].Algorithm; slices.Contains([]string{string(opa.MD5), string(opa.SHA1)}, hash) {
			return fmt.Errorf("the bundle's signature does not hold: the hash of %s is %s, which can be forged", m.name, hash)
		}
		if err := opa.VerifyBundleFile(m.name, *bytes.NewBuffer(m.text), signed); err != nil {
			return fmt.Errorf("the bundle's signature does not hold: %w", err)
		}
	}
	if len(signed) > 0 {
		// Each that was found was taken out; a denial that is missing allows.
		return errors.New("the bundle's signature does not hold: it lacks " + strings.Join(slices.Sorted(maps.Keys(signed)), ", "))
	}
	return nil
}
