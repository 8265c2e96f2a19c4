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

// instance is one place of a deployment: a port, and the process that is there at the moment. All
// but group, index and found is guarded by the group's mutex.
type instance struct {
	group *group
	index int
	// found is what was on disk when this program started.
	found instanceState

	port     int
	process  *process
	state    State
	message  string
	since    time.Time
	restarts int
	lastExit string
	// firstStart is when this program first tried to start it, or found it.
	firstStart time.Time
	// healthySince is when the present process was first healthy; zero when it never was.
	healthySince time.Time
	// failures counts exits and failed starts since the instance was last steadily healthy, and
	// crashes those in a row without ever being healthy in between.
	failures, crashes int
	// logs belongs to what reads and rotates the log.
	logs logState
	// broken is a reason for which no further start can succeed.
	broken error
}

// set moves the instance to a state.
func (r *Runtime) set(i *instance, state State, message string) {
	i.group.update(func() {
		if i.state != state {
			i.since = r.options.Clock.Now()
		}
		i.state, i.message = state, message
	})
}

// keepRunning adopts or starts the instance and starts it again whenever it has exited, until the
// context ends. The process is left as it is then.
func (r *Runtime) keepRunning(ctx context.Context, i *instance) {
	p := r.reclaim(ctx, i)
	for ctx.Err() == nil {
		release := func() {}
		if p == nil {
			var err error
			release, err = r.takeSlot(ctx)
			if err != nil {
				return
			}
			p, err = r.start(ctx, i)
			if err != nil {
				release()
				if ctx.Err() != nil || !r.rest(ctx, i, err.Error(), false) {
					return
				}
				continue
			}
		}
		ended := r.attend(ctx, i, p, release)
		release()
		if !ended || !r.rest(ctx, i, p.exit, true) {
			return
		}
		p = nil
	}
}

// takeSlot waits until few enough others are starting. What it returns may be called twice.
func (r *Runtime) takeSlot(ctx context.Context) (release func(), err error) {
	select {
	case r.slots <- struct{}{}:
		return sync.OnceFunc(func() { <-r.slots }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// start starts a process and writes it down before anything else happens.
func (r *Runtime) start(ctx context.Context, i *instance) (*process, error) {
	i.group.update(func() {
		if i.firstStart.IsZero() {
			i.firstStart = r.options.Clock.Now()
		}
	})
	if err := r.preparePort(ctx, i); err != nil {
		return nil, err
	}
	r.set(i, Starting, "")
	d := i.group.deployment
	for _, dir := range []string{i.homeDir(), i.tempDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("start instance: %w", err)
		}
	}
	if _, err := os.Stat(i.group.rootDir()); errors.Is(err, fs.ErrNotExist) {
		if err := r.options.Unpack(ctx, d.Revision.Artifact, i.group.rootDir()); err != nil {
			return nil, fmt.Errorf("start instance: %w", err)
		}
	}
	dir := filepath.Join(i.group.rootDir(), d.Path)
	program, err := r.program(d.Revision.Run.Command[0], dir)
	if err != nil {
		i.group.update(func() { i.broken = err })
		return nil, fmt.Errorf("start instance: %w", err)
	}
	log, err := os.OpenFile(i.logFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start instance: %w", err)
	}
	// The process has its own by then.
	defer log.Close()
	p, err := launch(program, d.Revision.Run.Command, r.environment(i), dir, log)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			i.group.update(func() { i.broken = err })
		}
		return nil, fmt.Errorf("start instance: %w", err)
	}
	i.group.update(func() { i.process, i.healthySince, i.broken = p, time.Time{}, nil })
	if err := i.save(); err != nil {
		// A process nobody would find again must not go on.
		i.group.update(func() { i.process = nil })
		return nil, errors.Join(fmt.Errorf("start instance: %w", err), p.stop(ctx, r.options.Clock, 0))
	}
	r.log.InfoContext(ctx, "instance started", "deployment", i.group.key.String(), "instance", i.index, "port", i.port, "pid", p.pid)
	return p, nil
}

// attend checks the health of a running process until it has ended, which is true, or the context has.
func (r *Runtime) attend(ctx context.Context, i *instance, p *process, release func()) bool {
	checking, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.ended:
			cancel() // nobody will answer
		case <-checking.Done():
		}
	}()
	begun, wait := r.options.Clock.Now(), firstCheck
	for {
		err := r.probe(checking, i)
		select {
		case <-p.ended:
			return true
		case <-ctx.Done():
			return false
		default:
		}
		r.noteHealth(i, err)
		next := steadyCheck
		if err != nil {
			next = wait
			wait = min(wait*3/2, lastCheck)
		}
		if err == nil || r.options.Clock.Now().Sub(begun) > i.group.deployment.Revision.Run.Start.Std() {
			release()
		}
		select {
		case <-p.ended:
			return true
		case <-ctx.Done():
			return false
		case <-r.options.Clock.After(next):
		}
	}
}

// noteHealth records what a health check found.
func (r *Runtime) noteHealth(i *instance, err error) {
	g := i.group
	g.mu.Lock()
	first, state := err == nil && i.healthySince.IsZero(), i.state
	if first {
		i.healthySince, i.crashes = r.options.Clock.Now(), 0
	}
	was := !i.healthySince.IsZero()
	g.mu.Unlock()
	switch {
	case first:
		if err := i.save(); err != nil {
			// Only the patience at the next start of this program depends on it.
			r.log.Warn("state of instance cannot be written", "deployment", g.key.String(), "instance", i.index, "error", err)
		}
		r.log.Info("instance is healthy", "deployment", g.key.String(), "instance", i.index)
		r.set(i, Healthy, "")
	case err == nil && state != Healthy:
		r.set(i, Healthy, "")
	case err != nil && was:
		r.set(i, Unhealthy, err.Error())
	case err != nil:
		r.set(i, Starting, err.Error())
	}
}

// rest records an exit, or that it did not come to a start, and waits before the next one. It is false
// when the context ended meanwhile.
func (r *Runtime) rest(ctx context.Context, i *instance, exit string, ran bool) bool {
	g := i.group
	now := r.options.Clock.Now()
	var wait time.Duration
	g.update(func() {
		if !i.healthySince.IsZero() && now.Sub(i.healthySince) >= steady {
			i.failures = 0
		}
		i.failures++
		i.crashes++
		if ran {
			i.restarts++
		}
		wait = backoff(i.failures)
		i.process, i.healthySince, i.lastExit = nil, time.Time{}, exit
		if i.state != PortTaken {
			i.state, i.since, i.message = Waiting, now, fmt.Sprintf("%s; next start after %s", exit, wait)
		}
	})
	r.log.WarnContext(ctx, "instance is not running", "deployment", g.key.String(), "instance", i.index, "reason", exit, "again_in", wait)
	if err := i.save(); err != nil {
		// At worst the next start of this program looks for a process that is gone.
		r.log.WarnContext(ctx, "state of instance cannot be written", "deployment", g.key.String(), "instance", i.index, "error", err)
	}
	select {
	case <-r.options.Clock.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}
