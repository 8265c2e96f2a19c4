package intake

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// fuzzForge is a fuzz target for a handler from its first byte to the outcome of what it stored.
func fuzzForge(f *testing.F, of forge, extra ...string) {
	f.Helper()
	for _, name := range append(extra, of.sample) {
		body := sample(f, name)
		f.Add([]byte(body), true, "push")
		f.Add([]byte(strings.ReplaceAll(body, "1000", "1e999")), true, "check_run")
		f.Add([]byte(strings.ReplaceAll(body, `"acme`, "\"\xff\xfe")), false, "release")
	}
	for _, body := range []string{``, `null`, `[]`, `{}`, `{"object_kind":"push","commits":[null],"project":null}`, `{"type":"release.requested","data":null}`} {
		f.Add([]byte(body), true, "push")
	}
	f.Fuzz(func(t *testing.T, body []byte, proved bool, kind string) {
		box := newInbox()
		router := NewRouter(Parts{Inbox: box, Applications: &registry{}, Submitter: newLanes(), Releases: &alarmed{}, Log: slog.New(slog.DiscardHandler)})
		h, err := of.make([]string{of.secrets[0]}, box, router, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		secret := of.secrets[0]
		if !proved {
			secret = "another-secret"
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
		for name, value := range of.headers(secret, string(body)) {
			r.Header.Set(name, value)
		}
		if r.Header.Get("X-GitHub-Event") != "" {
			r.Header.Set("X-GitHub-Event", kind)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if accepted := w.Code == http.StatusAccepted; accepted && !proved || (box.count() == 1) != accepted {
			t.Errorf("proved: %t, answered %d, %d events", proved, w.Code, box.count())
		}
		if w.Code != http.StatusOK && w.Code != http.StatusAccepted && (w.Code < 400 || w.Code > 499) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("answered %d %q", w.Code, w.Body)
		}
		// Whatever was accepted gets its outcome: nothing is away, so nothing may be left.
		if err := router.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left, err := box.Pending(t.Context(), time.Now().Add(time.Hour), 1); len(left) > 0 || err != nil {
			t.Errorf("left without an outcome: %+v, %v", left, err)
		}
	})
}

func FuzzReadGitHub(f *testing.F) {
	fuzzForge(f, forges()[0], "github-tag", "github-release", "github-workflow_run", "github-check_run-abort", "github-deployment_protection_rule", "github-pull_request")
}

func FuzzReadGitLab(f *testing.F) {
	fuzzForge(f, forges()[1], "gitlab-tag_push", "gitlab-delete", "gitlab-merge_request")
}

func FuzzReadGitLabSigned(f *testing.F) { fuzzForge(f, forges()[2]) }

func FuzzReadGitea(f *testing.F) { fuzzForge(f, forges()[3], "gitea-tag", "gitea-create") }

func FuzzReadStandard(f *testing.F) {
	fuzzForge(f, forges()[5], "standard-environment", "standard-ref.updated")
}

func FuzzReadRegistry(f *testing.F) { fuzzForge(f, forges()[6], "registry-image") }

// FuzzAlarmWebhooks is a fuzz target for both webhooks of alarms, from the first byte to the outcome.
func FuzzAlarmWebhooks(f *testing.F) {
	f.Add([]byte(notification("firing", map[string]string{"route": "acme/checkout/production/web"})), true, true)
	f.Add([]byte(notification("resolved", map[string]string{"x": "y"})), true, false)
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-11-27T12:00:00Z","data":{"name":"x","labels":{"a":"\xff"}}}`), false, true)
	f.Add([]byte(`{"version":"4","alerts":[{"status":"firing","fingerprint":"f","startsAt":"99999-01-01T00:00:00Z","labels":{"alertname":1e999}}]}`), true, true)
	f.Fuzz(func(t *testing.T, body []byte, alertmanager, proved bool) {
		box := newInbox()
		router := NewRouter(Parts{Inbox: box, Applications: &registry{}, Submitter: newLanes(), Releases: &alarmed{}, Log: discard()})
		open := NewCloudEvents
		if alertmanager {
			open = NewAlertmanager
		}
		h, err := open([]string{alarmToken}, box, router, discard())
		if err != nil {
			t.Fatal(err)
		}
		w := send(h, string(body), func(r *http.Request) {
			if !alertmanager {
				r.Header.Set("Content-Type", "application/cloudevents+json")
			}
			if !proved {
				r.Header.Set("Authorization", "Bearer another")
			}
		})
		accepted := w.Code == http.StatusAccepted
		if accepted && !proved || box.count() > 0 && !accepted || !accepted && (w.Code < 400 || w.Code > 499) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("proved: %t, answered %d %s, %d events", proved, w.Code, w.Body, box.count())
		}
		if err := router.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left, err := box.Pending(t.Context(), time.Now().Add(time.Hour), 1); box.count() <= batch && len(left) > 0 || err != nil {
			t.Errorf("left without an outcome: %+v, %v", left, err)
		}
	})
}
