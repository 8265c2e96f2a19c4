// Package gittest makes repositories with the real git, for tests.
package gittest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Repo is a repository with a working copy.
type Repo struct {
	// Dir is the root of the working copy.
	Dir string
	t   testing.TB
}

// New makes an empty repository on branch main, gone at the end of the test.
func New(t testing.TB) *Repo {
	t.Helper()
	r := &Repo{Dir: t.TempDir(), t: t}
	r.Git("init", "--quiet", "--initial-branch=main")
	return r
}

// Env is an environment in which git reads no configuration but the one given here, and asks no one.
func Env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=/dev/null",
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada Author", "GIT_AUTHOR_EMAIL=ada@example.com",
		"GIT_COMMITTER_NAME=Cleo Committer", "GIT_COMMITTER_EMAIL=cleo@example.com",
		"GIT_AUTHOR_DATE=2024-05-06T07:08:09+02:00", "GIT_COMMITTER_DATE=2024-05-06T07:08:10+02:00",
	}
}

// Try runs git in the working copy and returns what it printed to standard output and standard error.
func (r *Repo) Try(args ...string) (stdout, stderr string, err error) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir, cmd.Env = r.Dir, Env()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return strings.TrimSpace(out.String()), errs.String(), err
}

// Git runs git, which must succeed, and returns what it printed.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	out, errs, err := r.Try(args...)
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, errs)
	}
	return out
}

// Write puts a file into the working copy.
func (r *Repo) Write(name, content string) {
	r.t.Helper()
	at := filepath.Join(r.Dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// Commit commits everything in the working copy, also when nothing changed, and returns the ID.
func (r *Repo) Commit(message string) string {
	r.t.Helper()
	r.Git("add", "--all")
	r.Git("commit", "--quiet", "--allow-empty", "-m", message)
	return r.Git("rev-parse", "HEAD")
}

// Run runs git anywhere, which must succeed, and returns what it printed.
func Run(t testing.TB, args ...string) string {
	t.Helper()
	return (&Repo{Dir: t.TempDir(), t: t}).Git(args...)
}
