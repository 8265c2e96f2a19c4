package intake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
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

// bareSignature reads a signature that is hexadecimal digits and nothing else, of the first of some headers that is not empty.
func bareSignature(header http.Header, names ...string) (sha256Signature, error) {
	for _, name := range names {
		given := header.Get(name)
		if given == "" {
			continue // Gitea sends an empty one when its side has no secret
		}
		sum, err := hex.DecodeString(given)
		if err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("the %s header is not 64 hexadecimal digits", name)
		}
		return sum, nil
	}
	return nil, fmt.Errorf("the %s header is missing or empty: set the webhook's secret on both sides", names[0])
}

// fits compares in constant time, so that a wrong signature does not tell how wrong it is.
func (s sha256Signature) fits(secret, body []byte) bool { return hmac.Equal(hmac256(secret, body), s) }

// by is the proof that a body was signed with one of some secrets.
func (s sha256Signature) by(secrets [][]byte) proof {
	return proof{fits: func(body []byte) int {
		return which(len(secrets), func(i int) bool { return s.fits(secrets[i], body) })
	}}
}

func hmac256(secret []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, secret)
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// What Standard Webhooks fix: https://www.standardwebhooks.com.
const (
	// standardPrefix begins a secret; what follows is its bytes in base64.
	standardPrefix = "whsec_"
	standardLeast  = 24
	standardMost   = 64
	// standardTolerance is how far the time of a delivery may be from ours, either way.
	standardTolerance = 5 * time.Minute
	// mostSignatures bounds the list of signatures, which has one for each secret that the sender has.
	mostSignatures = 10
)

// StandardKey is the key of a secret as Standard Webhooks write it: whsec_ and the base64 of 24 to 64 bytes.
func StandardKey(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, standardPrefix)
	if !ok {
		return nil, errors.New("it does not begin with whsec_")
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		key, err = base64.RawStdEncoding.DecodeString(text)
	}
	if err != nil || len(key) < standardLeast || len(key) > standardMost {
		return nil, fmt.Errorf("it is not whsec_ and the base64 of %d to %d bytes", standardLeast, standardMost)
	}
	return key, nil
}

var unixSeconds = regexp.MustCompile(`^[0-9]{1,12}$`)

// standardProof reads the headers of Standard Webhooks. The name of the delivery and its time are signed with the body, so
// that an old delivery cannot be shown again as a new one.
func standardProof(header http.Header, keys [][]byte, now time.Time) (proof, error) {
	id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	if !token.MatchString(id) {
		return proof{}, errors.New("the webhook-id header is missing or not a name: want 1 to 128 printable ASCII characters")
	}
	if !unixSeconds.MatchString(stamp) {
		return proof{}, errors.New("the webhook-timestamp header is missing or not a number of seconds since 1970")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return proof{}, fmt.Errorf("the webhook-timestamp header: %w", err)
	}
	if off := now.Sub(time.Unix(seconds, 0)); off.Truncate(time.Second).Abs() > standardTolerance {
		return proof{}, fmt.Errorf("the webhook-timestamp is more than %s off: look at both clocks", standardTolerance)
	}
	sums, err := standardSignatures(header.Get("webhook-signature"))
	if err != nil {
		return proof{}, err
	}
	head := []byte(id + "." + stamp + ".")
	return proof{delivery: id, fits: func(body []byte) int {
		return which(len(keys), func(i int) bool {
			want, same := hmac256(keys[i], head, body), false
			for _, sum := range sums {
				same = hmac.Equal(want, sum) || same
			}
			return same
		})
	}}, nil
}

// standardSignatures are the signatures of version 1 in a list. Others, such as the asymmetric v1a, may stand beside them.
func standardSignatures(header string) ([][]byte, error) {
	parts := strings.Fields(header)
	if len(parts) > mostSignatures {
		return nil, fmt.Errorf("the webhook-signature header has %d signatures: at most %d are read", len(parts), mostSignatures)
	}
	var sums [][]byte
	for _, part := range parts {
		text, ok := strings.CutPrefix(part, "v1,")
		if !ok {
			continue
		}
		if sum, err := base64.StdEncoding.DecodeString(text); err == nil && len(sum) == sha256.Size {
			sums = append(sums, sum)
		}
	}
	if len(sums) == 0 {
		return nil, errors.New("the webhook-signature header is missing or has no signature v1, with the base64 of 32 bytes")
	}
	return sums, nil
}
