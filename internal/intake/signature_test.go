package intake

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The vector of Standard Webhooks' own library.
const (
	standardVectorID   = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	standardVectorAt   = 1614265330
	standardVectorBody = `{"test": 2432232314}`
	standardVectorSum  = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func TestGiteasVector(t *testing.T) {
	for _, name := range []string{"X-Gitea-Signature", "X-Forgejo-Signature"} {
		header := http.Header{}
		header.Set(name, strings.TrimPrefix(vectorSum, "sha256="))
		sum, err := bareSignature(header, "X-Gitea-Signature", "X-Forgejo-Signature")
		if err != nil || !sum.fits([]byte(secret), []byte(vector)) || sum.fits([]byte("other"), []byte(vector)) || sum.fits([]byte(secret), []byte(vector+" ")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, given := range []string{"", vectorSum, "bd6f", strings.Repeat("z", 64), strings.Repeat("0", 66)} {
		header := http.Header{}
		header.Set("X-Gitea-Signature", given)
		if _, err := bareSignature(header, "X-Gitea-Signature", "X-Forgejo-Signature"); err == nil {
			t.Errorf("the signature %q is read", given)
		}
	}
}

// standardHeader is that of the vector, at some seconds from its time.
func standardHeader(edits ...func(http.Header)) http.Header {
	h := http.Header{}
	h.Set("webhook-id", standardVectorID)
	h.Set("webhook-timestamp", strconv.Itoa(standardVectorAt))
	h.Set("webhook-signature", standardVectorSum)
	for _, edit := range edits {
		edit(h)
	}
	return h
}

func TestStandardWebhooksVector(t *testing.T) {
	fits, err := StandardKey(standardSecret)
	if err != nil {
		t.Fatal(err)
	}
	other, err := StandardKey(standardOld)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(standardVectorAt, 0)
	set := func(name, value string) func(http.Header) { return func(h http.Header) { h.Set(name, value) } }
	for _, tt := range []struct {
		name  string
		keys  [][]byte
		now   time.Time
		body  string
		edit  func(http.Header)
		want  int    // the number of the secret
		fault string // what the error says
	}{
		{name: "the vector", want: 1},
		{name: "the second of two secrets", keys: [][]byte{other, fits}, want: 2},
		{name: "another secret", keys: [][]byte{other}, want: 0},
		{name: "a byte changed", body: `{"test": 2432232315}`, want: 0},
		{name: "another id", edit: set("webhook-id", "msg_q"), want: 0},
		{name: "another time", edit: set("webhook-timestamp", strconv.Itoa(standardVectorAt+1)), want: 0},
		{name: "300 s old", now: at.Add(300 * time.Second), want: 1},
		{name: "300 s ahead", now: at.Add(-300 * time.Second), want: 1},
		{name: "301 s old", now: at.Add(301 * time.Second), fault: "look at both clocks"},
		{name: "301 s ahead", now: at.Add(-301 * time.Second), fault: "look at both clocks"},
		{name: "one of a list", edit: set("webhook-signature", "v1a,xyz v1,"+strings.Repeat("A", 43)+"= "+standardVectorSum), want: 1},
		{name: "no id", edit: func(h http.Header) { h.Del("webhook-id") }, fault: "webhook-id"},
		{name: "an id that is no name", edit: set("webhook-id", "a b"), fault: "webhook-id"},
		{name: "no time", edit: func(h http.Header) { h.Del("webhook-timestamp") }, fault: "webhook-timestamp"},
		{name: "a time that is no number", edit: set("webhook-timestamp", "1614265330.5"), fault: "webhook-timestamp"},
		{name: "a time below nothing", edit: set("webhook-timestamp", "-1614265330"), fault: "webhook-timestamp"},
		{name: "a time that is huge", edit: set("webhook-timestamp", strings.Repeat("9", 12)), fault: "look at both clocks"},
		{name: "a time that is too large for a number", edit: set("webhook-timestamp", strings.Repeat("9", 40)), fault: "webhook-timestamp"},
		{name: "no signature", edit: func(h http.Header) { h.Del("webhook-signature") }, fault: "webhook-signature"},
		{name: "an asymmetric one only", edit: set("webhook-signature", "v1a,"+strings.TrimPrefix(standardVectorSum, "v1,")), fault: "no signature v1"},
		{name: "one that is no base64", edit: set("webhook-signature", "v1,????"), fault: "no signature v1"},
		{name: "one that is too short", edit: set("webhook-signature", "v1,AAAA"), fault: "no signature v1"},
		{name: "too many", edit: set("webhook-signature", strings.Repeat(standardVectorSum+" ", 11)), fault: "at most 10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, now, body := tt.keys, tt.now, tt.body
			if keys == nil {
				keys = [][]byte{fits}
			}
			if now.IsZero() {
				now = at
			}
			if body == "" {
				body = standardVectorBody
			}
			edit := tt.edit
			if edit == nil {
				edit = func(http.Header) {}
			}
			proof, err := standardProof(standardHeader(edit), keys, now)
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("error = %v, want %q", err, tt.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := proof.fits([]byte(body)); got != tt.want {
				t.Errorf("proved with secret %d, want %d", got, tt.want)
			}
		})
	}
}

func TestStandardKeys(t *testing.T) {
	for _, secret := range []string{"", "s3cr3t", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_AAAA", "whsec_????", "whsec_" + strings.Repeat("A", 88), "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		if _, err := StandardKey(secret); err == nil || len(secret) > 6 && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: error = %v", secret, err)
		}
		if _, err := NewStandard([]string{secret}, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "standard") {
			t.Errorf("a source with %q: error = %v", secret, err)
		}
	}
	if key, err := StandardKey("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk"); err != nil || len(key) != 26 {
		t.Errorf("without padding: %v, %v", key, err)
	}
}

func FuzzStandardProof(f *testing.F) {
	f.Add(standardVectorID, strconv.Itoa(standardVectorAt), standardVectorSum, standardVectorBody)
	f.Add("", "1e9", "v1", "")
	f.Add("a", "000000000000", "v1,, v1,=", "\xff")
	key, err := StandardKey(standardSecret)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id, at, sums, body string) {
		header := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {sums}}
		proof, err := standardProof(header, [][]byte{key}, time.Unix(standardVectorAt, 0))
		if err != nil {
			return
		}
		seconds, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			t.Fatalf("the time %q is read: %v", at, err)
		}
		right := at == strconv.FormatInt(seconds, 10) && strings.Contains(sums, standardSum(standardSecret, id, time.Unix(seconds, 0), body))
		if fits := proof.fits([]byte(body)) == 1; fits && !right && at == strconv.FormatInt(seconds, 10) {
			t.Errorf("%q %q %q fits %q", id, at, sums, body)
		}
	})
}
