package page

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// sessionCookie holds who is signed in; formCookie ties the form for signing in to one browser.
	sessionCookie = "skyisland-session"
	formCookie    = "skyisland-form"
	// sessionFor is how long somebody stays signed in: long enough to read and answer, and a phone that is lost
	// afterwards decides nothing.
	sessionFor = 30 * time.Minute
)

// Token is one key to the API, by which people sign in.
type Token struct {
	Name string
	// Token is the secret itself.
	Token string
}

// String names the holder and hides the secret.
func (t Token) String() string { return t.Name + " [redacted]" }

// GoString hides the secret.
func (t Token) GoString() string { return t.String() }

// holder is a token as it is compared, and as a session names it: a keyed sum, of which nobody learns the token.
type holder struct {
	sum  [macSize]byte
	name string
}

// sessions knows who is signed in. It keeps nothing: a session is a signed cookie, which ends with its time, and with
// the token it was opened by.
type sessions struct {
	key, csrf []byte
	holders   []holder
}

func newSessions(secret string, tokens []Token) (*sessions, error) {
	s := &sessions{key: derive(secret, "sessions"), csrf: derive(secret, "forms")}
	for i, t := range tokens {
		if t.Name == "" || t.Token == "" {
			return nil, fmt.Errorf("page: token %d needs a name and a secret", i+1)
		}
		s.holders = append(s.holders, holder{s.sum(t.Token), t.Name})
	}
	if len(s.holders) == 0 {
		return nil, errors.New("page: there is no token, so nobody could sign in")
	}
	return s, nil
}

func (s *sessions) sum(token string) (out [macSize]byte) {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte("token\x00" + token))
	copy(out[:], mac.Sum(nil))
	return out
}

// holds is whose sum it is. All are compared, so that the time taken does not tell which one was near.
func (s *sessions) holds(sum []byte) (holder, bool) {
	var found holder
	ok := false
	for _, h := range s.holders {
		if subtle.ConstantTimeCompare(sum, h.sum[:]) == 1 {
			found, ok = h, true
		}
	}
	return found, ok
}

// begin is the cookie of a new session for a holder, until a time.
func (s *sessions) begin(h holder, until time.Time) string {
	payload := make([]byte, 0, 2*macSize+24)
	payload = append(payload, h.sum[:]...)
	payload = binary.BigEndian.AppendUint64(payload, uint64(until.Unix())) //nolint:gosec // a time of this century
	// So that no two sessions share their forms.
	payload = append(payload, rand.Text()[:8]...)
	return base64.RawURLEncoding.EncodeToString(append(payload, s.mac(payload)...))
}

// whose is who has a session; false when it is forged or over, or its token is no longer one of ours.
func (s *sessions) whose(cookie string, now time.Time) (string, bool) {
	const size = macSize + 8 + 8
	signed, err := base64.RawURLEncoding.Strict().DecodeString(cookie)
	if err != nil || len(signed) != size+macSize || !hmac.Equal(signed[size:], s.mac(signed[:size])) {
		return "", false
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(signed[macSize:])), 0) //nolint:gosec // it was signed here
	if !now.Before(until) {
		return "", false
	}
	h, ok := s.holds(signed[:macSize])
	return h.name, ok
}

func (s *sessions) mac(payload []byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte("session\x00"))
	mac.Write(payload)
	return mac.Sum(nil)[:macSize]
}

// seal ties a form to the cookie of the browser that it was made for, to the link and to what it does.
func (s *sessions) seal(cookie, link, purpose, form string) string {
	mac := hmac.New(sha256.New, s.csrf)
	for _, part := range []string{cookie, link, purpose, form} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part)))) //nolint:gosec // a form has at most 64 KiB
		mac.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:macSize])
}

// sealed says whether a form is one that seal made. Without a cookie none is.
func (s *sessions) sealed(given, cookie, link, purpose, form string) bool {
	return cookie != "" && form != "" && hmac.Equal([]byte(given), []byte(s.seal(cookie, link, purpose, form)))
}

// cookieOf is a cookie's value; empty without one.
func cookieOf(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie sets a cookie that scripts cannot read and other sites cannot send; an empty value removes it.
func (p *Page) setCookie(w http.ResponseWriter, name, value string, lasts time.Duration) {
	age := int(lasts / time.Second)
	if value == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the page is served by https
		Name: name, Value: value, Path: p.prefix + "/approve", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: p.secure,
	})
}
