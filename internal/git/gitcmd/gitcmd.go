// Package gitcmd runs the system's git so that the caller's arguments, and nothing else, decide what it does.
//
// A git started here reads no configuration of the machine or the user, runs no hook, asks nothing on a terminal,
// speaks only http, https, ssh and file, and dies with its children when the context ends. What it prints is bounded.
package gitcmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNoGit means that the machine has no git.
var ErrNoGit = errors.New("git is not installed, or not in PATH")

// ErrOutputTooLarge means that a command printed more than its caller allowed.
var ErrOutputTooLarge = errors.New("git printed more than allowed")

// grace is how long git has, after its context ended, to remove its own lock and temporary files.
const grace = 2 * time.Second

// stderrKept is how many of the last bytes on standard error an [ExitError] can carry.
const stderrKept = 8 << 10

// Git is the system's git. Make it with [Find]; it is safe for concurrent use.
type Git struct {
	path string
}

// Find looks git up in PATH. It fails with [ErrNoGit].
func Find() (*Git, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoGit, err)
	}
	return &Git{path: path}, nil
}

// Command is one run of git.
type Command struct {
	// Dir is the repository (GIT_DIR). Empty for commands that name their repository, or need none.
	Dir string
	// Args are the subcommand and its arguments. Values that come from outside belong after "--".
	Args []string
	// Config are settings as "key=value". They travel in the environment, so secrets are not in the process list.
	Config []string
	// Env are further "NAME=value" variables.
	Env []string
	// Stdin is read to its end, or until git stops reading. Nil is empty.
	Stdin io.Reader
	// Stdout receives what git prints. Nil discards it.
	Stdout io.Writer
	// Hold is an open file which git and its children inherit. A lock on it lasts until the last of them is gone,
	// also when this process is killed before them. Nil holds nothing.
	Hold *os.File
}

// ExitError is a git that ran and failed.
type ExitError struct {
	// Subcommand is the first argument, such as "fetch".
	Subcommand string
	// Code is the exit code, -1 after a signal.
	Code int
	// Stderr is the end of what git said, without credentials and control characters.
	Stderr string
}

func (e *ExitError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("git %s: exit code %d", e.Subcommand, e.Code)
	}
	return fmt.Sprintf("git %s: exit code %d: %s", e.Subcommand, e.Code, e.Stderr)
}

// Run runs c and waits for it. It returns an [*ExitError] when git fails, and the context's error when that ended first.
func (g *Git) Run(ctx context.Context, c Command) error {
	cmd, stderr := g.prepare(ctx, c)
	cmd.Stdin, cmd.Stdout = c.Stdin, c.Stdout
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start git %s: %w", subcommand(c), err)
	}
	return finish(ctx, cmd, c, stderr)
}

// Output runs c and returns what it printed, at most limit bytes; more is [ErrOutputTooLarge]. c.Stdout is ignored.
func (g *Git) Output(ctx context.Context, c Command, limit int64) ([]byte, error) {
	out := &limitedBuffer{limit: limit}
	c.Stdout = out
	err := g.Run(ctx, c)
	if out.over {
		return nil, fmt.Errorf("git %s: %w: over %d bytes", subcommand(c), ErrOutputTooLarge, limit)
	}
	if err != nil {
		return nil, err
	}
	return out.buf.Bytes(), nil
}

// prepare builds the process, in a group of its own which the end of ctx terminates and then kills.
func (g *Git) prepare(ctx context.Context, c Command) (*exec.Cmd, *tail) {
	cmd := exec.CommandContext(ctx, g.path, c.Args...)
	cmd.Env = environment(c)
	cmd.Dir = os.TempDir() // never the caller's directory, which may be inside somebody's repository
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	if c.Hold != nil {
		cmd.ExtraFiles = []*os.File{c.Hold}
	}
	stderr := &tail{keep: stderrKept}
	cmd.Stderr = stderr
	return cmd, stderr
}

// finish waits for a started process and says how it ended.
func finish(ctx context.Context, cmd *exec.Cmd, c Command, stderr *tail) error {
	err := cmd.Wait()
	if ctxErr := ctx.Err(); ctxErr != nil {
		// WaitDelay kills only git itself; transport helpers and index-pack are in its group.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if err != nil {
			return fmt.Errorf("git %s: %w", subcommand(c), context.Cause(ctx))
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &ExitError{Subcommand: subcommand(c), Code: exit.ExitCode(), Stderr: Redact(stderr.String())}
	}
	if err != nil {
		return fmt.Errorf("git %s: %w", subcommand(c), err)
	}
	return nil
}

func subcommand(c Command) string {
	if len(c.Args) == 0 {
		return ""
	}
	return c.Args[0]
}

// inherited are the variables of this process that git may see: how to find programs, temporary space, the network
// and an SSH agent. HOME is not among them, because of ~/.netrc and ~/.config.
var inherited = []string{
	"PATH", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO",
	"http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY",
}

// noProxy is the variable of that name, with this machine added: a proxy could not reach it, and our own git remote
// listens there.
func noProxy() string {
	return strings.TrimPrefix(cmp.Or(os.Getenv("no_proxy"), os.Getenv("NO_PROXY"))+",localhost,127.0.0.1,::1", ",") //nolint:forbidigo // handed on to git, like inherited
}

// environment is everything the process sees.
func environment(c Command) []string {
	env := []string{
		"HOME=/dev/null",
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=",
		"SSH_ASKPASS=",
		"GIT_SSH_COMMAND=ssh -oBatchMode=yes -oConnectTimeout=20",
		"GIT_ALLOW_PROTOCOL=http:https:ssh:file",
		"GIT_NO_REPLACE_OBJECTS=1", // a replace ref would give another tree than the commit names
		"GIT_LITERAL_PATHSPECS=1",
		"no_proxy=" + noProxy(),
	}
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok { //nolint:forbidigo // handed on to git, no configuration of ours
			env = append(env, name+"="+value)
		}
	}
	if c.Dir != "" {
		env = append(env, "GIT_DIR="+c.Dir)
	}
	settings := append([]string{
		"core.hooksPath=/dev/null",
		"core.fsmonitor=false",
		"credential.helper=",
		"gc.auto=0", // an object once seen stays, also when its branch was forced away
		"maintenance.auto=false",
		// Git would refuse repositories of another owner, such as those on a mounted volume. Ours are named by path.
		"safe.directory=*",
	}, c.Config...)
	for i, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		n := strconv.Itoa(i)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+key, "GIT_CONFIG_VALUE_"+n+"="+value)
	}
	env = append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(settings)))
	return append(env, c.Env...)
}

// credentials are the user and password part of a URL.
var credentials = regexp.MustCompile(`(://)[^/@\s]*@`)

// Redact returns text fit for errors and logs: URLs lose their user and password, control characters become spaces.
func Redact(text string) string {
	text = credentials.ReplaceAllString(text, "$1")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.TrimSpace(text)
}

// limitedBuffer keeps up to limit bytes and refuses the rest, which makes git stop.
type limitedBuffer struct {
	buf   bytes.Buffer
	limit int64
	over  bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if int64(b.buf.Len()+len(p)) > b.limit {
		b.over = true
		return 0, ErrOutputTooLarge
	}
	return b.buf.Write(p)
}

// tail keeps the last bytes written to it.
type tail struct {
	keep int
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.keep; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }
