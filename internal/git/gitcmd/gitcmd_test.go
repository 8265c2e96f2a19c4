package gitcmd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/git/gittest"
)

func find(t testing.TB) *Git {
	t.Helper()
	g, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestRunReadsNoConfigurationOfTheUser(t *testing.T) {
	home := t.TempDir()
	config := filepath.Join(home, ".gitconfig")
	if err := os.WriteFile(config, []byte("[user]\n\tname = Mallory\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("GIT_CONFIG_GLOBAL", config)
	t.Setenv("GIT_DIR", filepath.Join(home, "elsewhere"))
	g := find(t)
	_, err := g.Output(t.Context(), Command{Args: []string{"config", "--get", "user.name"}}, 100)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 1 {
		t.Errorf("git config = %v, want exit code 1: not set", err)
	}
	out, err := g.Output(t.Context(), Command{Args: []string{"config", "--get", "a.b"}, Config: []string{"a.b=c=d"}}, 100)
	if string(out) != "c=d\n" || err != nil {
		t.Errorf("a setting of the command = %q, %v", out, err)
	}
}

func TestRunRunsNoHook(t *testing.T) {
	repo := gittest.New(t)
	ran := filepath.Join(t.TempDir(), "ran")
	hook := filepath.Join(repo.Dir, ".git", "hooks", "reference-transaction")
	if err := os.MkdirAll(filepath.Dir(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	commit := repo.Commit("one")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\ntouch "+ran+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := find(t).Run(t.Context(), Command{
		Dir: filepath.Join(repo.Dir, ".git"), Args: []string{"update-ref", "refs/heads/x", commit},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ran); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the hook ran: %v", err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	if _, err := find(t).Output(t.Context(), Command{Args: []string{"help", "-a"}}, 10); !errors.Is(err, ErrOutputTooLarge) {
		t.Errorf("Output = %v, want ErrOutputTooLarge", err)
	}
}

// firstWrite tells that something was written.
type firstWrite chan struct{}

func (w firstWrite) Write(p []byte) (int, error) {
	select {
	case w <- struct{}{}:
	default:
	}
	return len(p), nil
}

func TestTheEndOfTheContextEndsGitAndItsChildren(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	alive, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	started := make(firstWrite, 1)
	done := make(chan error, 1)
	why := errors.New("enough")
	go func() {
		done <- find(t).Run(ctx, Command{
			// An alias is the way to have git start a child that ignores a polite request to end.
			Args:   []string{"stay"},
			Config: []string{"alias.stay=!trap '' TERM; echo up; sleep 600 & wait; sleep 600"},
			Stdout: started,
			Hold:   held,
		})
	}()
	<-started
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("Run = %v, want the cause", err)
	}
	// Children inherited the pipe: its end is read when the last of them is gone.
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := alive.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := alive.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("a child is still alive: %v", err)
	}
}

func TestObjects(t *testing.T) {
	repo := gittest.New(t)
	repo.Write("a", "first")
	repo.Write("b", strings.Repeat("second", 100_000))
	commit := repo.Commit("one")
	objects, err := find(t).Objects(t.Context(), filepath.Join(repo.Dir, ".git"))
	if err != nil {
		t.Fatal(err)
	}
	if o, err := objects.Open(commit + ":b"); err != nil || o.Size != 600_000 || o.Type != "blob" {
		t.Errorf("Open = %+v, %v", o, err)
	}
	if _, err := objects.Open(strings.Repeat("1", 40)); !errors.Is(err, ErrObjectMissing) {
		t.Errorf("Open of nothing = %v", err)
	}
	if _, err := objects.Open("a\nb"); err == nil {
		t.Error("a name of two lines was accepted")
	}
	o, err := objects.Open(commit + ":a") // what was left unread of b is no part of it
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 10)
	if n, err := o.Content.Read(content); string(content[:n]) != "first" || err != nil {
		t.Errorf("content = %q, %v", content[:n], err)
	}
	if err := objects.Close(); err != nil {
		t.Error(err)
	}
}

func TestRedact(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a password":           {"fatal: https://ada:pw@host/a", "fatal: https://host/a"},
		"a token and two URLs": {"http://tok@h/ ssh://u:p@h/x", "http://h/ ssh://h/x"},
		"no credentials":       {"https://host/a@b", "https://host/a@b"},
		"control characters":   {"a\x1b[2Jb\r\nc\n", "a [2Jb  c"},
		"no text":              {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Redact(c.text); got != c.want {
				t.Errorf("Redact = %q, want %q", got, c.want)
			}
		})
	}
}
