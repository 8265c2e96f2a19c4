package intake

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// sample is a payload as the source sends it.
func sample(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The secrets of Standard Webhooks in these tests: 24 bytes each. The first is of the specification's own vector.
const (
	standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	standardOld    = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
)

// standardSum is a signature of Standard Webhooks, made without the code under test.
func standardSum(secret, id string, at time.Time, body string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		key = []byte(secret) // of a test in which the secret is no secret
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// forge is a source, and whoever delivers to it.
type forge struct {
	name string
	make func([]string, Inbox, *Router, *slog.Logger) (*Webhook, error)
	// secrets are a new and an old one.
	secrets [2]string
	// headers are those of a delivery of a body.
	headers func(secret, body string) map[string]string
	// proof is the header that proves the sender; signs says that it covers the body.
	proof string
	signs bool
	// sample is a payload, source, kind and delivery what is stored of it.
	sample, source, kind, delivery string
}

func forges() []forge {
	standard := func(extra map[string]string) func(secret, body string) map[string]string {
		return func(secret, body string) map[string]string {
			now := time.Now()
			out := map[string]string{
				"Content-Type": "application/json", "webhook-id": "msg_1", "webhook-timestamp": strconv.FormatInt(now.Unix(), 10),
				"webhook-signature": standardSum(secret, "msg_1", now, body),
			}
			for name, value := range extra {
				out[name] = value
			}
			return out
		}
	}
	return []forge{
		{
			name: "github", make: NewGitHub, secrets: [2]string{"s3cr3t", "older"}, proof: "X-Hub-Signature-256", signs: true,
			headers: func(secret, body string) map[string]string {
				return map[string]string{"Content-Type": "application/json", "X-GitHub-Event": "push", "X-GitHub-Delivery": "d1", "X-Hub-Signature-256": signed(secret, body)}
			},
			sample: "github-push", source: "github", kind: "push", delivery: "d1",
		},
		{
			name: "gitlab with a token", make: NewGitLab, secrets: [2]string{"glt-s3cr3t", "glt-older"}, proof: "X-Gitlab-Token",
			headers: func(secret, _ string) map[string]string {
				return map[string]string{
					"Content-Type": "application/json", "X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": secret, "Idempotency-Key": "f5e5f430-f57b-4e6e-9fac-d9128cd7232f",
					"X-Gitlab-Event-UUID": "13792a34-cac6-4fda-95a8-c58e00a3954e",
				}
			},
			sample: "gitlab-push", source: "gitlab", kind: "push", delivery: "f5e5f430-f57b-4e6e-9fac-d9128cd7232f",
		},
		{
			name: "gitlab that signs", make: NewGitLab, secrets: [2]string{standardSecret, standardOld}, proof: "webhook-signature", signs: true,
			headers: standard(map[string]string{"X-Gitlab-Event": "Push Hook", "Idempotency-Key": "another"}),
			sample:  "gitlab-push", source: "gitlab", kind: "push", delivery: "msg_1",
		},
		{
			name: "gitea", make: NewGitea, secrets: [2]string{"s3cr3t", "older"}, proof: "X-Gitea-Signature", signs: true,
			headers: func(secret, body string) map[string]string {
				return map[string]string{
					"Content-Type": "application/json", "X-Gitea-Event": "push", "X-Gitea-Delivery": "d1", "X-Gitea-Signature": strings.TrimPrefix(signed(secret, body), "sha256="),
					// What Gitea sends besides is not looked at.
					"X-GitHub-Event": "ping", "X-GitHub-Delivery": "other", "X-Hub-Signature-256": "sha256=00",
				}
			},
			sample: "gitea-push", source: "gitea", kind: "push", delivery: "d1",
		},
		{
			name: "forgejo", make: NewGitea, secrets: [2]string{"s3cr3t", "older"}, proof: "X-Forgejo-Signature", signs: true,
			headers: func(secret, body string) map[string]string {
				return map[string]string{
					"Content-Type": "application/json", "X-Forgejo-Event": "push", "X-Forgejo-Delivery": "d1", "X-Forgejo-Signature": strings.TrimPrefix(signed(secret, body), "sha256="),
				}
			},
			sample: "forgejo-push", source: "gitea", kind: "push", delivery: "d1",
		},
		{
			name: "standard", make: NewStandard, secrets: [2]string{standardSecret, standardOld}, proof: "webhook-signature", signs: true,
			headers: standard(nil), sample: "standard-release.requested", source: "standard", kind: "release.requested", delivery: "msg_1",
		},
		{
			name: "registry", make: NewRegistry, secrets: [2]string{"registry-token", "registry-older"}, proof: "Authorization",
			headers: func(secret, _ string) map[string]string {
				return map[string]string{"Content-Type": "application/cloudevents+json", "Authorization": "Bearer " + secret}
			},
			sample: "registry-harbor", source: "registry", kind: "harbor.artifact.pushed",
			delivery: key("/projects/1/webhook/policies/15", "4b2f89a6-548d-4c12-9993-a1f5790b97d2"),
		},
	}
}

// to is a source with some secrets, before an inbox of its own.
func (f forge) to(t testing.TB, log *slog.Logger, secrets ...string) (*Webhook, *memoryInbox) {
	t.Helper()
	box := newInbox()
	router := NewRouter(Parts{Inbox: box, Applications: &registry{}, Submitter: newLanes(), Log: slog.New(slog.DiscardHandler)})
	h, err := f.make(secrets, box, router, log)
	if err != nil {
		t.Fatal(err)
	}
	return h, box
}

// deliver sends a body with headers, which edits may change.
func deliver(t testing.TB, h http.Handler, headers map[string]string, body io.Reader, edits ...func(http.Header)) (int, Answer) {
	t.Helper()
	d := &delivery{target: "/webhooks/x", header: http.Header{}, body: body}
	for name, value := range headers {
		d.header.Set(name, value)
	}
	for _, edit := range edits {
		edit(d.header)
	}
	return d.to(t, h)
}

func TestEverySourceStoresWhatIsProved(t *testing.T) {
	for _, f := range forges() {
		t.Run(f.name, func(t *testing.T) {
			body := sample(t, f.sample)
			h, box := f.to(t, slog.New(slog.DiscardHandler), f.secrets[0])
			status, answer := deliver(t, h, f.headers(f.secrets[0], body), strings.NewReader(body))
			if want := (Answer{Event: 1, Message: "stored"}); status != http.StatusAccepted || answer != want {
				t.Fatalf("answer = %d %+v, want %+v", status, answer, want)
			}
			got := box.events[1]
			if got.Source != f.source || got.Kind != f.kind || got.Delivery != f.delivery || got.ReceivedAt.IsZero() {
				t.Errorf("stored %s %s %s of %s", got.Source, got.Kind, got.Delivery, got.ReceivedAt)
			}
			if f.source != SourceRegistry && string(got.Body) != body {
				t.Errorf("the body is not as it came: %s", got.Body)
			}
			// The same delivery again is the same event.
			status, answer = deliver(t, h, f.headers(f.secrets[0], body), strings.NewReader(body))
			if want := (Answer{Event: 1, Duplicate: true, Message: "stored before"}); status != http.StatusAccepted || answer != want || box.count() != 1 {
				t.Errorf("again: %d %+v, %d events; want %+v", status, answer, box.count(), want)
			}
		})
	}
}

func TestEverySourceRefusesWhatIsNotProved(t *testing.T) {
	for _, f := range forges() {
		body := sample(t, f.sample)
		good := f.headers(f.secrets[0], body)
		without := func(h http.Header) { h.Del(f.proof) }
		cases := []struct {
			name    string
			headers map[string]string
			body    string
			edit    func(http.Header)
		}{
			{"another secret", f.headers("another-secret", body), body, nil},
			{"a secret that begins alike", f.headers(f.secrets[0]+"x", body), body, nil},
			{"no secret", f.headers("", body), body, nil},
			{"no proof", good, body, without},
			{"an empty proof", good, body, func(h http.Header) { h.Set(f.proof, "") }},
			{"a proof that is none", good, body, func(h http.Header) { h.Set(f.proof, "\xff\x00 ,,v1,=") }},
		}
		if f.signs {
			cases = append(cases, []struct {
				name    string
				headers map[string]string
				body    string
				edit    func(http.Header)
			}{
				{"one byte changed", good, strings.Replace(body, "acme", "acmf", 1), nil},
				{"one byte more", good, body + "\n", nil},
				{"one byte less", good, body[:len(body)-1], nil},
			}...)
		}
		for _, tt := range cases {
			t.Run(f.name+"/"+tt.name, func(t *testing.T) {
				h, box := f.to(t, slog.New(slog.DiscardHandler), f.secrets[0])
				var edits []func(http.Header)
				if tt.edit != nil {
					edits = append(edits, tt.edit)
				}
				status, answer := deliver(t, h, tt.headers, strings.NewReader(tt.body), edits...)
				if status != http.StatusUnauthorized || answer.Event != 0 || box.count() != 0 {
					t.Errorf("answer = %d %+v, %d events; want 401 and none", status, answer, box.count())
				}
			})
		}
		t.Run(f.name+"/a body without a proof is not read", func(t *testing.T) {
			h, _ := f.to(t, slog.New(slog.DiscardHandler), f.secrets[0])
			unread := strings.NewReader(body)
			if status, _ := deliver(t, h, good, unread, without); status != http.StatusUnauthorized || unread.Len() != len(body) {
				t.Errorf("answer %d after %d bytes", status, len(body)-unread.Len())
			}
		})
	}
}

func TestEverySourceRefusesWhatItCannotRead(t *testing.T) {
	for _, f := range forges() {
		good := sample(t, f.sample)
		over := io.LimitReader(zeros{}, bodyLimit+1)
		wrong := strings.NewReplacer(`"full_name": "acme/checkout"`, `"full_name": 7`, `"path_with_namespace": "acme/checkout"`, `"path_with_namespace": 7`,
			`"repository": "https://git.example.com/acme/checkout.git"`, `"repository": 7`, `"repo_full_name": "acme/checkout"`, `"repo_full_name": 7`)
		for _, tt := range []struct {
			name   string
			body   string
			stream io.Reader
			kind   string
			want   int
		}{
			{name: "over the limit", stream: over, want: http.StatusRequestEntityTooLarge},
			{name: "a body that breaks off", stream: iotest.ErrReader(io.ErrUnexpectedEOF), want: http.StatusRequestTimeout},
			{name: "another content type", body: good, kind: "text/plain", want: http.StatusUnsupportedMediaType},
			{name: "a content type that is none", body: good, kind: "a/b/c; =", want: http.StatusUnsupportedMediaType},
			{name: "no body", want: http.StatusBadRequest},
			{name: "half a body", body: good[:len(good)/2], want: http.StatusBadRequest},
			{name: "no JSON", body: "hello", want: http.StatusBadRequest},
			{name: "a list", body: "[]", want: http.StatusBadRequest},
			{name: "null", body: "null", want: http.StatusBadRequest},
			{name: "a number that is huge", body: "1e99999", want: http.StatusBadRequest},
			{name: "bytes that are not UTF-8", body: strings.Replace(good, "checkout", "check\xff\xfeout", 1), want: http.StatusBadRequest},
			{name: "a wrong type", body: wrong.Replace(good), want: http.StatusBadRequest},
			{name: "a NUL in the repository", body: strings.ReplaceAll(good, `acme/checkout`, `acme/\u0000checkout`), want: http.StatusBadRequest},
			{name: "nested too deeply", body: strings.Repeat("[", 100_000), want: http.StatusBadRequest},
		} {
			t.Run(f.name+"/"+tt.name, func(t *testing.T) {
				h, box := f.to(t, slog.New(slog.DiscardHandler), f.secrets[0])
				stream := tt.stream
				if stream == nil {
					stream = strings.NewReader(tt.body)
				}
				status, answer := deliver(t, h, f.headers(f.secrets[0], tt.body), stream, func(h http.Header) {
					if tt.kind != "" {
						h.Set("Content-Type", tt.kind)
					}
				})
				// A signature of a stream that never ends cannot be right, and its size is judged before.
				if status != tt.want || answer.Event != 0 || box.count() != 0 {
					t.Errorf("answer = %d %+v, %d events; want %d and none", status, answer, box.count(), tt.want)
				}
			})
		}
	}
}

func TestEverySourceAnswersLaterWhenTheStoreIsAway(t *testing.T) {
	for _, f := range forges() {
		t.Run(f.name, func(t *testing.T) {
			var logged bytes.Buffer
			h, box := f.to(t, slog.New(slog.NewTextHandler(&logged, nil)), f.secrets[0])
			box.failing("accept")
			body := sample(t, f.sample)
			status, answer := deliver(t, h, f.headers(f.secrets[0], body), strings.NewReader(body))
			if status != http.StatusServiceUnavailable || answer.Event != 0 || strings.Contains(answer.Message, errAway.Error()) {
				t.Errorf("answer = %d %+v, want 503 without our insides", status, answer)
			}
			if !strings.Contains(logged.String(), errAway.Error()) || strings.Contains(logged.String(), f.secrets[0]) {
				t.Errorf("logged %q, want why, and no secret", &logged)
			}
		})
	}
}

func TestGitLabsDeliveriesHaveNames(t *testing.T) {
	f, body := forges()[1], sample(t, "gitlab-push")
	sum := sha256.Sum256([]byte(body))
	whole := hex.EncodeToString(sum[:])
	for _, tt := range []struct {
		name string
		edit func(http.Header)
		want string
	}{
		{"the key of retries", func(http.Header) {}, "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"},
		{"what happened and the body, for want of it", func(h http.Header) { h.Del("Idempotency-Key") }, "13792a34-cac6-4fda-95a8-c58e00a3954e/" + whole[:16]},
		{"the body, for want of both", func(h http.Header) { h.Del("Idempotency-Key"); h.Del("X-Gitlab-Event-UUID") }, whole},
		{"a name that is too long", func(h http.Header) { h.Set("Idempotency-Key", strings.Repeat("x", 129)) }, ""},
		{"a UUID that is too long", func(h http.Header) {
			h.Del("Idempotency-Key")
			h.Set("X-Gitlab-Event-UUID", strings.Repeat("x", 120))
		}, ""},
		{"a UUID that is no name", func(h http.Header) { h.Del("Idempotency-Key"); h.Set("X-Gitlab-Event-UUID", "a b") }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, box := f.to(t, slog.New(slog.DiscardHandler), f.secrets[0])
			status, answer := deliver(t, h, f.headers(f.secrets[0], body), strings.NewReader(body), tt.edit)
			if tt.want == "" {
				if status != http.StatusBadRequest || box.count() != 0 {
					t.Errorf("answer %d %+v, want 400", status, answer)
				}
				return
			}
			if status != http.StatusAccepted || box.events[1].Delivery != tt.want {
				t.Errorf("answer %d, delivery %q, want %q", status, box.events[1].Delivery, tt.want)
			}
		})
	}
}

// Gitea sends GitHub's headers too, and whoever knows one source's secret has no say at another.
func TestThePathDecidesTheSource(t *testing.T) {
	body := sample(t, "gitea-push")
	all := forges()
	github, gitea := all[0], all[3]
	h, box := github.to(t, slog.New(slog.DiscardHandler), "s3cr3t")
	headers := gitea.headers("s3cr3t", body)
	for name, value := range github.headers("s3cr3t", body) {
		headers[name] = value
	}
	if status, _ := deliver(t, h, headers, strings.NewReader(body)); status != http.StatusAccepted || box.events[1].Source != SourceGitHub || box.events[1].Delivery != "d1" {
		t.Errorf("stored %+v", box.events[1])
	}
	// An alarm is what the webhooks of alarms store. What GitHub calls so is none.
	m, err := read(Event{Source: SourceGitHub, Kind: kindAlarm, Body: []byte(`{"name":"x","labels":{"release":"acme/checkout/production/7"}}`)})
	if err != nil || m.alarm != nil || m.nothing == "" {
		t.Errorf("read %+v, %v", m, err)
	}
	if m, err := read(Event{Source: "elsewhere", Kind: "push", Body: []byte(vector)}); err != nil || m.change != nil || !strings.Contains(m.nothing, "elsewhere") {
		t.Errorf("read %+v, %v", m, err)
	}
}
