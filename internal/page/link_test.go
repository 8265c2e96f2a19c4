package page

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const secret = "0123456789abcdef0123456789abcdef"

var (
	seven = release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: 7}
	plan  = strings.Repeat("ab12cd34", 8)
)

func linksOf(t *testing.T, secret string) *Links {
	t.Helper()
	l, err := NewLinks(secret, "https://sky.example/")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func sign(t *testing.T, l *Links, id release.ID, ask int, until time.Time) string {
	t.Helper()
	address, err := l.Sign(id, ask, plan, until)
	if err != nil {
		t.Fatal(err)
	}
	token, ours := strings.CutPrefix(address, "https://sky.example/approve/")
	if !ours {
		t.Fatalf("the address is %s", address)
	}
	return token
}

func TestALinkOpensWhatItWasSignedFor(t *testing.T) {
	l, until := linksOf(t, secret), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	token := sign(t, l, seven, 2, until)
	if len(token) > 130 {
		t.Errorf("the token has %d characters", len(token))
	}
	want := Question{Release: seven, Ask: 2, PlanHash: plan, Until: until}
	if got, err := l.open(token, until.Add(-time.Second)); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := l.open(token, until); !errors.Is(err, ErrExpired) || got != want {
		t.Errorf("at its end: got %+v, %v", got, err)
	}
	longest := release.ID{Lane: release.Lane{Tenant: strings.Repeat("t", 63), Application: strings.Repeat("a", 63), Environment: strings.Repeat("e", 63)}, Number: 1 << 30}
	if got, err := l.open(sign(t, l, longest, 1<<20, until), until.Add(-time.Hour)); err != nil || got.Release != longest {
		t.Errorf("the longest: got %+v, %v", got, err)
	}
}

func TestAForgedLinkOpensNothing(t *testing.T) {
	l, now := linksOf(t, secret), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	token := sign(t, l, seven, 2, now.Add(time.Hour))
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, token string) {
		t.Helper()
		if q, err := l.open(token, now); !errors.Is(err, ErrForged) || q != (Question{}) {
			t.Errorf("%s: got %+v, %v", what, q, err)
		}
	}
	for i := range raw {
		for bit := range 8 {
			changed := []byte(string(raw))
			changed[i] ^= 1 << bit
			refused("a changed bit", base64.RawURLEncoding.EncodeToString(changed))
		}
		refused("a part", base64.RawURLEncoding.EncodeToString(raw[:i]))
	}
	refused("another secret's", sign(t, linksOf(t, secret[1:]+"x"), seven, 2, now.Add(time.Hour)))
	refused("more than one", token+token)
	refused("padded", token+"=")
	refused("not base64", "!"+token[1:])
	refused("too long", strings.Repeat("A", tokenLimit+1))
	for what, payload := range map[string][]byte{
		"a version that is not ours": append([]byte{2}, raw[1:len(raw)-macSize]...),
		"nothing but a version":      {linkVersion},
		"a number without an end":    {linkVersion, 0xff, 0xff},
		"no release":                 raw[:len(raw)-macSize-len(seven.String())],
		"a release that is none":     append([]byte(string(raw[:len(raw)-macSize])), '/'),
	} {
		refused("signed, but "+what, base64.RawURLEncoding.EncodeToString(append(payload, l.mac(payload)...)))
	}
}

func TestLinksThatCannotBe(t *testing.T) {
	if _, err := NewLinks("short", "https://sky.example"); err == nil {
		t.Error("a short secret signs links")
	}
	l, until := linksOf(t, secret), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, err := range map[string]error{
		"no plan":     second(l.Sign(seven, 1, "", until)),
		"no hash":     second(l.Sign(seven, 1, "ab12", until)),
		"no release":  second(l.Sign(release.ID{}, 1, plan, until)),
		"no question": second(l.Sign(seven, 0, plan, until)),
		"no time":     second(l.Sign(seven, 1, plan, time.Time{})),
	} {
		if err == nil {
			t.Errorf("%s: it was signed", name)
		}
	}
}

func second(_ string, err error) error { return err }

func FuzzOpen(f *testing.F) {
	l, err := NewLinks(secret, "https://sky.example")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{1, 0x80, 1, 2, 3})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 {
			return
		}
		// Even what is signed is only believed when it can be read.
		q, err := l.open(base64.RawURLEncoding.EncodeToString(append(payload, l.mac(payload)...)), time.Unix(0, 0))
		if err == nil && (q.Release.Number < 1 || len(q.PlanHash) != 64) {
			t.Errorf("opened %+v", q)
		}
	})
}
