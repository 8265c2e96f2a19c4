package subscription

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The bounds of a secret in bytes, as Standard Webhooks says.
const (
	leastSecret = 24
	mostSecret  = 64
	secretMark  = "whsec_"
)

// key is what a secret signs with.
func key(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, secretMark)
	if !ok {
		return nil, errors.New("does not begin with whsec_: write whsec_ and base64 of 24 to 64 random bytes, such as \"whsec_$(openssl rand -base64 32)\"")
	}
	out, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("is not base64 after whsec_")
	}
	if len(out) < leastSecret || len(out) > mostSecret {
		return nil, fmt.Errorf("has %d bytes: want %d to %d", len(out), leastSecret, mostSecret)
	}
	return out, nil
}

// sign puts the headers of Standard Webhooks on a message: its name, the time of this attempt, and a signature by each key,
// with spaces in between. Whoever knows one of the keys can verify it.
func sign(header http.Header, keys [][]byte, id string, at time.Time, body []byte) {
	seconds := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, len(keys))
	for i, key := range keys {
		sum := hmac.New(sha256.New, key)
		sum.Write([]byte(id + "." + seconds + "."))
		sum.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(sum.Sum(nil))
	}
	header.Set("Webhook-Id", id)
	header.Set("Webhook-Timestamp", seconds)
	header.Set("Webhook-Signature", strings.Join(signatures, " "))
}
