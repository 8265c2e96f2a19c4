package authn

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// mostKey is the longest API key. It is copied to the stack, so that to check one takes no memory.
const mostKey = 512

// apiKeys are the hashes of keys, by their first bytes: a lookup tells by its time at most those, and of a hash only.
type apiKeys map[uint64][]apiKey

type apiKey struct {
	hash   [sha256.Size]byte
	client string
}

func prefixOf(hash [sha256.Size]byte) uint64 { return binary.NativeEndian.Uint64(hash[:8]) }

// client is who has a key; empty when nobody does.
func (k apiKeys) client(key string) string {
	if key == "" || len(key) > mostKey {
		return ""
	}
	var buffer [mostKey]byte
	hash := sha256.Sum256(buffer[:copy(buffer[:], key)])
	found := ""
	for i := range k[prefixOf(hash)] {
		candidate := &k[prefixOf(hash)][i]
		if subtle.ConstantTimeCompare(candidate.hash[:], hash[:]) == 1 {
			found = candidate.client
		}
	}
	return found
}

// clientName may stand in a header and in a log as it is.
var clientName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

const (
	wantAPIKey = `want "client-name sha256:" and the 64 hexadecimal digits of the key's hash`
	wantClient = "want a name of 1 to 64 letters, digits and . _ @ -"
)

// readAPIKeys reads a file of API keys: a client's name and the hash of its key on each line.
func readAPIKeys(text []byte) (*content, error) {
	keys, clients := apiKeys{}, 0
	err := eachLine(text, func(fields []string) string {
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "sha256:") {
			return wantAPIKey
		}
		if !clientName.MatchString(fields[0]) {
			return wantClient
		}
		sum, err := hex.DecodeString(strings.TrimPrefix(fields[1], "sha256:"))
		if err != nil || len(sum) != sha256.Size {
			return wantAPIKey
		}
		key := apiKey{hash: [sha256.Size]byte(sum), client: fields[0]}
		if key.hash == sha256.Sum256(nil) {
			return "the hash is that of nothing; want that of the key, without the end of its line"
		}
		for _, other := range keys[prefixOf(key.hash)] {
			if other.hash == key.hash {
				return "the key is there already; want each once"
			}
		}
		keys[prefixOf(key.hash)] = append(keys[prefixOf(key.hash)], key)
		clients++
		return ""
	})
	if err != nil {
		return nil, err
	}
	return &content{apiKeys: keys, entries: clients}, nil
}

// apiKeyMethod knows callers by their key.
type apiKeyMethod struct {
	header string
	bearer bool
	// tokensToo says that tokens come in the same header: then what looks like one is none of this method's affair.
	tokensToo bool
	file      *credential
}

func (m *apiKeyMethod) missing() string { return m.file.missing() }

func (m *apiKeyMethod) verify(req *http.Request, _ time.Time) (string, Reason) {
	key, tried := m.key(req.Header)
	if !tried {
		return "", NoCredential
	}
	keys := m.file.content.Load()
	if keys == nil {
		return "", KeysUnavailable
	}
	if client := keys.apiKeys.client(key); client != "" {
		return client, accepted
	}
	if m.tokensToo && isToken(key) {
		return "", NoCredential
	}
	return "", BadAPIKey
}

// key is what the request has for one; empty when that can be none.
func (m *apiKeyMethod) key(h http.Header) (key string, tried bool) {
	if m.bearer {
		return bearer(h)
	}
	switch values := h[m.header]; len(values) {
	case 0:
		return "", false
	case 1:
		return values[0], true
	default:
		return "", true
	}
}
