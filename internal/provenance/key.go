package provenance

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// The kinds of PEM block.
const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// mostKeys bounds how many keys one file may hold.
const mostKeys = 100

// PublicKey is a key to check signatures with.
type PublicKey struct {
	// ID is the SHA-256 of the key's PKIX form, in hexadecimal digits.
	ID  string
	Key ed25519.PublicKey
}

// NewPublicKey names a key.
func NewPublicKey(key ed25519.PublicKey) (PublicKey, error) {
	if len(key) != ed25519.PublicKeySize {
		return PublicKey{}, fmt.Errorf("an Ed25519 public key has %d bytes, this one %d", ed25519.PublicKeySize, len(key))
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKey{}, fmt.Errorf("name a public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return PublicKey{ID: hex.EncodeToString(sum[:]), Key: key}, nil
}

// PublicKeyOf is the public half of a private key.
func PublicKeyOf(key ed25519.PrivateKey) (PublicKey, error) {
	if len(key) != ed25519.PrivateKeySize {
		return PublicKey{}, fmt.Errorf("an Ed25519 private key has %d bytes, this one %d", ed25519.PrivateKeySize, len(key))
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return PublicKey{}, errors.New("the key is not of Ed25519")
	}
	return NewPublicKey(public)
}

// PEM is the key in PKIX form, as openssl pkey -pubin reads it.
func (k PublicKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.Key)
	if err != nil {
		return nil, fmt.Errorf("write a public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: der}), nil
}

// ParsePublicKeys reads one or more Ed25519 keys in PEM, and nothing else beside them.
func ParsePublicKeys(data []byte) ([]PublicKey, error) {
	var out []PublicKey
	for rest := bytes.TrimSpace(data); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		if len(out) == mostKeys {
			return nil, fmt.Errorf("read public keys: there are more than %d", mostKeys)
		}
		var block *pem.Block
		if block, rest = next(rest); block == nil || block.Type != publicBlock {
			return nil, fmt.Errorf("read public keys: %s in PEM is no -----BEGIN %s-----: write the key as openssl pkey -pubout does", ordinal(len(out)), publicBlock)
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read public keys: %s: %w", ordinal(len(out)), err)
		}
		key, ok := parsed.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("read public keys: %s is a %T: only Ed25519 is known here", ordinal(len(out)), parsed)
		}
		named, err := NewPublicKey(key)
		if err != nil {
			return nil, fmt.Errorf("read public keys: %s: %w", ordinal(len(out)), err)
		}
		out = append(out, named)
	}
	if len(out) == 0 {
		return nil, errors.New("read public keys: there is none")
	}
	return out, nil
}

func ordinal(n int) string { return fmt.Sprintf("block %d", n+1) }

// next is the PEM block that data begins with; nil when it begins with anything else, which pem.Decode would skip.
func next(data []byte) (*pem.Block, []byte) {
	if !bytes.HasPrefix(data, []byte("-----BEGIN ")) {
		return nil, nil
	}
	return pem.Decode(data)
}

// EncodePrivateKey writes a private key as PKCS #8 in PEM.
func EncodePrivateKey(key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}), nil
}

// ParsePrivateKey reads what [EncodePrivateKey] writes, and openssl genpkey -algorithm ed25519. No error repeats the key.
func ParsePrivateKey(data []byte) (ed25519.PrivateKey, error) {
	block, rest := next(bytes.TrimSpace(data))
	if block == nil || block.Type != privateBlock || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("read a private key: want one PEM block, -----BEGIN %s-----, and nothing else", privateBlock)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("read a private key: it is not PKCS #8")
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read a private key: it is a %T: want an Ed25519 key", parsed)
	}
	return key, nil
}
