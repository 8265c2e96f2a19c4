package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/intake"
)

// webhookInbox is a store in the words of intake, as far as a webhook needs it.
type webhookInbox struct {
	intake.Inbox

	store *Store
}

func (b webhookInbox) Accept(ctx context.Context, event intake.Event) (int64, bool, error) {
	return b.store.Accept(ctx, Event(event))
}

func TestAFullDiskIsAnsweredWith503AndNothingIsHalfDone(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "store.db"))
	box := webhookInbox{store: s}
	log := slog.New(slog.DiscardHandler)
	const secret = "a secret of the test"
	handler, err := intake.NewGitHub([]string{secret}, box, intake.NewRouter(intake.Parts{Inbox: box, Log: log}), log)
	if err != nil {
		t.Fatal(err)
	}
	deliver := func(delivery string, size int) *httptest.ResponseRecorder {
		t.Helper()
		body := fmt.Sprintf(`{"ref":"refs/heads/main","before":"%040d","after":"%040d","repository":{"full_name":"a/b"},"rest":%q}`, 1, 2, strings.Repeat("x", size))
		sum := hmac.New(sha256.New, []byte(secret))
		_, _ = sum.Write([]byte(body))
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		for name, value := range map[string]string{
			"Content-Type": "application/json", "X-GitHub-Event": "push", "X-GitHub-Delivery": delivery,
			"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(sum.Sum(nil)),
		} {
			req.Header.Set(name, value)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, req)
		return answer
	}
	var pages int
	if err := s.write.GetContext(t.Context(), &pages, "PRAGMA page_count"); err != nil {
		t.Fatal(err)
	}
	run(t, s, fmt.Sprintf("PRAGMA max_page_count = %d", pages+20))
	answer := deliver("large", 1<<20)
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" || !strings.Contains(answer.Body.String(), "deliver it again") {
		t.Errorf("answer %d, Retry-After %q: %s", answer.Code, answer.Header().Get("Retry-After"), answer.Body)
	}
	if answer := deliver("small", 10); answer.Code != http.StatusAccepted || !strings.Contains(answer.Body.String(), `"event":1`) {
		t.Errorf("a small one beside it: %d %s", answer.Code, answer.Body)
	}
	run(t, s, "PRAGMA max_page_count = 1000000")
	if answer := deliver("large", 1<<20); answer.Code != http.StatusAccepted || strings.Contains(answer.Body.String(), "duplicate") {
		t.Errorf("redelivered: %d %s", answer.Code, answer.Body)
	}
	events, err := s.Pending(t.Context(), time.Now(), 10)
	if err != nil || len(events) != 2 || events[0].Delivery != "small" || events[1].Delivery != "large" {
		t.Errorf("pending %+v, %v", len(events), err)
	}
}
