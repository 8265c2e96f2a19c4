package build

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// ExitError is a command that ended by itself, and not well.
type ExitError struct {
	// Code is the exit code, or -1 when a signal ended the command.
	Code int
	// Status says the same in words, such as "exit status 2" or "signal: killed".
	Status string
	// Tail are the last lines of the output.
	Tail []string
}

func (e *ExitError) Error() string { return "command failed: " + e.Status }

// TimeoutError is a command that was ended because it took too long.
type TimeoutError struct {
	After time.Duration
	Tail  []string
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("command was still running after %s, and was ended", e.After)
}

// OutputError is a command that was ended because it printed too much.
type OutputError struct {
	// Limit is the number of bytes it may print.
	Limit int64
	Tail  []string
}

func (e *OutputError) Error() string {
	return fmt.Sprintf("command printed more than %d bytes, and was ended", e.Limit)
}

// StartError is a command that could not be started, mostly because there is no such program.
type StartError struct {
	// Program is the name as the manifest has it, Searched the files or folders that were looked at.
	Program  string
	Searched []string
	Err      error
}

func (e *StartError) Error() string {
	if errors.Is(e.Err, os.ErrNotExist) && len(e.Searched) > 0 {
		return fmt.Sprintf("start %s: no such program: looked in %s", e.Program, strings.Join(e.Searched, ", "))
	}
	return fmt.Sprintf("start %s: %v", e.Program, e.Err)
}

func (e *StartError) Unwrap() error { return e.Err }
