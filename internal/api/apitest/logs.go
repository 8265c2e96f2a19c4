package apitest

import (
	"context"
	"fmt"
	"io"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
)

// InstanceLogs implements [api.Logs].
func (i *Installation) InstanceLogs(ctx context.Context, query api.LogQuery, w io.Writer) error {
	i.mu.Lock()
	text, there := i.instances[query.Component]
	broken := i.broken
	i.mu.Unlock()
	if !there {
		return fmt.Errorf("component %q: %w", query.Component, release.ErrNotFound)
	}
	if text != "" {
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	if broken != nil {
		return broken
	}
	for query.Follow {
		select {
		case <-ctx.Done():
			return nil
		case line := <-i.follow:
			if _, err := io.WriteString(w, line+"\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// BuildLog implements [api.Logs].
func (i *Installation) BuildLog(_ context.Context, id release.ID, component string, kind api.LogKind, w io.Writer) error {
	i.mu.Lock()
	text, there := i.builds[buildKey(id, component, kind)]
	i.mu.Unlock()
	if !there {
		return fmt.Errorf("release %s has no %s log of component %q: %w", id, kind, component, release.ErrNotFound)
	}
	_, err := io.WriteString(w, text)
	return err
}

func buildKey(id release.ID, component string, kind api.LogKind) string {
	return id.String() + "/" + component + "/" + string(kind)
}
