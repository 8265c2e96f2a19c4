package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Why a link does not open anything.
var (
	// ErrForged is returned for a link that was not signed here, or changed since.
	ErrForged = errors.New("the link was not signed here")
	// ErrExpired is returned for a link whose time is over.
	ErrExpired = errors.New("the link has expired")
)

const (
	// linkVersion begins every link, under the signature.
	linkVersion = 1
	// macSize is how much of the HMAC goes along, in bytes: 128 bits cannot be guessed, and keep links short.
	macSize = 16
	// tokenLimit bounds a link's token in characters. The longest release makes about 450.
	tokenLimit = 600
)

// Question is what a link is for, and all it is for.
type Question struct {
	Release release.ID
	// Ask is the question's number, PlanHash the plan it is about.
	Ask      int
	PlanHash string
	// Until is when the link expires, in whole seconds.
	Until time.Time
}

// Links makes links to the approval page, and opens them.
type Links struct {
	key  []byte
	base string
}

// NewLinks signs links with a secret of at least 32 characters; base is the address under which others reach the
// server, such as https://skyisland.example.com.
func NewLinks(secret, base string) (*Links, error) {
	if len(secret) < 32 {
		return nil, errors.New("page: the secret has fewer than 32 characters: whoever guesses it can sign links")
	}
	return &Links{key: derive(secret, "links"), base: strings.TrimRight(base, "/")}, nil
}

// derive is a key of its own for each purpose, so that no signature of one is good for another.
func derive(secret, purpose string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("skyisland/page/" + purpose + "/v1"))
	return mac.Sum(nil)
}

// Sign is the address of the page for one question. It fails for a question that cannot be: a release or a plan hash
// that is none, or a number under 1.
func (l *Links) Sign(id release.ID, ask int, planHash string, until time.Time) (string, error) {
	plan, err := hex.DecodeString(planHash)
	if err != nil || len(plan) != sha256.Size {
		return "", fmt.Errorf("sign a link: %q is not the hash of a plan", planHash)
	}
	if _, err := release.ParseID(id.String()); err != nil || ask < 1 || until.Unix() < 0 {
		return "", fmt.Errorf("sign a link: there is no question %d of release %s until %s", ask, id, until)
	}
	payload := []byte{linkVersion}
	payload = binary.AppendUvarint(payload, uint64(until.Unix())) //nolint:gosec // checked above
	payload = binary.AppendUvarint(payload, uint64(ask))
	payload = append(payload, plan...)
	payload = append(payload, id.String()...)
	token := base64.RawURLEncoding.EncodeToString(append(payload, l.mac(payload)...))
	return l.base + root + token, nil
}

// open is what a token is for. The signature is checked before anything of it is believed.
func (l *Links) open(token string, now time.Time) (Question, error) {
	if len(token) > tokenLimit {
		return Question{}, ErrForged
	}
	signed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(signed) <= macSize {
		return Question{}, ErrForged
	}
	payload, mac := signed[:len(signed)-macSize], signed[len(signed)-macSize:]
	if !hmac.Equal(mac, l.mac(payload)) {
		return Question{}, ErrForged
	}
	q, err := parseQuestion(payload)
	if err != nil {
		return Question{}, err
	}
	if !now.Before(q.Until) {
		return q, ErrExpired
	}
	return q, nil
}

// parseQuestion reads what was signed here. A version that is no longer signed is as good as forged.
func parseQuestion(payload []byte) (Question, error) {
	if payload[0] != linkVersion {
		return Question{}, ErrForged
	}
	rest := payload[1:]
	until, n := binary.Uvarint(rest)
	if n <= 0 || until > 1<<40 {
		return Question{}, ErrForged
	}
	rest = rest[n:]
	ask, n := binary.Uvarint(rest)
	if n <= 0 || ask > 1<<30 || len(rest[n:]) <= sha256.Size {
		return Question{}, ErrForged
	}
	rest = rest[n:]
	id, err := release.ParseID(string(rest[sha256.Size:]))
	if err != nil {
		return Question{}, ErrForged
	}
	return Question{
		Release: id, Ask: int(ask), PlanHash: hex.EncodeToString(rest[:sha256.Size]), Until: time.Unix(int64(until), 0).UTC(),
	}, nil
}

func (l *Links) mac(payload []byte) []byte {
	mac := hmac.New(sha256.New, l.key)
	mac.Write(payload)
	return mac.Sum(nil)[:macSize]
}
