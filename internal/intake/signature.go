package intake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// sha256Signature is what a sender says the HMAC-SHA256 of a body is.
type sha256Signature []byte

// signature reads the value of an X-Hub-Signature-256 header. The older header, with SHA-1, is not
// looked at: SHA-1 is broken, and a sender that has only that is refused.
func signature(header string) (sha256Signature, error) {
	given, ok := strings.CutPrefix(header, "sha256=")
	if !ok {
		return nil, errors.New("the X-Hub-Signature-256 header is missing or does not begin with sha256=; a SHA-1 signature is not accepted")
	}
	sum, err := hex.DecodeString(given)
	if err != nil || len(sum) != sha256.Size {
		return nil, errors.New("the signature is not sha256= and 64 hexadecimal digits")
	}
	return sum, nil
}

// fits compares in constant time, so that a wrong signature does not tell how wrong it is.
func (s sha256Signature) fits(secret, body []byte) bool {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return hmac.Equal(mac.Sum(nil), s)
}
