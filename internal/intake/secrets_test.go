package intake

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestEverySourceNeedsASecretAndHasTwoAtMost(t *testing.T) {
	for _, f := range forges() {
		t.Run(f.name, func(t *testing.T) {
			for _, tt := range []struct {
				name    string
				secrets []string
				want    string
			}{
				{"none", nil, "no secret"},
				{"an empty one", []string{""}, "secret 1 is blank"},
				{"a blank one", []string{" \t\n"}, "secret 1 is blank"},
				{"a blank one beside a good one", []string{f.secrets[0], ""}, "secret 2 is blank"},
				{"the same twice", []string{f.secrets[0], f.secrets[0]}, "secret 2 stands twice"},
				{"three", []string{f.secrets[0], f.secrets[1], "third"}, "at most 2"},
			} {
				_, err := f.make(tt.secrets, newInbox(), nil, slog.New(slog.DiscardHandler))
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), f.secrets[0]) {
					t.Errorf("%s: error = %v, want %q", tt.name, err, tt.want)
				}
			}
		})
	}
}

// The way of a rotation: the old one alone, both, the new one alone. The log says when the old one is needed no longer.
func TestASecretIsReplacedWithoutAGap(t *testing.T) {
	for _, f := range forges() {
		t.Run(f.name, func(t *testing.T) {
			body := sample(t, f.sample)
			newer, older := f.secrets[0], f.secrets[1]
			for _, tt := range []struct {
				valid []string
				shown string
				want  int
				log   string
			}{
				{[]string{older}, older, http.StatusAccepted, "secret=1"},
				{[]string{older}, newer, http.StatusUnauthorized, ""},
				{[]string{newer, older}, older, http.StatusAccepted, "secret=2"},
				{[]string{newer, older}, newer, http.StatusAccepted, "secret=1"},
				{[]string{newer}, newer, http.StatusAccepted, "secret=1"},
				{[]string{newer}, older, http.StatusUnauthorized, ""},
			} {
				var logged bytes.Buffer
				h, _ := f.to(t, slog.New(slog.NewTextHandler(&logged, nil)), tt.valid...)
				status, answer := deliver(t, h, f.headers(tt.shown, body), strings.NewReader(body))
				if status != tt.want {
					t.Errorf("%v valid, %s shown: answer %d %+v, want %d", tt.valid, tt.shown, status, answer, tt.want)
				}
				if !strings.Contains(logged.String(), tt.log) || strings.Contains(logged.String(), newer) || strings.Contains(logged.String(), older) {
					t.Errorf("%v valid, %s shown: logged %q, want %q and no secret", tt.valid, tt.shown, &logged, tt.log)
				}
			}
		})
	}
}

func TestGitLabGoesFromATokenToASignature(t *testing.T) {
	body := sample(t, "gitlab-push")
	token, signing := forges()[1], forges()[2]
	var logged bytes.Buffer
	h, box := signing.to(t, slog.New(slog.NewTextHandler(&logged, nil)), standardSecret, "glt-s3cr3t")
	if status, answer := deliver(t, h, token.headers("glt-s3cr3t", body), strings.NewReader(body)); status != http.StatusAccepted || !strings.Contains(logged.String(), "secret=2") {
		t.Errorf("the token: %d %+v, logged %s", status, answer, &logged)
	}
	both := signing.headers(standardSecret, body)
	both["X-Gitlab-Token"] = "glt-s3cr3t"
	if status, answer := deliver(t, h, both, strings.NewReader(body)); status != http.StatusAccepted || !strings.Contains(logged.String(), "secret=1") {
		t.Errorf("both: %d %+v, logged %s", status, answer, &logged)
	}
	if status, _ := deliver(t, h, both, strings.NewReader(body+" ")); status != http.StatusUnauthorized || box.count() != 2 {
		t.Errorf("a signature that does not fit is answered %d although the token does", status)
	}
	h, _ = signing.to(t, slog.New(slog.DiscardHandler), standardSecret)
	if status, answer := deliver(t, h, token.headers("glt-s3cr3t", body), strings.NewReader(body)); status != http.StatusUnauthorized || !strings.Contains(answer.Message, "webhook-id") {
		t.Errorf("a token where only signatures count: %d %+v", status, answer)
	}
	if _, err := NewGitLab([]string{"whsec_short"}, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "24 to 64 bytes") || strings.Contains(err.Error(), "short") {
		t.Errorf("a signing token that is none: %v", err)
	}
}

func TestAlarmsHaveTwoTokensToo(t *testing.T) {
	var logged bytes.Buffer
	f := newFixture(t)
	source, err := NewAlertmanager([]string{"new-token", alarmToken}, f.inbox, f.Router, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	good := notification("firing", map[string]string{"route": "acme/checkout/production/web"})
	if w := send(source, good); w.Code != http.StatusAccepted || !strings.Contains(logged.String(), "secret=2") {
		t.Errorf("the old token: %d %s, logged %s", w.Code, w.Body, &logged)
	}
	logged.Reset()
	if w := send(source, good, func(r *http.Request) { r.Header.Set("Authorization", "Bearer new-token") }); w.Code != http.StatusAccepted || !strings.Contains(logged.String(), "secret=1") {
		t.Errorf("the new token: %d %s, logged %s", w.Code, w.Body, &logged)
	}
	if w := send(source, good, func(r *http.Request) { r.Header.Set("Authorization", "Bearer newer-token") }); w.Code != http.StatusUnauthorized {
		t.Errorf("another token: %d", w.Code)
	}
	if _, err := NewCloudEvents([]string{"a", "b", "c"}, f.inbox, f.Router, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("three tokens are taken")
	}
}
