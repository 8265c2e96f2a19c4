package subscription

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/skyisland/skyisland/internal/events"
)

// vectorSecret is that of the vector of Standard Webhooks.
const (
	vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherSecret  = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

func keysOf(t *testing.T, secrets ...string) (out [][]byte) {
	t.Helper()
	for _, secret := range secrets {
		one, err := key(secret)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, one)
	}
	return out
}

func TestTheSignatureIsThatOfTheVector(t *testing.T) {
	header := http.Header{}
	sign(header, keysOf(t, vectorSecret), "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if got := header.Get("Webhook-Signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature %s", got)
	}
	if got := header.Get("Webhook-Timestamp"); got != "1614265330" {
		t.Errorf("timestamp %s", got)
	}
}

func TestEachOfTwoSecretsVerifiesByTheLibraryOfStandardWebhooks(t *testing.T) {
	body := []byte(`{"a":1}`)
	header := http.Header{}
	sign(header, keysOf(t, vectorSecret, otherSecret), "demo/hello/production/3#4", time.Now(), body)
	for _, secret := range []string{vectorSecret, otherSecret} {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(body, header); err != nil {
			t.Errorf("%s: %v", secret, err)
		}
		if err := verifier.Verify([]byte(`{"a":2}`), header); err == nil {
			t.Error("another body verifies")
		}
		changed := header.Clone()
		changed.Set("Webhook-Id", "demo/hello/production/3#5")
		if err := verifier.Verify(body, changed); err == nil {
			t.Error("another name verifies")
		}
	}
	stranger, err := standardwebhooks.NewWebhook("whsec_" + strings.Repeat("B", 32))
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Verify(body, header); err == nil {
		t.Error("another secret verifies")
	}
}

func valid() Subscriber {
	return Subscriber{Name: "ci", URL: "https://ci.example.com/hooks?key=hidden", Secrets: []string{vectorSecret}}
}

func TestWhatIsWrongWithASubscriberIsSaidWithoutItsSecrets(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Subscriber)
		want   string
	}{
		{"nothing", func(*Subscriber) {}, ""},
		{"http in the house", func(s *Subscriber) { s.URL, s.AllowPrivate = "http://ci.internal/hooks", true }, ""},
		{"two secrets", func(s *Subscriber) { s.Secrets = []string{vectorSecret, otherSecret} }, ""},
		{"a header", func(s *Subscriber) { s.Headers = map[string]string{"Authorization": "Bearer hidden"} }, ""},
		{"a glob", func(s *Subscriber) { s.Filter.Types = []string{"dev.skyisland.release.*"} }, ""},
		{"no name", func(s *Subscriber) { s.Name = "" }, "name: "},
		{"a name that is none", func(s *Subscriber) { s.Name = "a/b" }, "name: "},
		{"no address", func(s *Subscriber) { s.URL = "" }, "url: is no address"},
		{"http outside", func(s *Subscriber) { s.URL = "http://ci.example.com/hidden" }, "url: is http"},
		{"another scheme", func(s *Subscriber) { s.URL = "ftp://ci.example.com/hidden" }, `url: is of the scheme "ftp"`},
		{"a password in the address", func(s *Subscriber) { s.URL = "https://me:hidden@ci.example.com" }, "url: holds a name or a password"},
		{"no secret", func(s *Subscriber) { s.Secrets = nil }, "secret: there are 0"},
		{"three secrets", func(s *Subscriber) { s.Secrets = []string{vectorSecret, otherSecret, vectorSecret} }, "secret: there are 3"},
		{"a secret without its mark", func(s *Subscriber) { s.Secrets = []string{"hidden-hidden-hidden-hidden"} }, "secret[0]: does not begin with whsec_"},
		{"a secret that is no base64", func(s *Subscriber) { s.Secrets = []string{vectorSecret, "whsec_hidden!"} }, "secret[1]: is not base64"},
		{"a short secret", func(s *Subscriber) { s.Secrets = []string{"whsec_aGlkZGVu"} }, "secret[0]: has 6 bytes: want 24 to 64"},
		{"a header that is ours", func(s *Subscriber) { s.Headers = map[string]string{"webhook-id": "hidden"} }, "headers: webhook-id is not yours to set"},
		{"a header of two lines", func(s *Subscriber) { s.Headers = map[string]string{"X-Key": "hidden\r\nX-Other: 1"} }, `headers: "X-Key" cannot be sent`},
		{"a type there is not", func(s *Subscriber) { s.Filter.Types = []string{"dev.skyisland.release.phase"} }, `types: no event is a "dev.skyisland.release.phase"`},
		{"a pattern that is none", func(s *Subscriber) { s.Filter.Types = []string{"["} }, `types: "[" is no pattern`},
		{"a tenant that is none", func(s *Subscriber) { s.Filter.Tenants = []string{"Demo"} }, "tenants: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := valid()
			test.change(&s)
			_, err := New(Options{Subscribers: []Subscriber{valid(), s}})
			if test.want == "" {
				// The name stands twice, and that is all.
				if err == nil || err.Error() != `subscribers[1].name: "ci" stands twice` {
					t.Errorf("error %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), "subscribers[1]."+test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
	if got := fmt.Sprintf("%v %+v %#v", valid(), valid(), valid()); strings.Contains(got, "whsec") {
		t.Errorf("a subscriber prints its secret: %s", got)
	}
	if got := valid().Address(); got != "https://ci.example.com" {
		t.Errorf("address %s", got)
	}
}

func TestASubscribersConfigurationHasASumThatChangesWithAnythingInIt(t *testing.T) {
	sum := func(change func(*Subscriber)) string {
		s := valid()
		change(&s)
		out, err := s.config()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	seen := map[string]bool{sum(func(*Subscriber) {}): true}
	for _, change := range []func(*Subscriber){
		func(s *Subscriber) { s.URL += "2" }, func(s *Subscriber) { s.Secrets = []string{otherSecret} }, func(s *Subscriber) { s.AllowPrivate = true },
		func(s *Subscriber) { s.Headers = map[string]string{"X-Key": "1"} }, func(s *Subscriber) { s.Headers = map[string]string{"X-Key": "2"} },
		func(s *Subscriber) { s.Filter = events.Filter{Tenants: []string{"demo"}} },
	} {
		if one := sum(change); seen[one] {
			t.Errorf("two configurations have one sum")
		} else {
			seen[one] = true
		}
	}
	if !seen[sum(func(s *Subscriber) { s.Name = "renamed" })] {
		t.Error("the name is part of the sum")
	}
}

func TestWhichAddressesASubscriberMayHave(t *testing.T) {
	const always, house, no = "always", "in the house", "never"
	for address, want := range map[string]string{
		"93.184.216.34": always, "2606:2800:220:1::1": always, "64:ff9b::5db8:d822": always,
		"127.0.0.1": house, "10.1.2.3": house, "172.31.255.1": house, "192.168.0.9": house, "100.64.0.1": house, "::1": house, "fd12::1": house,
		"::ffff:127.0.0.1": house, "64:ff9b::a00:1": house, "2002:7f00:1::": house, "::7f00:1": house, "198.18.0.1": house, "2001:db8::1": house,
		"169.254.169.254": no, "::ffff:169.254.169.254": no, "64:ff9b::a9fe:a9fe": no, "2002:a9fe:a9fe::": no, "100.100.100.200": no, "fd00:ec2::254": no,
		"168.63.129.16": no, "64:ff9b::a83f:8110": no, "fd20:ce::254": no,
		"fe80::1": no, "fe80::1%eth0": no, "0.0.0.0": no, "::": no, "224.0.0.1": no, "255.255.255.255": no, "ff02::1": no, "192.0.0.192": no,
	} {
		got := always
		if reachable(netip.MustParseAddr(address), false) != nil {
			got = house
		}
		if reachable(netip.MustParseAddr(address), true) != nil {
			got = no
		}
		if got != want {
			t.Errorf("%s may be reached %s, want %s", address, got, want)
		}
	}
}

func TestThePlanIsThatOfStandardWebhooks(t *testing.T) {
	var all time.Duration
	for attempts, want := range plan() {
		got, more := pause(attempts)
		if !more || got < want*8/10 || got > want*12/10 {
			t.Errorf("after %d attempts %s, %t; want about %s", attempts, got, more, want)
		}
		all += want
	}
	if _, more := pause(len(plan())); more {
		t.Error("the plan does not end")
	}
	if Lifetime() < all || Lifetime() > 4*24*time.Hour {
		t.Errorf("an event lives for %s, want a little more than %s", Lifetime(), all)
	}
}

func TestRetryAfterIsSecondsOrATimeAndIsBounded(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "0": 0, "-5": 0, "soon": 0, "99999999999999": 24 * time.Hour, "Mon, 02 Mar 2026 10:00:00 GMT": time.Hour,
		"Mon, 02 Mar 2026 08:00:00 GMT": 0, "Mon, 02 Mar 2099 08:00:00 GMT": 24 * time.Hour, "999999999999999999999": 0,
	} {
		at := retryAfter(http.Header{"Retry-After": {text}}, now)
		if got := at.Sub(now); at.IsZero() && want != 0 || !at.IsZero() && got != want {
			t.Errorf("%q is %s (%s), want %s", text, at, got, want)
		}
	}
}
