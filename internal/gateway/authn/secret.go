package authn

import (
	"slices"
)

// Bounds of a secret. It is used as it is written, so that no caller has to decode it.
const (
	leastSecret = 32
	mostSecret  = 512
	// perKey is how many secrets one key may have: the old one and the new one.
	perKey = 2
)

// secrets are those of a file by the ID of their key.
type secrets map[string][][]byte

// decoy stands in for the secrets that a key does not have, so that to check a signature takes equally long.
var decoy = []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

const (
	wantSecret = `want "key-id secret", the secret of 32 to 512 visible characters, such as those of openssl rand -hex 32` //nolint:gosec // a sentence about secrets, and none
	wantKeyID  = "want a key ID of 1 to 64 letters, digits and . _ @ -"
)

// readSecrets reads a file of secrets: the ID of a key and its secret on each line.
func readSecrets(text []byte) (*content, error) {
	all, entries := secrets{}, 0
	err := eachLine(text, func(fields []string) string {
		if len(fields) != 2 || len(fields[1]) < leastSecret || len(fields[1]) > mostSecret || !visible(fields[1]) {
			return wantSecret
		}
		if !clientName.MatchString(fields[0]) {
			return wantKeyID
		}
		id, secret := fields[0], []byte(fields[1])
		if len(all[id]) == perKey {
			return "the key has two secrets already; want the old one and the new one at most"
		}
		if slices.ContainsFunc(all[id], func(other []byte) bool { return string(other) == fields[1] }) {
			return "the secret is there already; want each once"
		}
		all[id] = append(all[id], secret)
		entries++
		return ""
	})
	if err != nil {
		return nil, err
	}
	return &content{secrets: all, entries: entries}, nil
}

// visible says whether a text has only ASCII characters that can be seen.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
