package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/notify/webhook"
)

func TestAnErrorNeverRepeatsTheAddress(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	for _, address := range []string{server.URL + "/hook/secret-token?access_token=secret-token", "http://[secret-token", "no scheme secret-token"} {
		_, err := webhook.Send(t.Context(), webhook.NewClient(), http.MethodPost, address, nil, []byte("{}"))
		if err == nil || strings.Contains(err.Error(), "secret-token") {
			t.Errorf("Send(%q) = %v, want an error without the address", address, err)
		}
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	answer, err := webhook.Send(t.Context(), webhook.NewClient(), http.MethodPost, server.URL, nil, []byte("{}"))
	if err != nil || answer.Status != http.StatusTemporaryRedirect {
		t.Errorf("Send = %d, %v, want the redirect itself", answer.Status, err)
	}
}

func TestWindow(t *testing.T) {
	start := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	w := webhook.NewWindow(2, time.Minute)
	for i := range 2 {
		if _, ok := w.Enter(start); !ok {
			t.Fatalf("message %d has no place in an empty window", i+1)
		}
	}
	if wait, ok := w.Enter(start); ok || wait != time.Minute {
		t.Errorf("a third one while two are on their way: %s, %t, want a minute and no place", wait, ok)
	}
	w.Leave(start.Add(time.Second))
	w.Leave(start.Add(2 * time.Second))
	if wait, ok := w.Enter(start.Add(31 * time.Second)); ok || wait != 30*time.Second {
		t.Errorf("a third one after half a minute: %s, %t, want 30s and no place", wait, ok)
	}
	if _, ok := w.Enter(start.Add(61 * time.Second)); !ok {
		t.Error("no place a minute after the first was answered")
	}
	w.Leave(start.Add(61 * time.Second))
	w.Block(start.Add(10 * time.Minute))
	if wait, ok := w.Enter(start.Add(5 * time.Minute)); ok || wait != 5*time.Minute {
		t.Errorf("while blocked: %s, %t, want 5m and no place", wait, ok)
	}
}
