package cli

import (
	"errors"
	"fmt"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/release"
)

// The exit codes. They are part of what scripts rely on.
const (
	// ExitOK is success; of a release, that it completed.
	ExitOK = 0
	// ExitError is any error that has no code of its own.
	ExitError = 1
	// ExitUsage is a command line that cannot be understood.
	ExitUsage = 2
	// ExitRolledBack to ExitAborted are how a watched release ended.
	ExitRolledBack = 3
	ExitFailed     = 4
	ExitRefused    = 5
	ExitAborted    = 6
	// ExitNotFollowed is an instruction that the release refused.
	ExitNotFollowed = 7
	// ExitNotFound is that there is no such thing.
	ExitNotFound = 8
	// ExitInterrupted is the end by a signal.
	ExitInterrupted = 130
)

const exitHelp = `Exit codes:
  0    done; of a release: it completed
  1    an error
  2    the command line is wrong
  3    the release was rolled back; of policy: a test fails, an answer changes or is a no;
       of analysis: the canary would have been rolled back; of artifact: it is not proven
  4    the release failed before any traffic
  5    the release was refused
  6    the release was aborted or superseded
  7    the release does not follow the instruction
  8    there is no such thing
  130  interrupted`

// exitError ends the program with a code; without a sentence, all has been said.
type exitError struct {
	code     int
	sentence string
}

func (e *exitError) Error() string { return e.sentence }

// UsageError is an error about the command line, for the commands of [Options.Extra].
func UsageError(format string, args ...any) error { return usage(format, args...) }

func usage(format string, args ...any) error {
	return &exitError{ExitUsage, fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &exitError{ExitNotFound, fmt.Sprintf(format, args...)}
}

func notFollowed(format string, args ...any) error {
	return &exitError{ExitNotFollowed, fmt.Sprintf(format, args...)}
}

// codeOf is the exit code of an error.
func codeOf(err error) int {
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	var refused *client.Error
	if !errors.As(err, &refused) {
		return ExitError
	}
	switch refused.Problem.Code() {
	case api.CodeNotFound:
		return ExitNotFound
	case api.CodeRefused, api.CodeFinished, api.CodeConflict:
		return ExitNotFollowed
	default:
		return ExitError
	}
}

// outcome ends the program with the code of how a release ended; nil when it completed.
func outcome(phase release.Phase) error {
	codes := map[release.Phase]int{
		release.RolledBack: ExitRolledBack, release.Failed: ExitFailed, release.Refused: ExitRefused,
		release.Aborted: ExitAborted, release.Superseded: ExitAborted,
	}
	if code, ok := codes[phase]; ok {
		return &exitError{code: code}
	}
	return nil
}
