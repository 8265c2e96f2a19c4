package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

// letIn has what a manifest says of its route reach the gateway, which knows callers by a key on its own machine.
func letIn(t *testing.T, i *island.Island) {
	const key = "a key that only acme has"
	sum := sha256.Sum256([]byte(key))
	line := "acme sha256:" + hex.EncodeToString(sum[:]) + "\n"
	if err := os.WriteFile(filepath.Join(i.Data, "credentials", "partners"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	web := island.Web("v1")
	web.Route = []string{"authentication: {api-key: {keys: partners}}", "limits: [{per: user, rate: 1/h, burst: 2}]"}
	repo := i.Repo(t, tenant, "doors")
	repo.Release(in(island.Manifest{Components: []island.Component{web}})).WaitEnd(release.Completed)

	ask := func(key string) (status int, retry string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, repo.Entry("", "web"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			req.Header.Set("X-Api-Key", key)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Retry-After")
	}
	for n, step := range []struct {
		key  string
		want int
	}{{"", 401}, {key + "?", 401}, {key, 200}, {key, 200}, {key, 429}, {"", 401}} {
		status, retry := ask(step.key)
		if status != step.want || (status == http.StatusTooManyRequests) != (retry != "") {
			t.Errorf("request %d got %d, Retry-After %q, want %d", n, status, retry, step.want)
		}
	}
	if routes, err := os.ReadFile(filepath.Join(i.Data, "gateways", i.Units[0].Name, "routes.json")); err != nil || strings.Contains(string(routes), key) {
		t.Errorf("the key is with the routes (%v)", err)
	}
}
