package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Retire ends a revision's instances, each with its time to drain, and removes all that is kept of
// them. A revision that is not there is no error. When the context ends meanwhile the end has been
// decided all the same: another Retire, or the next start of this program, goes on with it. The
// gateway must have moved the traffic before.
func (r *Runtime) Retire(ctx context.Context, key Key) error {
	if err := key.check(); err != nil {
		return fmt.Errorf("retire revision: %w", err)
	}
	if isClosed(r.closed) {
		return fmt.Errorf("retire %s: %w", key, ErrClosed)
	}
	r.mu.Lock()
	g := r.groups[key]
	r.mu.Unlock()
	if g == nil {
		return nil
	}
	g.beginRetire()
	var err error
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
		if !g.isGone() {
			err = r.remove(ctx, g, g.deployment.Revision.Run.Drain.Std())
		}
	case <-g.gone:
	case <-ctx.Done():
		err = ctx.Err()
	case <-r.closed:
		err = ErrClosed
	}
	if err != nil {
		return fmt.Errorf("retire %s: %w", key, err)
	}
	return nil
}

// remove ends a deployment and forgets it. The caller holds the turn.
func (r *Runtime) remove(ctx context.Context, g *group, drain time.Duration) error {
	g.update(func() { g.desired = false })
	if _, err := os.Stat(g.stateFile()); err == nil {
		// A full disk must not keep what would free it: removing needs no room, and a deployment without
		// the file is one that is being ended.
		if err := g.save(); err != nil && os.Remove(g.stateFile()) != nil {
			return err
		}
	}
	g.beginHalt()
	if g.supervised {
		select {
		case <-g.idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := r.endAll(ctx, g, drain); err != nil {
		return err
	}
	if err := g.removeDir(); err != nil {
		return err
	}
	// Folders that have become empty; one that others still use refuses.
	for dir := filepath.Dir(g.dir); dir != r.options.Dir; dir = filepath.Dir(dir) {
		if os.Remove(dir) != nil {
			break
		}
	}
	r.mu.Lock()
	delete(r.groups, g.key)
	for _, i := range g.instances {
		delete(r.reserved, i.port)
	}
	r.mu.Unlock()
	close(g.gone)
	r.log.InfoContext(ctx, "revision removed", "deployment", g.key.String())
	return nil
}

// removeDir removes the folder while nobody is at work on the logs in it.
func (g *group) removeDir() error {
	for _, i := range g.instances {
		i.logs.mu.Lock()
	}
	err := os.RemoveAll(g.dir)
	for _, i := range g.instances {
		i.logs.mu.Unlock()
	}
	return err
}

// endAll ends all processes of a deployment that is not supervised any more.
func (r *Runtime) endAll(ctx context.Context, g *group, drain time.Duration) error {
	g.mu.Lock()
	instances := g.instances
	g.mu.Unlock()
	errs := make([]error, len(instances))
	var wg sync.WaitGroup
	for n, i := range instances {
		wg.Go(func() { errs[n] = r.end(ctx, i, drain) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (r *Runtime) end(ctx context.Context, i *instance, drain time.Duration) error {
	i.group.mu.Lock()
	p, port := i.process, i.port
	i.group.mu.Unlock()
	if p == nil {
		// It may be one that this run has not come to adopt.
		found, err := adopt(ctx, i.found.PID, i.found.Identity)
		if err != nil && !errors.Is(err, errGone) {
			return err
		}
		p = found
	}
	if p != nil {
		if err := p.stop(ctx, r.options.Clock, drain); err != nil {
			return fmt.Errorf("instance %d: %w", i.index, err)
		}
	}
	if port > 0 {
		// Also what is not on record, or has left the process's group: nobody would find it again.
		r.endLost(ctx, i)
	}
	i.group.update(func() { i.process, i.healthySince = nil, time.Time{} })
	r.set(i, Stopped, "")
	if _, err := os.Stat(i.dir()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := i.save(); err != nil {
		// At worst the next start of this program looks for a process that is gone.
		r.log.WarnContext(ctx, "state of instance cannot be written", "deployment", i.group.key.String(), "instance", i.index, "error", err)
	}
	return nil
}
