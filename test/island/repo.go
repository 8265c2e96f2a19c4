package island

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Repo is somebody's working copy of an application, with the island as its remote.
type Repo struct {
	Dir string
	// Lane is where pushes to main are released.
	Lane release.Lane
	// Remote is the URL that is pushed to.
	Remote string

	t      testing.TB
	island *Island
}

// gitPatience bounds one git command.
const gitPatience = time.Minute

// FunctionCommand is the sample function in a repository of [Island.Repo], as a manifest names it.
const FunctionCommand = "bin/function"

// Repo makes an empty repository for an application, with the sample function in it as
// [FunctionCommand]. The test it is given is the one that fails with it.
func (i *Island) Repo(t testing.TB, tenant, application string) *Repo {
	t.Helper()
	r := &Repo{
		Dir: t.TempDir(), Lane: release.Lane{Tenant: tenant, Application: application, Environment: "production"},
		Remote: i.Base + "/git/" + tenant + "/" + application + ".git", t: t, island: i,
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"}, {"config", "user.name", "Tess Tester"}, {"config", "user.email", "tess@example.com"},
		{"config", "commit.gpgsign", "false"}, {"config", "remote.origin.url", r.Remote}, {"config", "gc.auto", "0"},
	} {
		r.Git(args...)
	}
	program, err := os.ReadFile(i.program.function)
	if err != nil {
		t.Fatal(err)
	}
	r.write(FunctionCommand, program, 0o755)
	return r
}

// For is the same repository for a part of the test, which fails alone.
func (r *Repo) For(t testing.TB) *Repo {
	part := *r
	part.t = t
	return &part
}

// Write writes a file of the repository.
func (r *Repo) Write(path, content string) {
	r.t.Helper()
	r.write(path, []byte(content), 0o644)
}

func (r *Repo) write(path string, content []byte, mode os.FileMode) {
	r.t.Helper()
	file := filepath.Join(r.Dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, content, mode); err != nil {
		r.t.Fatal(err)
	}
}

// Commit commits everything there is and returns the commit.
func (r *Repo) Commit(message string) string {
	r.t.Helper()
	r.Git("add", "--all")
	r.Git("commit", "--quiet", "--allow-empty", "--message", message)
	return strings.TrimSpace(r.Git("rev-parse", "HEAD"))
}

// Push commits everything there is, pushes it to main, and returns the commit and what git printed.
// Git must succeed.
func (r *Repo) Push(message string) (commit, output string) {
	r.t.Helper()
	commit = r.Commit(message)
	return commit, r.PushTo("main")
}

// PushTo pushes what was committed to a branch, and returns what git printed. Git must succeed.
func (r *Repo) PushTo(branch string) string {
	r.t.Helper()
	output, err := r.TryPush(branch)
	if err != nil {
		r.t.Fatal(err)
	}
	return output
}

// TryPush is [Repo.PushTo] for a push that may fail.
func (r *Repo) TryPush(branch string) (output string, err error) {
	return r.git("push", "origin", "HEAD:refs/heads/"+branch)
}

// Release writes a manifest, pushes it and follows its release.
func (r *Repo) Release(m Manifest) *Release {
	r.t.Helper()
	r.Write("skyisland.yaml", m.In(r.Lane))
	commit, _ := r.Push("Release " + m.name())
	return r.Find(commit)
}

// Git runs git in the working copy and returns what it printed. It must succeed.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	output, err := r.git(args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return output
}

func (r *Repo) git(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), gitPatience)
	defer cancel()
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir = r.Dir
	// The settings of whoever runs the tests are not part of them.
	command.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return output.String(), fmt.Errorf("git %s: %w\n%s", args[0], err, &output)
	}
	return output.String(), nil
}

// Entry is the URL of a component's default route in a unit, the first when unit is empty.
func (r *Repo) Entry(unit, component string) string {
	r.t.Helper()
	for _, u := range r.island.Units {
		if unit == "" || u.Name == unit {
			return u.Entry + path(r.Lane, component)
		}
	}
	r.t.Fatalf("the island has no unit %q", unit)
	return ""
}

// path is where [Manifest] puts a component: applications share the gateway of a unit.
func path(lane release.Lane, component string) string {
	return "/" + lane.Tenant + "/" + lane.Application + "/" + component
}
