package authn

import (
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

func keyPolicy() release.Authentication {
	return release.Authentication{APIKey: &release.APIKeyAuth{Keys: "partners", Header: "x-partner-key"}}
}

func TestAPIKey(t *testing.T) {
	long := strings.Repeat("k", mostKey)
	f := newFolder(t, map[string]string{"partners": "acme " + hashOf(goodKey) + "\n\n  # the next one\nacme " + hashOf(otherKey) +
		"\nbig.corp@eu " + hashOf(long) + "\ntoo-long " + hashOf(long+"k")})
	a := mustNew(t, keyPolicy(), f, nil)
	for _, c := range []struct {
		name    string
		headers []string
		want    string
	}{
		{"the key of a client", []string{"X-Partner-Key", goodKey}, "api-key acme"},
		{"the next key of the same client", []string{"X-Partner-Key", otherKey}, "api-key acme"},
		{"a key of 512 bytes", []string{"X-Partner-Key", long}, "api-key big.corp@eu"},
		{"a longer one is none", []string{"X-Partner-Key", long + "k"}, "bad-api-key"},
		{"nobody's", []string{"X-Partner-Key", "k-0000000000000000"}, "bad-api-key"},
		{"the beginning of a key", []string{"X-Partner-Key", goodKey[:len(goodKey)-1]}, "bad-api-key"},
		{"a key in another case", []string{"X-Partner-Key", strings.ToUpper(goodKey)}, "bad-api-key"},
		{"the hash is no key", []string{"X-Partner-Key", hashOf(goodKey)}, "bad-api-key"},
		{"an empty one", []string{"X-Partner-Key", ""}, "bad-api-key"},
		{"two at once", []string{"X-Partner-Key", goodKey, "X-Partner-Key", goodKey}, "bad-api-key"},
		{"a key in another header", []string{"X-Api-Key", goodKey}, "no-credential"},
		{"a key as a bearer token", []string{"Authorization", "Bearer " + goodKey}, "no-credential"},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, a, get(c.headers...), c.want) })
	}
}

// Two hashes with the same beginning are told apart.
func TestAPIKeysWithOneBeginning(t *testing.T) {
	hash := hashOf(goodKey)
	last := map[bool]string{true: "1", false: "0"}[hash[len(hash)-1] == '0']
	lines := []string{"other " + hash[:len(hash)-1] + last, "acme " + hash}
	for range 2 {
		f := newFolder(t, map[string]string{"partners": strings.Join(lines, "\n")})
		expect(t, mustNew(t, keyPolicy(), f, nil), get("X-Partner-Key", goodKey), "api-key acme")
		slices.Reverse(lines)
	}
}
