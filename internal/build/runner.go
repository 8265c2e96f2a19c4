// Package build runs the user's build and test commands so that they can do no more than was
// declared: without a shell, with an environment that is written down, in a process group of their
// own that ends as a whole, and with bounds on time and output.
//
// What a command starts and detaches into a session of its own escapes the process group; to hold
// that back takes a sandbox, which this package is not.
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Options are what an installation declares for every command.
type Options struct {
	// Home is the private folder that commands have as HOME. It is created, and kept, so that
	// caches in it last.
	Home string
	// Temp is where each command gets a TMPDIR of its own, which is removed when it has ended.
	Temp string
	// Path is the PATH of commands, and where programs are looked up. Empty is [DefaultPath].
	Path string
	// Env is passed through to every command, such as GOCACHE or GOPROXY.
	Env map[string]string
	// Grace is how long a command may clean up after it was asked to end, and how long a child it
	// left behind may hold its output open. 0 means 5 s.
	Grace time.Duration
}

// DefaultPath is the PATH of commands when the installation declares none.
const DefaultPath = "/usr/local/bin:/usr/bin:/bin"

const (
	defaultGrace = 5 * time.Second
	// beat is how often [Job.Beat] is called.
	beat = time.Second
)

// Runner runs commands. Make it with [New]; it is safe for concurrent use.
type Runner struct {
	options Options
}

// New checks the options and creates the folders.
func New(options Options) (*Runner, error) {
	for _, folder := range []struct {
		name string
		path *string
	}{{"home", &options.Home}, {"temp", &options.Temp}} {
		if *folder.path == "" {
			return nil, fmt.Errorf("builder: the %s folder is empty: name a folder", folder.name)
		}
		absolute, err := filepath.Abs(*folder.path)
		if err != nil {
			return nil, fmt.Errorf("builder: %s folder: %w", folder.name, err)
		}
		if err := os.MkdirAll(absolute, 0o700); err != nil {
			return nil, fmt.Errorf("builder: %s folder: %w", folder.name, err)
		}
		*folder.path = absolute
	}
	if err := checkEnv(options.Env); err != nil {
		return nil, fmt.Errorf("builder: %w", err)
	}
	if options.Path == "" {
		options.Path = DefaultPath
	}
	if options.Grace <= 0 {
		options.Grace = defaultGrace
	}
	return &Runner{options: options}, nil
}

// Job is one command to run.
type Job struct {
	// Dir is the folder to run in. A program named with a slash is relative to it.
	Dir     string
	Command release.Command
	// Log receives standard output and error as they come, up to the limit of output. Nil drops them.
	Log io.Writer
	// Beat is called about once a second for as long as the command runs, never twice at a time.
	// Nil is nobody.
	Beat func()
}

// Result is what became of a command. It is filled in as far as it is known also when there is an error.
type Result struct {
	// ExitCode is 0 for success and -1 when the command was killed or never started.
	ExitCode int
	// Tail are the last lines of the output, at most 40 and 8 KiB, fit for people to read.
	Tail []string
	// Output is the number of bytes printed.
	Output   int64
	Duration time.Duration
}

// Run runs a command to its end. A command without a program succeeds at once. Errors are
// [*ExitError], [*TimeoutError], [*OutputError] and [*StartError], the context's error when it
// ended first, and otherwise trouble with the machine. When Run returns, the command and every
// process of its group have ended.
func (r *Runner) Run(ctx context.Context, job Job) (Result, error) {
	if len(job.Command.Run) == 0 {
		return Result{}, nil
	}
	if err := check(job); err != nil {
		return Result{ExitCode: -1}, err
	}
	temp, err := os.MkdirTemp(r.options.Temp, "job-*")
	if err != nil {
		return Result{ExitCode: -1}, fmt.Errorf("run %s: %w", job.Command.Run[0], err)
	}
	// What cannot be removed is the operating system's to clean up; the command's result stands.
	defer func() { _ = os.RemoveAll(temp) }()

	env := r.environment(job.Command, temp)
	program, err := find(job.Command.Run[0], job.Dir, env["PATH"])
	if err != nil {
		return Result{ExitCode: -1}, err
	}
	return r.run(ctx, job, program, env)
}

func check(job Job) error {
	command := job.Command
	switch {
	case command.Timeout <= 0:
		return fmt.Errorf("run %s: no timeout: want a time after which the command is ended, such as 10m", command.Run[0])
	case command.Output <= 0:
		return fmt.Errorf("run %s: no limit of output: want a number of bytes", command.Run[0])
	}
	if err := checkEnv(command.Env); err != nil {
		return fmt.Errorf("run %s: %w", command.Run[0], err)
	}
	info, err := os.Stat(job.Dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", job.Dir)
	}
	if err != nil {
		return &StartError{Program: command.Run[0], Err: err}
	}
	return nil
}

func (r *Runner) run(parent context.Context, job Job, program string, env map[string]string) (Result, error) {
	command := job.Command
	ctx, cancel := context.WithTimeoutCause(parent, command.Timeout.Std(), &TimeoutError{After: command.Timeout.Std()})
	defer cancel()

	output := &output{log: job.Log, limit: command.Output, end: cancel}
	cmd := exec.CommandContext(ctx, program, command.Run[1:]...)
	cmd.Args[0] = command.Run[0]
	cmd.Dir = job.Dir
	cmd.Env = list(env)
	// One writer for both, so that lines keep their order.
	cmd.Stdout, cmd.Stderr = output, output
	group := inGroup(cmd)
	cmd.WaitDelay = r.options.Grace

	started := time.Now()
	if err := cmd.Start(); err != nil {
		if parent.Err() != nil {
			return Result{ExitCode: -1}, fmt.Errorf("run %s: %w", command.Run[0], context.Cause(parent))
		}
		return Result{ExitCode: -1}, &StartError{Program: command.Run[0], Searched: []string{program}, Err: err}
	}
	silence := every(beat, job.Beat)
	err := cmd.Wait()
	group.kill()
	silence()

	result := Result{
		ExitCode: cmd.ProcessState.ExitCode(), Tail: output.tail.last(), Output: output.n, Duration: time.Since(started),
	}
	if output.err != nil {
		return result, fmt.Errorf("run %s: write log: %w", command.Run[0], output.err)
	}
	return result, verdict(ctx, parent, command, result, err)
}

// verdict is the reason a command failed. Why it was killed comes before what that did to it.
func verdict(ctx, parent context.Context, command release.Command, result Result, err error) error {
	var exit *exec.ExitError
	var timeout *TimeoutError
	switch {
	case result.Output > command.Output:
		return &OutputError{Limit: command.Output, Tail: result.Tail}
	case err == nil:
		// Also when its time ran out in the last moment.
		return nil
	case parent.Err() != nil:
		return fmt.Errorf("run %s: %w", command.Run[0], context.Cause(parent))
	case errors.As(context.Cause(ctx), &timeout):
		return &TimeoutError{After: timeout.After, Tail: result.Tail}
	case errors.As(err, &exit):
		return &ExitError{Code: result.ExitCode, Status: exit.String(), Tail: result.Tail}
	case errors.Is(err, exec.ErrWaitDelay):
		// The command ended well; a child it forgot held its output, and is gone by now.
		return nil
	default:
		return fmt.Errorf("run %s: %w", command.Run[0], err)
	}
}

// every calls f at an interval until the function it returns is called, which waits for the last call.
func every(interval time.Duration, f func()) (stop func()) {
	if f == nil {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				f()
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}
