package actions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/skyisland/skyisland/internal/github/actions/actionstest"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	commit = "0123456789abcdef0123456789abcdef01234567"
	other  = "ffffffffffffffffffffffffffffffffffffffff"
)

func serve(t *testing.T) *actionstest.Server {
	t.Helper()
	s := actionstest.New("acme/api", "a-token")
	t.Cleanup(s.Close)
	return s
}

// asking is what asks a server with a token.
func asking(t *testing.T, s *actionstest.Server, token string, o Options) *Actions {
	t.Helper()
	base, err := url.Parse(s.API.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	return New(func(_ context.Context, repository string) (*github.Client, string, string, error) {
		owner, name, found := strings.Cut(repository, "/")
		if !found {
			return nil, "", "", errors.New("this is no repository of GitHub")
		}
		client := github.NewClient(nil).WithAuthToken(token)
		client.BaseURL = base
		return client, owner, name, nil
	}, o)
}

func run(id int64, number int, edit func(*actionstest.Run)) actionstest.Run {
	r := actionstest.Run{ID: id, RunNumber: number, RunAttempt: 1, HeadSHA: commit, Event: "push", Status: "in_progress", Workflow: "build.yml"}
	if edit != nil {
		edit(&r)
	}
	return r
}

func TestTheNewestRunOfTheCommitCounts(t *testing.T) {
	s := serve(t)
	s.Put(
		run(1, 1, func(r *actionstest.Run) { r.Status, r.Conclusion = "completed", "failure" }),
		run(3, 3, func(r *actionstest.Run) { r.Status, r.Conclusion = "completed", "success" }),
		run(2, 2, nil),
		run(9, 9, func(r *actionstest.Run) { r.HeadSHA = other }),
		run(8, 8, func(r *actionstest.Run) { r.Workflow = "test.yml" }),
		run(7, 7, func(r *actionstest.Run) { r.Event = "pull_request" }),
		run(6, 6, func(r *actionstest.Run) { r.HeadRepository.FullName = "mallory/api" }),
		run(5, 5, func(r *actionstest.Run) { r.Event = "pull_request_target" }),
	)
	got, err := asking(t, s, "a-token", Options{}).Latest(t.Context(), "acme/api", "build.yml", commit)
	want := Run{ID: 3, URL: "https://github.com/acme/api/actions/runs/3", Status: "completed", Conclusion: "success"}
	if err != nil || got != want || !got.Succeeded() {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	s.Put(run(4, 4, func(r *actionstest.Run) { r.Status = "queued" }))
	if got, err := asking(t, s, "a-token", Options{}).Latest(t.Context(), "acme/api", "build.yml", commit); err != nil || got.ID != 4 || got.Over() || got.Succeeded() {
		t.Errorf("%+v, %v; want the one that is queued", got, err)
	}
}

// A server that does not know the question for a commit answers with all runs.
func TestOtherCommitsAreNotTaken(t *testing.T) {
	s := serve(t)
	s.Put(run(1, 1, func(r *actionstest.Run) { r.Status, r.Conclusion = "completed", "success" }))
	s.Refuse(func(_ http.ResponseWriter, r *http.Request) bool {
		r.URL.RawQuery = ""
		return false
	})
	if got, err := asking(t, s, "a-token", Options{}).Latest(t.Context(), "acme/api", "build.yml", other); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("%+v, %v; want no run", got, err)
	}
}

func TestWhatWasLookedForIsSaid(t *testing.T) {
	s := serve(t)
	a := asking(t, s, "a-token", Options{})
	_, err := a.Latest(t.Context(), "acme/api", "build.yml", commit)
	if !errors.Is(err, release.ErrNotFound) || !strings.Contains(err.Error(), "acme/api has no workflow .github/workflows/build.yml") {
		t.Errorf("no workflow: %v", err)
	}
	s.Put(run(1, 1, func(r *actionstest.Run) { r.Event = "pull_request" }))
	_, err = a.Latest(t.Context(), "acme/api", "build.yml", commit)
	if !errors.Is(err, release.ErrNotFound) || !strings.Contains(err.Error(), "acme/api has no run of build.yml for commit "+commit+" but 1 of forks or pull requests") {
		t.Errorf("no run: %v", err)
	}
	if _, err := a.Latest(t.Context(), "gitlab", "build.yml", commit); err == nil || !strings.Contains(err.Error(), "no repository of GitHub") {
		t.Errorf("another host: %v", err)
	}
}

func TestGitHubRefusesAndAsksForPatience(t *testing.T) {
	s := serve(t)
	s.Put(run(1, 1, nil))
	_, err := asking(t, s, "wrong", Options{}).Latest(t.Context(), "acme/api", "build.yml", commit)
	if !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong token: %v", err)
	}
	now := time.Unix(1_800_000_000, 0)
	a := func() *Actions { return asking(t, s, "a-token", Options{Now: func() time.Time { return now }}) }
	s.Refuse(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("X-RateLimit-Limit", "5000")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(now.Add(7*time.Minute).Unix(), 10))
		http.Error(w, `{"message": "API rate limit exceeded"}`, http.StatusForbidden)
		return true
	})
	var limited *LimitedError
	if _, err := a().Latest(t.Context(), "acme/api", "build.yml", commit); !errors.As(err, &limited) || limited.After != 7*time.Minute {
		t.Errorf("the limit is reached: %v, %+v", err, limited)
	}
	s.Refuse(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "90")
		http.Error(w, `{"message": "You have exceeded a secondary rate limit", "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`, http.StatusForbidden)
		return true
	})
	if _, err := a().Latest(t.Context(), "acme/api", "build.yml", commit); !errors.As(err, &limited) || limited.After != 90*time.Second {
		t.Errorf("too many at once: %v, %+v", err, limited)
	}
	for name, c := range map[string]struct {
		status int
		header map[string]string
		text   string
		want   time.Duration
	}{
		"429 with a time":         {429, map[string]string{"Retry-After": "90"}, `{}`, 90 * time.Second},
		"429 with a reset":        {429, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": strconv.FormatInt(now.Add(7*time.Minute).Unix(), 10)}, `{}`, 7 * time.Minute},
		"429 alone":               {429, nil, `{}`, time.Minute},
		"429 for years":           {429, map[string]string{"Retry-After": "99999999"}, `{}`, 2 * time.Hour},
		"403 with a time":         {403, map[string]string{"Retry-After": "5"}, `{"message": "Wait"}`, 5 * time.Second},
		"403 that only says it":   {403, nil, `{"message": "You have exceeded a secondary rate limit."}`, time.Minute},
		"403 with a time of then": {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": strconv.FormatInt(now.Add(-time.Minute).Unix(), 10)}, `{}`, time.Minute},
	} {
		s.Refuse(func(w http.ResponseWriter, _ *http.Request) bool {
			for key, value := range c.header {
				w.Header().Set(key, value)
			}
			http.Error(w, c.text, c.status)
			return true
		})
		limited = nil
		if _, err := a().Latest(t.Context(), "acme/api", "build.yml", commit); !errors.As(err, &limited) || limited.After != c.want || errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, %+v", name, err, limited)
		}
	}
	s.Refuse(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "away", http.StatusBadGateway)
		return true
	})
	if _, err := a().Latest(t.Context(), "acme/api", "build.yml", commit); err == nil || errors.Is(err, ErrRefused) || errors.Is(err, release.ErrNotFound) {
		t.Errorf("GitHub is down: %v, want an error that is tried again", err)
	}
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound} {
		s.Refuse(func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "<html>the page of a proxy", status)
			return true
		})
		if _, err := a().Latest(t.Context(), "acme/api", "build.yml", commit); err == nil || errors.Is(err, ErrRefused) || errors.Is(err, release.ErrNotFound) {
			t.Errorf("a proxy answers %d: %v, want an error that is tried again", status, err)
		}
	}
	over := make(chan struct{})
	defer close(over)
	s.Refuse(func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-over:
		case <-r.Context().Done():
		}
		return true
	})
	if _, err := asking(t, s, "a-token", Options{Timeout: 10 * time.Millisecond}).Latest(t.Context(), "acme/api", "build.yml", commit); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("GitHub does not answer: %v", err)
	}
}

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func TestAnArtifactIsDownloadedAndCompared(t *testing.T) {
	s := serve(t)
	s.Upload(
		actionstest.Artifact{ID: 1, Run: 5, Name: "api", Content: []byte("of the first attempt")},
		actionstest.Artifact{ID: 2, Run: 5, Name: "api", Content: []byte("the zip"), Digest: digestOf("the zip")},
		actionstest.Artifact{ID: 3, Run: 5, Name: "api-debug", Content: []byte("another")},
		actionstest.Artifact{ID: 4, Run: 6, Name: "api", Content: []byte("of another run")},
	)
	a := asking(t, s, "a-token", Options{})
	var out bytes.Buffer
	digest, n, err := a.Download(t.Context(), "acme/api", 5, "api", &out)
	if err != nil || out.String() != "the zip" || string(digest) != digestOf("the zip") || n != 7 {
		t.Errorf("%q, %s, %d, %v", out.String(), digest, n, err)
	}
	if shown := s.Shown(); len(shown) != 1 || shown[0] != "" {
		t.Errorf("where files are was shown %q", shown)
	}
	s.Upload(actionstest.Artifact{ID: 2, Run: 5, Name: "api", Content: []byte("the zip"), Digest: digestOf("what was uploaded")})
	if _, _, err := a.Download(t.Context(), "acme/api", 5, "api", &out); !errors.Is(err, ErrCorrupt) {
		t.Errorf("other bytes: %v", err)
	}
}

func TestArtifactsThatCannotBeTaken(t *testing.T) {
	s := serve(t)
	s.Upload(
		actionstest.Artifact{ID: 1, Run: 5, Name: "old", Content: []byte("x"), Expired: true},
		actionstest.Artifact{ID: 2, Run: 5, Name: "large", Content: []byte(strings.Repeat("x", 101))},
		actionstest.Artifact{ID: 3, Run: 5, Name: "larger than said", Content: []byte(strings.Repeat("x", 101)), Size: 5},
	)
	a := asking(t, s, "a-token", Options{Most: 100})
	for name, want := range map[string]struct {
		err   error
		words string
	}{
		"old":              {release.ErrNotFound, "it has expired"},
		"large":            {ErrUnusable, "it has 101 bytes, at most 100 are taken"},
		"larger than said": {ErrUnusable, "it has over 100 bytes"},
		"api":              {release.ErrNotFound, `the run has only "old", "large", "larger than said"`},
	} {
		var out bytes.Buffer
		if _, _, err := a.Download(t.Context(), "acme/api", 5, name, &out); !errors.Is(err, want.err) || !strings.Contains(err.Error(), want.words) {
			t.Errorf("%s: %v, want %q", name, err, want.words)
		}
	}
	if _, _, err := a.Download(t.Context(), "acme/api", 6, "api", &bytes.Buffer{}); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("a run that has uploaded nothing: %v", err)
	}
	s.Files.Close()
	s.Upload(actionstest.Artifact{ID: 4, Run: 5, Name: "api", Content: []byte("x")})
	if _, _, err := a.Download(t.Context(), "acme/api", 5, "api", &bytes.Buffer{}); err == nil || strings.Contains(err.Error(), "a-secret") {
		t.Errorf("where files are is away: %v, want an error without the address", err)
	}
}

func TestWhatIsSaidInsteadOfWhereTheFileIs(t *testing.T) {
	s := serve(t)
	s.Upload(actionstest.Artifact{ID: 1, Run: 5, Name: "api", Content: []byte("x")})
	asked := func(status int, key, value string) error {
		s.Refuse(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/zip") {
				return false
			}
			w.Header().Set(key, value)
			w.WriteHeader(status)
			return true
		})
		_, _, err := asking(t, s, "a-token", Options{}).Download(t.Context(), "acme/api", 5, "api", &bytes.Buffer{})
		return err
	}
	var limited *LimitedError
	if err := asked(429, "Retry-After", "90"); !errors.As(err, &limited) || limited.After != 90*time.Second {
		t.Errorf("a limit: %v", err)
	}
	if err := asked(410, "X-None", ""); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("one that has expired meanwhile: %v", err)
	}
	if err := asked(502, "X-None", ""); err == nil || errors.Is(err, ErrRefused) || errors.Is(err, release.ErrNotFound) {
		t.Errorf("GitHub is down: %v, want an error that is tried again", err)
	}
	if err := asked(302, "Location", "https://storage.example/%zz?sig=a-secret"); err == nil || strings.Contains(err.Error(), "a-secret") {
		t.Errorf("an address that is none: %v, want an error without it", err)
	}
}

func TestFilesAreNotReadInPlainText(t *testing.T) {
	for address, want := range map[string]bool{
		"https://storage.example/x": true, "http://127.0.0.1:80/x": true, "http://localhost/x": true,
		"http://storage.example/x": false, "http://10.0.0.1/x": false, "ftp://storage.example/x": false, "/x": false,
	} {
		at, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := safe(at); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}
