package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/build"
	"github.com/skyisland/skyisland/internal/release"
)

// commands runs a manifest's commands with the builder, and keeps what they print.
type commands struct {
	runner *build.Runner
	// logs is the folder of the output, by release, component and kind.
	logs string
}

// Run runs a command and says how it ended.
func (c commands) Run(ctx context.Context, name, dir string, command release.Command) (activities.CommandReport, error) {
	file := filepath.Join(c.logs, filepath.FromSlash(name)+".log")
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return activities.CommandReport{}, fmt.Errorf("keep the output: %w", err)
	}
	log, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	if err != nil {
		return activities.CommandReport{}, fmt.Errorf("keep the output: %w", err)
	}
	result, err := c.runner.Run(ctx, build.Job{Dir: dir, Command: command, Log: log})
	if closed := log.Close(); err == nil && closed != nil {
		return activities.CommandReport{}, fmt.Errorf("keep the output: %w", closed)
	}
	report := activities.CommandReport{Tail: result.Tail, Took: result.Duration}
	if err == nil {
		return report, nil
	}
	if ctx.Err() == nil && commandFailed(err) {
		report.Failure = err.Error()
		return report, nil
	}
	return report, err
}

// commandFailed tells a command that did badly from one that could not be judged.
func commandFailed(err error) bool {
	var (
		exit    *build.ExitError
		timeout *build.TimeoutError
		output  *build.OutputError
		start   *build.StartError
	)
	return errors.As(err, &exit) || errors.As(err, &timeout) || errors.As(err, &output) || errors.As(err, &start)
}
