package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/runtime"
)

// logs reads what instances and commands wrote.
type logs struct {
	runtime *runtime.Runtime
	// dir is the folder of [commands].
	dir string
}

// InstanceLogs writes what instances printed.
func (l logs) InstanceLogs(ctx context.Context, query api.LogQuery, w io.Writer) error {
	if err := l.known(query); err != nil {
		return err
	}
	filter := runtime.Filter{Unit: query.Unit, Revision: query.Revision, Component: query.Component, Tail: query.Tail, Follow: query.Follow}
	return l.runtime.Logs(ctx, filter, func(line runtime.Line) error {
		_, err := fmt.Fprintln(w, line.String())
		return err
	})
}

// known says what there is when nothing matches.
func (l logs) known(query api.LogQuery) error {
	var there []string
	seen := map[string]bool{}
	for _, instance := range l.runtime.Instances() {
		if matches(query.Unit, instance.Key.Unit) && matches(query.Revision, instance.Key.Revision) && matches(query.Component, instance.Component) {
			return nil
		}
		if name := instance.Component + " (revision " + instance.Key.Revision + " in unit " + instance.Key.Unit + ")"; !seen[name] {
			seen[name] = true
			there = append(there, name)
		}
	}
	if len(there) == 0 {
		return fmt.Errorf("logs: nothing runs here: %w", release.ErrNotFound)
	}
	return fmt.Errorf("logs: no instance matches; there are %v: %w", there, release.ErrNotFound)
}

func matches(wanted, is string) bool { return wanted == "" || wanted == is }

// BuildLog writes what a command of a release printed. The API has checked the names.
func (l logs) BuildLog(_ context.Context, id release.ID, component string, kind api.LogKind, w io.Writer) error {
	file := filepath.Join(l.dir, filepath.FromSlash(id.String()), component, string(kind)+".log")
	in, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("release %s has no %s log of %s: %w", id, kind, component, release.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("read the %s log of %s: %w", kind, component, err)
	}
	defer func() { _ = in.Close() }()
	if _, err := io.Copy(w, in); err != nil {
		return fmt.Errorf("read the %s log of %s: %w", kind, component, err)
	}
	return nil
}
