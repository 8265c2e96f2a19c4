package bench_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skyisland/skyisland/test/island"
)

// benchWebhook measures from sending a signed push event until it is safely stored. Its repository is
// unknown, so that no release begins and nothing else is measured.
func benchWebhook(b *testing.B, r *report, world *island.Island) {
	body := fmt.Appendf(nil, `{"ref":"refs/heads/main","before":%q,"after":%q,"repository":{"full_name":"bench/unknown","clone_url":"http://127.0.0.1/unknown.git"},"pusher":{"name":"bench"}}`,
		strings.Repeat("a", 40), strings.Repeat("b", 40))
	sum := hmac.New(sha256.New, world.WebhookSecret())
	sum.Write(body)
	signature := "sha256=" + hex.EncodeToString(sum.Sum(nil))
	sender := &http.Client{Timeout: clientPatience}
	defer sender.CloseIdleConnections()
	var took []time.Duration
	for b.Loop() {
		for n := range *deliveries {
			request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, world.Base+"/webhooks/github", bytes.NewReader(body))
			require.NoError(b, err)
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("X-GitHub-Event", "push")
			request.Header.Set("X-GitHub-Delivery", fmt.Sprintf("bench-%d", n))
			request.Header.Set("X-Hub-Signature-256", signature)
			began := time.Now()
			response, err := sender.Do(request)
			require.NoError(b, err)
			_, err = io.Copy(io.Discard, response.Body)
			took = append(took, time.Since(began))
			require.NoError(b, err)
			require.NoError(b, response.Body.Close())
			require.Equal(b, http.StatusAccepted, response.StatusCode)
		}
	}
	r.add("webhook: push event stored and answered", "p50 %.1f ms, p99 %.1f ms (%d deliveries)", ms(median(took)), ms(quantile(took, 0.99)), len(took))
	b.ReportMetric(ms(median(took)), "p50-ms")
	b.ReportMetric(0, "ns/op")
}
