package git

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/git/gittest"
)

func newSource(t *testing.T, opts Options) *Source {
	t.Helper()
	s, err := New(filepath.Join(t.TempDir(), "git"), opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFetchReadsFromTheMirrorAfterwards(t *testing.T) {
	repo := gittest.New(t)
	repo.Write("skyisland.yaml", "apiVersion: skyisland/v1\n")
	first := repo.Commit("first")
	s := newSource(t, Options{})
	if _, err := s.ReadFile(t.Context(), repo.Dir, first, "skyisland.yaml", 100); !errors.Is(err, ErrCommitUnknown) {
		t.Fatalf("before the fetch: %v, want ErrCommitUnknown", err)
	}
	if err := s.Fetch(t.Context(), "file://"+repo.Dir, first); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(repo.Dir, ".git")); err != nil {
		t.Fatal(err)
	}
	if err := s.Fetch(t.Context(), repo.Dir, first); err != nil {
		t.Errorf("a commit in the mirror was fetched again: %v", err)
	}
	got, err := s.ReadFile(t.Context(), repo.Dir, first, "skyisland.yaml", 100)
	if err != nil || string(got) != "apiVersion: skyisland/v1\n" {
		t.Errorf("ReadFile = %q, %v", got, err)
	}
}

func TestFetchOfACommitForcedAwayFromItsBranch(t *testing.T) {
	repo := gittest.New(t)
	repo.Commit("base")
	lost := repo.Commit("lost")
	repo.Git("reset", "--quiet", "--hard", "HEAD~1")
	now := repo.Commit("now")
	s := newSource(t, Options{})
	if err := s.Fetch(t.Context(), repo.Dir, now); err != nil {
		t.Fatal(err)
	}
	if err := s.Fetch(t.Context(), repo.Dir, lost); err != nil {
		t.Fatal(err)
	}
	c, err := s.Commit(t.Context(), repo.Dir, lost)
	if err != nil || c.Subject != "lost" {
		t.Errorf("Commit = %+v, %v", c, err)
	}
}

func TestFetchAfterABranchBecameAFolderOfBranches(t *testing.T) {
	repo := gittest.New(t)
	first := repo.Commit("first")
	repo.Git("branch", "topic")
	s := newSource(t, Options{})
	if err := s.Fetch(t.Context(), repo.Dir, first); err != nil {
		t.Fatal(err)
	}
	repo.Git("branch", "-D", "topic")
	repo.Git("checkout", "--quiet", "-b", "topic/a")
	second := repo.Commit("second")
	if err := s.Fetch(t.Context(), repo.Dir, second); err != nil {
		t.Error(err)
	}
}

func TestFetchErrors(t *testing.T) {
	repo := gittest.New(t)
	repo.Write("a", "a")
	commit := repo.Commit("one")
	blob := repo.Git("rev-parse", "HEAD:a")
	s := newSource(t, Options{})
	for name, c := range map[string]struct {
		repository, commit string
		want               error
	}{
		"no such commit":              {repo.Dir, strings.Repeat("1", 40), ErrCommitUnknown},
		"an object that is no commit": {repo.Dir, blob, ErrCommitUnknown},
		"no such repository":          {filepath.Join(repo.Dir, "absent"), commit, ErrUnreachable},
		"nobody listens":              {"http://127.0.0.1:1/a.git", commit, ErrUnreachable},
		"a branch for a commit":       {repo.Dir, "main", ErrInvalid},
		"an option for a commit":      {repo.Dir, "--output=/tmp/x", ErrInvalid},
		"an option for a repository":  {"--upload-pack=touch /tmp/x", commit, ErrInvalid},
		"a helper for a repository":   {"ext::sh -c id", commit, ErrInvalid},
		"a relative path":             {"repo", commit, ErrInvalid},
		"a newline":                   {"https://example.com/a\nb", commit, ErrInvalid},
		"a host that is an option":    {"ssh://-oProxyCommand=id/a", commit, ErrInvalid},
		"no repository":               {"", commit, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Fetch(t.Context(), c.repository, c.commit); !errors.Is(err, c.want) {
				t.Errorf("Fetch = %v, want %v", err, c.want)
			}
		})
	}
}

func TestFetchStopsAtTheSizeLimit(t *testing.T) {
	repo := gittest.New(t)
	repo.Write("big", strings.Repeat("0123456789abcdef", 4096))
	repo.Git("config", "core.compression", "0")
	commit := repo.Commit("big")
	s := newSource(t, Options{MirrorBytes: 1 << 10})
	if err := s.Fetch(t.Context(), repo.Dir, commit); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Fetch = %v, want ErrTooLarge", err)
	}
}

func TestCredentialsReachTheServerAndNothingElse(t *testing.T) {
	headers := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header.Get("Authorization")
		http.Error(w, "no: http://ada:s3cr3t@inner/", http.StatusForbidden)
	}))
	defer server.Close()
	s := newSource(t, Options{})
	address := strings.Replace(server.URL, "://", "://ada:s3cr3t@", 1) + "/a.git"
	err := s.Fetch(t.Context(), address, strings.Repeat("1", 40))
	if !errors.Is(err, ErrUnreachable) {
		t.Fatalf("Fetch = %v, want ErrUnreachable", err)
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the error tells the password: %v", err)
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:s3cr3t"))
	if got := <-headers; got != want {
		t.Errorf("Authorization = %q, want %q", got, want)
	}
	for _, bad := range []string{"https://ada:s3cr3t@exa mple/x", "https://ada:s3cr3t@host/a?b=c", "gopher://ada:s3cr3t@h/", "http://ada:s3cr3t%zz@h/x"} {
		if err := s.Fetch(t.Context(), bad, strings.Repeat("1", 40)); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("Fetch(%q) = %v", bad, err)
		}
	}
	matches, _ := filepath.Glob(filepath.Join(s.dir, "mirrors", "*", "*"))
	for _, name := range matches {
		if raw, err := os.ReadFile(name); err == nil && bytes.Contains(raw, []byte("s3cr3t")) {
			t.Errorf("%s holds the password", name)
		}
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(arrived) })
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(release)
	s := newSource(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Fetch(ctx, server.URL+"/a.git", strings.Repeat("1", 40)) }()
	<-arrived

	// A second fetch of the same repository waits for the first, and no longer than its own context.
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if err := s.Fetch(short, server.URL+"/a.git", strings.Repeat("1", 40)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting fetch = %v, want DeadlineExceeded", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Fetch = %v, want Canceled", err)
	}
}

func TestFetchTimeoutIsRetryable(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	s := newSource(t, Options{FetchTimeout: 50 * time.Millisecond})
	err := s.Fetch(t.Context(), server.URL+"/a.git", strings.Repeat("1", 40))
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("Fetch = %v, want ErrUnreachable", err)
	}
}

func TestFetchAfterAKillClearsWhatWasLeft(t *testing.T) {
	repo := gittest.New(t)
	first := repo.Commit("first")
	s := newSource(t, Options{})
	if err := s.Fetch(t.Context(), repo.Dir, first); err != nil {
		t.Fatal(err)
	}
	at, err := parseAddress(repo.Dir)
	if err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(s.mirror(at), "refs", "heads", "main.lock")
	if err := os.MkdirAll(filepath.Dir(stale), 0o755); err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(s.mirror(at), "objects", "pack", "tmp_pack_killed")
	for _, name := range []string{stale, pack} {
		if err := os.WriteFile(name, []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second := repo.Commit("second")
	if err := s.Fetch(t.Context(), repo.Dir, second); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pack); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary pack is still there: %v", err)
	}
}

func TestConcurrentFetchesAndExportsShareAMirror(t *testing.T) {
	repo := gittest.New(t)
	var commits []string
	for i := range 4 {
		repo.Write("n", fmt.Sprint(i))
		commits = append(commits, repo.Commit(fmt.Sprint(i)))
	}
	dir, dest := t.TempDir(), filepath.Join(t.TempDir(), "out")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := New(dir, Options{}) // as separate processes would: they share nothing but the files
			if err == nil {
				err = s.Fetch(t.Context(), repo.Dir, commits[i%4])
			}
			if err == nil {
				err = s.Export(t.Context(), repo.Dir, commits[i%4], dest)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(filepath.Dir(dest))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the export: %v, %v", entries, err)
	}
}

func TestReadFile(t *testing.T) {
	repo := gittest.New(t)
	repo.Write("dir/a b", "content")
	repo.Write("glob*", "star")
	if err := os.Symlink("dir/a b", filepath.Join(repo.Dir, "link")); err != nil {
		t.Fatal(err)
	}
	commit := repo.Commit("files")
	s := newSource(t, Options{})
	if err := s.Fetch(t.Context(), repo.Dir, commit); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path  string
		limit int64
		want  string
		err   error
	}{
		"a file":                     {"dir/a b", 7, "content", nil},
		"a name with a star":         {"glob*", 10, "star", nil},
		"a star matches nothing":     {"dir/*", 10, "", ErrFileUnknown},
		"one byte over the limit":    {"dir/a b", 6, "", ErrTooLarge},
		"no such file":               {"dir/b", 10, "", ErrFileUnknown},
		"a directory":                {"dir", 10, "", ErrFileUnknown},
		"a symbolic link":            {"link", 10, "", ErrFileUnknown},
		"pathspec magic is a name":   {":(top)glob*", 10, "", ErrFileUnknown},
		"the parent of the root":     {"../x", 10, "", ErrInvalid},
		"an absolute path":           {"/dir/a b", 10, "", ErrInvalid},
		"the root":                   {".", 10, "", ErrInvalid},
		"a newline, which is a name": {"a\nb", 10, "", ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.ReadFile(t.Context(), repo.Dir, commit, c.path, c.limit)
			if string(got) != c.want || !errors.Is(err, c.err) {
				t.Errorf("ReadFile = %q, %v, want %q, %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestCommitAndLog(t *testing.T) {
	repo := gittest.New(t)
	first := repo.Commit("first")
	second := repo.Commit("second: with a body\n\nWhy it was done.")
	third := repo.Commit(strings.Repeat("x", 500))
	repo.Git("tag", "-a", "-m", "one", "v1")
	tag := repo.Git("rev-parse", "v1")
	s := newSource(t, Options{})
	if err := s.Fetch(t.Context(), repo.Dir, tag); err != nil {
		t.Fatal(err)
	}
	got, err := s.Commit(t.Context(), repo.Dir, second)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != second || got.Author != (Person{Name: "Ada Author", Email: "ada@example.com"}) ||
		got.Committer != (Person{Name: "Cleo Committer", Email: "cleo@example.com"}) ||
		got.Subject != "second: with a body" || !strings.HasSuffix(got.Message, "Why it was done.\n") ||
		got.At.Format(time.RFC3339) != "2024-05-06T07:08:10+02:00" {
		t.Errorf("Commit = %+v", got)
	}
	if got, err := s.Commit(t.Context(), repo.Dir, tag); err != nil || got.ID != third {
		t.Errorf("Commit of a tag = %s, %v, want %s", got.ID, err, third)
	}
	ids := func(from string, limit int) string {
		t.Helper()
		commits, err := s.Log(t.Context(), repo.Dir, from, third, limit)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, c := range commits {
			if len([]rune(c.Subject)) > 200 {
				t.Errorf("subject of %d characters", len(c.Subject))
			}
			ids = append(ids, c.ID)
		}
		return strings.Join(ids, " ")
	}
	if got, want := ids("", 10), third+" "+second+" "+first; got != want {
		t.Errorf("whole log = %s, want %s", got, want)
	}
	if got, want := ids(first, 10), third+" "+second; got != want {
		t.Errorf("log = %s, want %s", got, want)
	}
	if got, want := ids(first, 1), third; got != want {
		t.Errorf("log of one = %s, want %s", got, want)
	}
	if got := ids(third, 1); got != "" {
		t.Errorf("log without a change = %s", got)
	}
	if _, err := s.Log(t.Context(), repo.Dir, strings.Repeat("2", 40), third, 5); !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("Log from an unknown commit = %v", err)
	}
	if _, err := s.Log(t.Context(), repo.Dir, "", third, 0); !errors.Is(err, ErrInvalid) {
		t.Errorf("Log of none = %v", err)
	}
}
