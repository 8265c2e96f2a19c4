package gateway

import (
	"crypto/hmac"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// UserCookie keeps a user without a user header on one side. Its value means nothing but that.
	UserCookie = "skyisland-user"

	userCookieAge  = 30 * 24 * time.Hour
	userCookieSize = 32 // hexadecimal digits
)

// assignment says who serves a request and why.
type assignment struct {
	arm canary.Arm
	to  *upstream // nil when nothing can serve it
	// evidence says that the request went through the draw. Pins and requests at weight 0 did not.
	evidence bool
	pinned   bool
	// session is the user's hash on a sticky route.
	session uint64
	sticky  bool
	// cookie is set when the answer has to give the user a new cookie.
	cookie string
}

// assign decides who serves a request that arrived when the weight in force was w.
func (r *route) assign(req *http.Request, w release.Weight) assignment {
	if r.canary != nil && r.pinned(req) {
		return assignment{arm: canary.Canary, to: r.canary, pinned: true}
	}
	if w == release.NoWeight {
		return assignment{arm: canary.Stable, to: r.stable}
	}
	a := assignment{evidence: true, sticky: r.doc.Sticky == release.StickyUser}
	if !a.sticky {
		a.choose(r, rand.Uint64N(uint64(release.FullWeight)), w) //nolint:gosec // a guess at one request's arm gains nothing
		return a
	}
	key := r.userKey(req)
	if key == "" {
		key = newUserKey()
		if w < release.FullWeight {
			a.cookie = key
		}
	}
	var bucket uint64
	bucket, a.session = r.draw.bucket(key)
	a.choose(r, bucket, w)
	return a
}

func (a *assignment) choose(r *route, bucket uint64, w release.Weight) {
	a.arm, a.to = canary.Stable, r.stable
	if bucket < uint64(w) { //nolint:gosec // a route's weight is valid: 0 to 10,000
		a.arm, a.to = canary.Canary, r.canary
	}
}

// userKey returns what the user is known by, "" when it is nothing yet.
func (r *route) userKey(req *http.Request) string {
	if r.doc.UserHeader != "" {
		if value := req.Header.Get(r.doc.UserHeader); value != "" {
			return "h" + value // the prefix keeps a header's value and a cookie's apart
		}
	}
	cookie, err := req.Cookie(UserCookie)
	if err != nil || len(cookie.Value) != userCookieSize {
		return ""
	}
	return cookie.Value
}

// newUserKey is hexadecimal, and so never takes the prefix of a header's value.
func newUserKey() string {
	var b [userCookieSize / 2]byte
	_, _ = crand.Read(b[:]) // never fails, by its documentation
	return hex.EncodeToString(b[:])
}

func userCookie(value string, secure bool) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure as the request came: browsers refuse a secure cookie over plain HTTP
		Name: UserCookie, Value: value, Path: "/", MaxAge: int(userCookieAge.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure,
	}
}

// draw maps users to buckets by HMAC-SHA-256 under the release's salt. A keyed hash, because whoever
// could predict the buckets could choose who meets the canary; a standard one, because every gateway
// has to draw alike, also after a restart.
type draw struct{ macs sync.Pool }

func newDraw(salt string) *draw {
	d := &draw{}
	d.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, []byte(salt))} }
	return d
}

type mac struct {
	hash.Hash
	in  []byte
	sum []byte
}

// bucket returns the user's place among the 10,000 permyriad, the same for every weight, so that
// raising the weight only adds users; and an independent hash that names the session in evidence.
func (d *draw) bucket(key string) (bucket, session uint64) {
	m := d.macs.Get().(*mac)
	defer d.macs.Put(m)
	m.Reset()
	m.in = append(m.in[:0], key...)
	m.Write(m.in)
	m.sum = m.Sum(m.sum[:0])
	return binary.BigEndian.Uint64(m.sum) % uint64(release.FullWeight), binary.BigEndian.Uint64(m.sum[8:])
}

// pinned says whether one of the route's rules sends the request to the canary.
func (r *route) pinned(req *http.Request) bool {
	for _, pin := range r.doc.Ingress.Pins {
		if pin.Header != "" {
			if value := req.Header.Get(pin.Header); value != "" && slices.Contains(pin.Values, value) {
				return true
			}
			continue
		}
		if cookie, err := req.Cookie(pin.Cookie); err == nil && slices.Contains(pin.Values, cookie.Value) {
			return true
		}
	}
	return false
}
