package authn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of a JWK set. A key of more bits than mostBits takes a gateway longer to use than a caller to send a token.
const (
	maxKeys   = 100
	leastBits = 2048
	mostBits  = 8192
)

// keySet are the public keys of an issuer. It never changes.
type keySet struct{ keys []publicKey }

type publicKey struct {
	id string
	// algorithm is the only one the key is for; empty is every one that fits it.
	algorithm string
	key       any
}

// errNoKey is a set without a key that could sign a token.
var errNoKey = errors.New("no key of it can be used; want public keys of RSA from 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519")

// readKeySet reads a JWK set. Keys that cannot check the signature of a token are left out, as RFC 7517 has it; a set that
// tells a private key is refused, because whoever could read it can make tokens.
func readKeySet(text []byte) (*keySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, jsonFault(text, err)
	}
	if raw.Keys == nil {
		return nil, &fault{text: `it is no JWK set; want {"keys": […]}`}
	}
	if len(raw.Keys) > maxKeys {
		return nil, &fault{text: fmt.Sprintf("more than %d keys", maxKeys)}
	}
	set := &keySet{}
	for i, one := range raw.Keys {
		key, err := readKey(one)
		if err != nil {
			return nil, &fault{text: fmt.Sprintf("keys[%d] %s", i, err)}
		}
		if key != nil {
			set.keys = append(set.keys, *key)
		}
	}
	if len(set.keys) == 0 {
		return nil, &fault{text: errNoKey.Error()}
	}
	return set, nil
}

// jsonFault is where a text stops being JSON.
func jsonFault(text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	at := int64(0)
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	}
	line := 1 + bytes.Count(text[:min(at, int64(len(text)))], []byte{'\n'})
	return &fault{line: line, text: `it is no JWK set; want {"keys": […]} in JSON`}
}

var errPrivate = errors.New("is private; want the public key alone, and another pair, because this one was told")

// readKey reads one key; nil for one that cannot check a signature.
func readKey(text json.RawMessage) (*publicKey, error) {
	var also struct {
		Use        string   `json:"use"`
		Operations []string `json:"key_ops"`
		Private    any      `json:"d"`
	}
	if err := json.Unmarshal(text, &also); err != nil {
		return nil, errors.New("is no JWK")
	}
	if also.Private != nil {
		return nil, errPrivate
	}
	if also.Use != "" && also.Use != "sig" || also.Operations != nil && !slices.Contains(also.Operations, "verify") {
		return nil, nil
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(text); err != nil || !key.Valid() {
		// It may be of a kind that nobody knew when this was written.
		return nil, nil //nolint:nilerr // an unknown key is no fault of the set
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < leastBits || bits > mostBits {
			return nil, nil
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default: // symmetric, above all
		return nil, nil
	}
	return &publicKey{id: key.KeyID, algorithm: key.Algorithm, key: key.Key}, nil
}

// fits says whether a key can have made a signature. A token names the algorithm, and its sender chose it: the key decides
// which ones make sense.
func (k *publicKey) fits(algorithm string) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return algorithm == "ES256" && key.Curve == elliptic.P256() ||
			algorithm == "ES384" && key.Curve == elliptic.P384() ||
			algorithm == "ES512" && key.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	default:
		return false
	}
}

// find is the key of a token: the one with its ID, and without an ID the only one that fits.
func (s *keySet) find(id, algorithm string) (key any, ok bool) {
	found := 0
	for i := range s.keys {
		k := &s.keys[i]
		if id != "" && k.id != id || !k.fits(algorithm) {
			continue
		}
		if id != "" {
			return k.key, true
		}
		key = k.key
		found++
	}
	return key, found == 1
}

// readKeySetFile reads a credential that holds a JWK set.
func readKeySetFile(text []byte) (*content, error) {
	set, err := readKeySet(text)
	if err != nil {
		return nil, err
	}
	return &content{keySet: set, entries: len(set.keys)}, nil
}
