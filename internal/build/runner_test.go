package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// TestMain makes this test's own program the command under test: what it does is its first argument.
func TestMain(m *testing.M) {
	if os.Getenv("BUILD_TEST_HELPER") == "" {
		os.Exit(m.Run())
	}
	os.Exit(helper(os.Args[1:]))
}

func helper(args []string) int {
	switch args[0] {
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "exit":
		fmt.Println("to standard output")
		fmt.Fprintln(os.Stderr, "to standard error")
		code, _ := strconv.Atoi(args[1])
		return code
	case "stdin":
		n, err := io.Copy(io.Discard, os.Stdin)
		fmt.Println(n, err)
	case "where":
		dir, _ := os.Getwd()
		fmt.Println(dir)
	case "hang":
		if len(args) > 1 && args[1] == "stubborn" {
			signal.Ignore(syscall.SIGTERM)
		}
		fmt.Println("hanging")
		<-time.After(time.Hour)
	case "flood":
		line := []byte(strings.Repeat("x", 79) + "\n")
		for {
			if _, err := os.Stdout.Write(line); err != nil {
				return 1
			}
		}
	case "leave", "leave-and-hang":
		// A child that ignores the request to end, and holds our output.
		child := exec.Command(os.Args[0], "hang", "stubborn")
		child.Env, child.Stdout = os.Environ(), os.Stdout
		if err := child.Start(); err != nil {
			return 1
		}
		fmt.Println("child", child.Process.Pid)
		if args[0] == "leave-and-hang" {
			<-time.After(time.Hour)
		}
	case "beat":
		// Ends when the beat has been felt.
		for {
			if _, err := os.Stat(args[1]); err == nil {
				return 0
			}
			<-time.After(10 * time.Millisecond)
		}
	}
	return 0
}

func newRunner(t *testing.T) *Runner {
	t.Helper()
	dir := t.TempDir()
	r, err := New(Options{
		Home: filepath.Join(dir, "home"), Temp: filepath.Join(dir, "temp"), Path: "/usr/bin:/bin",
		Env: map[string]string{"DECLARED": "by the installation", "BOTH": "installation"}, Grace: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// job runs the helper; the limits are generous.
func job(t *testing.T, args ...string) Job {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Job{Dir: t.TempDir(), Command: release.Command{
		Run: append([]string{program}, args...), Env: map[string]string{"BUILD_TEST_HELPER": "1", "BOTH": "command"},
		Timeout: release.Duration(time.Minute), Output: 1 << 20,
	}}
}

func TestTheEnvironmentIsWhatWasDeclared(t *testing.T) {
	t.Setenv("SECRET_OF_OURS", "leaked")
	r := newRunner(t)
	result, err := r.Run(t.Context(), job(t, "env"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range result.Tail {
		name, value, _ := strings.Cut(line, "=")
		if name == "TMPDIR" {
			if filepath.Dir(value) != r.options.Temp {
				t.Errorf("TMPDIR is %s, want a folder in %s", value, r.options.Temp)
			}
			value = "..."
		}
		got = append(got, name+"="+value)
	}
	slices.Sort(got)
	want := []string{
		"BOTH=command", "BUILD_TEST_HELPER=1", "DECLARED=by the installation", "HOME=" + r.options.Home,
		"LANG=C.UTF-8", "PATH=/usr/bin:/bin", "TMPDIR=...",
	}
	// The folder a command runs in is set by the starter of processes, and is no secret.
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "PWD=") })
	if !slices.Equal(got, want) {
		t.Errorf("environment\n got %q\nwant %q", got, want)
	}
	if entries, err := os.ReadDir(r.options.Temp); err != nil || len(entries) > 0 {
		t.Errorf("left in the folder for temporary files: %v, %v", entries, err)
	}
}

func TestACommandRunsWhereItIsToldWithoutInput(t *testing.T) {
	r := newRunner(t)
	j := job(t, "where")
	result, err := r.Run(t.Context(), j)
	want, _ := filepath.EvalSymlinks(j.Dir)
	if err != nil || !slices.Equal(result.Tail, []string{want}) {
		t.Errorf("ran in %v, %v; want %s", result.Tail, err, want)
	}
	result, err = r.Run(t.Context(), job(t, "stdin"))
	if err != nil || !slices.Equal(result.Tail, []string{"0 <nil>"}) {
		t.Errorf("standard input: %v, %v; want an empty one", result.Tail, err)
	}
	if result, err := r.Run(t.Context(), Job{}); err != nil || result.ExitCode != 0 {
		t.Errorf("nothing to run: %+v, %v; want success", result, err)
	}
}

func TestAFailedCommandSaysHow(t *testing.T) {
	var log bytes.Buffer
	j := job(t, "exit", "3")
	j.Log = &log
	result, err := newRunner(t).Run(t.Context(), j)
	var exit *ExitError
	tail := []string{"to standard output", "to standard error"}
	if !errors.As(err, &exit) || exit.Code != 3 || !slices.Equal(exit.Tail, tail) {
		t.Errorf("got %#v, want exit code 3 with both lines", err)
	}
	if want := strings.Join(tail, "\n") + "\n"; log.String() != want || result.Output != int64(len(want)) || result.ExitCode != 3 {
		t.Errorf("log %q, result %+v; want %q", log.String(), result, want)
	}
}

func TestWhatCannotBeStarted(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, program, dir string
		want               []string
	}{
		{"a program not in PATH", "no-such-program", dir, []string{"no-such-program", "looked in /usr/bin, /bin"}},
		{"a program not in the folder", "bin/serve", dir, []string{"bin/serve", filepath.Join(dir, "bin/serve")}},
		{"a file that may not be executed", "./plain", dir, []string{"may not be executed"}},
		{"a folder that is not there", "true", filepath.Join(dir, "gone"), []string{"gone"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := newRunner(t).Run(t.Context(), Job{Dir: c.dir, Command: release.Command{
				Run: []string{c.program}, Timeout: release.Duration(time.Minute), Output: 1,
			}})
			var start *StartError
			if !errors.As(err, &start) {
				t.Fatalf("got %v, want a StartError", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestBadJobsAreRefused(t *testing.T) {
	cases := map[string]func(*release.Command){
		"no timeout":         func(c *release.Command) { c.Timeout = 0 },
		"no limit of output": func(c *release.Command) { c.Output = 0 },
		"variable":           func(c *release.Command) { c.Env = map[string]string{"A=B": "x"} },
		"zero byte":          func(c *release.Command) { c.Env = map[string]string{"A": "x\x00"} },
	}
	for want, spoil := range cases {
		j := job(t, "exit", "0")
		spoil(&j.Command)
		if _, err := newRunner(t).Run(t.Context(), j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, err := New(Options{Temp: t.TempDir()}); err == nil {
		t.Error("no home: want an error")
	}
	if _, err := New(Options{Home: t.TempDir(), Temp: t.TempDir(), Env: map[string]string{"": "x"}}); err == nil {
		t.Error("a variable without a name: want an error")
	}
}

func TestAHangIsEndedWithItsChildren(t *testing.T) {
	for _, kind := range [][]string{{"hang"}, {"hang", "stubborn"}, {"leave-and-hang"}} {
		t.Run(strings.Join(kind, " "), func(t *testing.T) {
			j := job(t, kind...)
			j.Command.Timeout = release.Duration(500 * time.Millisecond)
			result, err := newRunner(t).Run(t.Context(), j)
			var timeout *TimeoutError
			if !errors.As(err, &timeout) || timeout.After != 500*time.Millisecond || !slices.Contains(timeout.Tail, "hanging") {
				t.Fatalf("got %#v, want a TimeoutError with the output", err)
			}
			wantGone(t, result.Tail)
		})
	}
}

// wantGone fails when a process that the output names is still there.
func wantGone(t *testing.T, tail []string) {
	t.Helper()
	for _, line := range tail {
		number, found := strings.CutPrefix(line, "child ")
		if !found {
			continue
		}
		pid, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(20 * time.Second)
		for alive(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d is still there", pid)
			}
			<-time.After(10 * time.Millisecond)
		}
	}
}

// alive says whether a process runs; one that has ended and waits for its parent does not.
func alive(pid int) bool {
	out, _ := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	state := strings.TrimSpace(string(out))
	return state != "" && !strings.HasPrefix(state, "Z")
}

func TestAChildThatHoldsTheOutputDoesNotHoldTheResult(t *testing.T) {
	result, err := newRunner(t).Run(t.Context(), job(t, "leave"))
	if err != nil || result.ExitCode != 0 {
		t.Errorf("got %+v, %v; want the success of the command itself", result, err)
	}
	wantGone(t, result.Tail)
}

func TestAFloodIsEnded(t *testing.T) {
	var log bytes.Buffer
	j := job(t, "flood")
	j.Log, j.Command.Output = &log, 100_000
	_, err := newRunner(t).Run(t.Context(), j)
	var flood *OutputError
	if !errors.As(err, &flood) || flood.Limit != 100_000 || len(flood.Tail) != tailLines {
		t.Fatalf("got %#v, want an OutputError with a full tail", err)
	}
	if log.Len() != 100_000 {
		t.Errorf("the log has %d bytes, want the limit", log.Len())
	}
}

func TestTheContextEndsACommand(t *testing.T) {
	why := errors.New("somebody pressed stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	j := job(t, "leave-and-hang")
	j.Log = writer(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte("child")) {
			cancel(why)
		}
		return len(p), nil
	})
	result, err := newRunner(t).Run(ctx, j)
	if !errors.Is(err, why) {
		t.Errorf("got %v, want the reason", err)
	}
	wantGone(t, result.Tail)
	if _, err := newRunner(t).Run(ctx, j); !errors.Is(err, why) {
		t.Errorf("with a context that has ended: %v, want the reason", err)
	}
}

func TestALogThatCannotBeWrittenIsSaid(t *testing.T) {
	full := errors.New("disk full")
	for _, args := range [][]string{{"exit", "0"}, {"flood"}} {
		j := job(t, args...)
		j.Log = writer(func([]byte) (int, error) { return 0, full })
		if _, err := newRunner(t).Run(t.Context(), j); !errors.Is(err, full) {
			t.Errorf("%v: got %v, want the log's error", args, err)
		}
	}
}

func TestBeatsWhileTheCommandIsSilent(t *testing.T) {
	felt := filepath.Join(t.TempDir(), "felt")
	j := job(t, "beat", felt)
	j.Beat = func() {
		if err := os.WriteFile(felt, nil, 0o600); err != nil {
			t.Error(err)
		}
	}
	if _, err := newRunner(t).Run(t.Context(), j); err != nil {
		t.Error(err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
