package authn

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed request, in canonical form.
const (
	signatureHeader = "X-Signature"           // v1= and the HMAC-SHA-256 in 64 hexadecimal digits
	keyHeader       = "X-Signature-Key"       // the ID of the key
	timestampHeader = "X-Signature-Timestamp" // when it was signed, in Unix seconds
	nonceHeader     = "X-Signature-Nonce"     // 1 to 64 visible characters, never used again by this key
	contentHeader   = "X-Content-Sha256"      // the SHA-256 of the body in 64 lower-case hexadecimal digits
)

const (
	signatureVersion = "v1"
	maxNonce         = 64
	// maxTimestamp is the number of digits of the year 33658. Times of more would not be seconds.
	maxTimestamp = 12
)

// signed is what a signed request says of itself.
type signed struct {
	signature [sha256.Size]byte
	keyID     string
	timestamp string
	at        int64
	nonce     string
	body      [sha256.Size]byte
	bodyHex   string
}

// readSigned reads the headers of a signed request. It is not ok when they are not in their forms.
func readSigned(h http.Header) (s signed, ok bool) {
	signature, okSignature := only(h, signatureHeader)
	signature, isV1 := strings.CutPrefix(signature, signatureVersion+"=")
	keyID, okKey := only(h, keyHeader)
	timestamp, okTimestamp := only(h, timestampHeader)
	nonce, okNonce := only(h, nonceHeader)
	body, okBody := only(h, contentHeader)
	if !okSignature || !isV1 || !okKey || !okTimestamp || !okNonce || !okBody {
		return s, false
	}
	s.keyID, s.timestamp, s.nonce, s.bodyHex = keyID, timestamp, nonce, body
	if len(keyID) > 64 || !visible(keyID) || len(nonce) > maxNonce || !visible(nonce) {
		return s, false
	}
	// Equal times have equal texts: no sign, no zeros in front.
	at, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || len(timestamp) > maxTimestamp || strconv.FormatInt(at, 10) != timestamp || at < 0 {
		return s, false
	}
	s.at = at
	return s, unhex(&s.signature, signature) && unhex(&s.body, body)
}

// only is the one value of a header; it is not ok when there is none, an empty one, or more.
func only(h http.Header, name string) (string, bool) {
	values := h[name]
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}

// unhex reads a hash in lower-case hexadecimal digits.
func unhex(into *[sha256.Size]byte, s string) bool {
	if len(s) != hex.EncodedLen(sha256.Size) || strings.ToLower(s) != s {
		return false
	}
	_, err := hex.Decode(into[:], []byte(s))
	return err == nil
}

// toSign is what a signature is over:
//
//	"v1" LF timestamp LF nonce LF method LF host LF request-target LF body-hash
//
// The host is that of the Host header in lower case, with its port where one was sent. The request target is the path and
// query as they stand in the request line. Nothing of it can hold a line feed, so no two requests have the same.
func toSign(s signed, method, host, target string) []byte {
	text := make([]byte, 0, 256)
	for _, part := range [...]string{signatureVersion, s.timestamp, s.nonce, method, strings.ToLower(host), target} {
		text = append(text, part...)
		text = append(text, '\n')
	}
	return append(text, s.bodyHex...)
}

// target is the path and query as they were sent. A request to a proxy has its host in front of them, which is in Host too.
func target(req *http.Request) string {
	if req.RequestURI == "" {
		return req.URL.RequestURI() // a request that no server has read
	}
	_, rest, absolute := strings.Cut(req.RequestURI, "://")
	if strings.HasPrefix(req.RequestURI, "/") || !absolute {
		return req.RequestURI
	}
	switch i := strings.IndexAny(rest, "/?"); {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	default:
		return rest[i:]
	}
}

// hmacMethod knows callers by their signature over the request.
type hmacMethod struct {
	credential string
	span       time.Duration
	file       *credential
	seen       func(credential string) *memory
}

func (m *hmacMethod) missing() string { return m.file.missing() }

func (m *hmacMethod) verify(req *http.Request, now time.Time) (string, Reason) {
	if len(req.Header[signatureHeader]) == 0 {
		return "", NoCredential
	}
	keys := m.file.content.Load()
	if keys == nil {
		return "", KeysUnavailable
	}
	s, ok := readSigned(req.Header)
	if !ok {
		return "", HMACMalformed
	}
	if age := now.Sub(time.Unix(s.at, 0)); age > m.span || age < -m.span {
		return "", HMACWindow
	}
	if !signs(keys.secrets[s.keyID], s.signature, toSign(s, req.Method, req.Host, target(req))) {
		return "", HMACSignature
	}
	hasBody := req.Body != nil && req.Body != http.NoBody && req.ContentLength != 0
	if !hasBody && s.body != sha256.Sum256(nil) {
		return "", HMACBody
	}
	// Last, so that nobody without a secret can fill the memory, or use a nonce up for somebody.
	if refused := m.seen(m.credential).record(s.keyID, s.nonce, s.at, m.span, now); refused != accepted {
		return "", refused
	}
	if hasBody {
		req.Body = newProvenBody(req.Body, req.ContentLength, s.body)
	}
	return s.keyID, accepted
}

// signs says whether one of a key's secrets made a signature. It takes equally long for a key that nobody has.
func signs(of [][]byte, signature [sha256.Size]byte, text []byte) bool {
	found := 0
	var sum [sha256.Size]byte
	for i := range perKey {
		secret, genuine := decoy, 0
		if i < len(of) {
			secret, genuine = of[i], 1
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write(text)
		found |= subtle.ConstantTimeCompare(mac.Sum(sum[:0]), signature[:]) & genuine
	}
	return found == 1
}
