package intake

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// MostSecrets is how many secrets of a source are valid at once: the one there is, and the one that replaces it.
const MostSecrets = 2

// CheckSecrets says what is wrong with the secrets of a source, the newest first. One that is blank would let everybody
// in, and more than two are secrets that nobody has taken away.
func CheckSecrets(secrets []string) error {
	if len(secrets) == 0 {
		return errors.New("there is no secret, so anybody could send events")
	}
	if len(secrets) > MostSecrets {
		return fmt.Errorf("there are %d secrets: at most %d are valid at once, the new one and the one it replaces", len(secrets), MostSecrets)
	}
	for i, secret := range secrets {
		if strings.TrimSpace(secret) == "" {
			return fmt.Errorf("secret %d is blank, so anybody could send events", i+1)
		}
		for _, other := range secrets[:i] {
			if secret == other {
				return fmt.Errorf("secret %d stands twice", i+1)
			}
		}
	}
	return nil
}

// checked are the secrets of a source that is turned on; setting is what they are called in the configuration.
func checked(source, setting string, secrets []string) ([][]byte, error) {
	if err := CheckSecrets(secrets); err != nil {
		return nil, fmt.Errorf("the webhook of %s: %w; set %s.%s, or turn the source off", source, err, source, setting)
	}
	out := make([][]byte, len(secrets))
	for i, secret := range secrets {
		out[i] = []byte(secret)
	}
	return out, nil
}

// which is the number of the first of n secrets that fits, from 1; 0 when none does. All are tried, so that the time an
// answer takes does not tell which it was.
func which(n int, fits func(i int) bool) int {
	found := 0
	for i := n - 1; i >= 0; i-- {
		if fits(i) {
			found = i + 1
		}
	}
	return found
}

// tokens are the secrets of a source whose senders show one as it is.
type tokens [][sha256.Size]byte

func newTokens(secrets [][]byte) tokens {
	out := make(tokens, len(secrets))
	for i, secret := range secrets {
		out[i] = sha256.Sum256(secret)
	}
	return out
}

// which is the number of the token that is given. Hashes have one length, so that the time tells nothing of the token's.
func (t tokens) which(given string) int {
	sum := sha256.Sum256([]byte(given))
	return which(len(t), func(i int) bool { return subtle.ConstantTimeCompare(sum[:], t[i][:]) == 1 })
}

// bearer is the number of the bearer token that a request shows; 0 for none that is known.
func (t tokens) bearer(header http.Header) int {
	given, ok := strings.CutPrefix(header.Get("Authorization"), "Bearer ")
	number := t.which(given)
	if !ok {
		return 0
	}
	return number
}

// already is a proof that needs no body.
func already(number int) proof { return proof{fits: func([]byte) int { return number }} }
