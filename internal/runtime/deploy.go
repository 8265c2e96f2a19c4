package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const (
	// heartbeat is how often progress is told while nothing changes, deadlineCheck how often it is
	// looked whether an instance has run out of time.
	heartbeat     = time.Second
	deadlineCheck = 250 * time.Millisecond
	// undo bounds the removal of a deployment that failed; its instances never had traffic, so they
	// get unused moments only to end by themselves.
	undo   = 30 * time.Second
	unused = 2 * time.Second
	// tailLines is how much of an instance's log an [UnhealthyError] carries.
	tailLines = 20
)

// UnhealthyError is a revision that could not be brought up.
type UnhealthyError struct {
	Revision string
	// Instance is the first one that failed, counted from 0.
	Instance int
	// Last is the last that was seen of it: the answer to a health check, the error of the
	// connection, how it exited, or why it could not be started.
	Last string
	// Exited is true when the instance ended by itself, or could not be started.
	Exited   bool
	Restarts int
	// After is how long it was waited for.
	After time.Duration
	// LogTail are the last lines the instance printed.
	LogTail []string
}

func (e *UnhealthyError) Error() string {
	what := fmt.Sprintf("is not healthy after %s", e.After.Round(time.Millisecond))
	if e.Exited {
		what = "does not stay up"
	}
	return fmt.Sprintf("revision %s: instance %d %s: %s", e.Revision, e.Instance, what, e.Last)
}

// Deploy makes sure that all instances of a revision run, and returns where they listen when all are
// healthy. It can be repeated, and called for the same revision at the same time. When an instance
// is not healthy within its time to start, keeps crashing, or cannot be started, it returns an
// [*UnhealthyError]; a revision that never was up is then removed again. When the context ends, what
// was begun stays, for another Deploy or a [Runtime.Retire]. progress, which may be nil, is told at
// least once a second what is being waited for. Nothing starts before [Runtime.Run] does.
func (r *Runtime) Deploy(ctx context.Context, d Deployment, progress func(string)) (release.Target, error) {
	target, err := r.deploy(ctx, d, progress)
	if err != nil {
		return release.Target{}, fmt.Errorf("deploy %s in unit %s: %w", d.Revision.ID, d.Unit, err)
	}
	return target, nil
}

func (r *Runtime) deploy(ctx context.Context, d Deployment, progress func(string)) (release.Target, error) {
	if err := d.check(); err != nil {
		return release.Target{}, err
	}
	progress, end := repeat(progress)
	defer end()
	progress("waiting for other work on the revision")
	g, err := r.enter(ctx, d)
	if err != nil {
		return release.Target{}, err
	}
	defer func() { <-g.turn }()

	err = r.raise(ctx, g, d, progress)
	if err == nil {
		err = r.await(ctx, g, progress)
	}
	if err != nil {
		return release.Target{}, r.undo(ctx, g, err)
	}
	g.update(func() { g.published = true })
	// On disk before anybody knows the endpoints, which must not change from now on.
	if err := g.save(); err != nil {
		return release.Target{}, err
	}
	target := release.Target{Revision: d.Revision.ID}
	for _, state := range r.describe(g) {
		target.Endpoints = append(target.Endpoints, state.Endpoint)
	}
	return target, nil
}

// repeat passes on what is new, and once a second what was said last, never two at a time, until end
// is called.
func repeat(progress func(string)) (tell func(string), end func()) {
	if progress == nil {
		return func(string) {}, func() {}
	}
	var mu sync.Mutex
	var last string
	tell = func(s string) {
		mu.Lock()
		defer mu.Unlock()
		if s != last {
			last = s
			progress(s)
		}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				mu.Lock()
				progress(last)
				mu.Unlock()
			case <-done:
				return
			}
		}
	})
	return tell, func() {
		close(done)
		wg.Wait()
	}
}

// enter returns the deployment's group with its turn, which the caller gives back.
func (r *Runtime) enter(ctx context.Context, d Deployment) (*group, error) {
	key := d.Key()
	for {
		r.mu.Lock()
		g := r.groups[key]
		if g == nil {
			g = r.newGroup(key, d)
			r.groups[key] = g
		}
		r.mu.Unlock()
		if g.isRetiring() {
			// It is asked for again, so first the old one has to be gone.
			select {
			case <-g.gone:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-r.closed:
				return nil, ErrClosed
			}
		}
		select {
		case g.turn <- struct{}{}:
		case <-g.retire:
			return nil, g.whyRetired()
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.closed:
			return nil, ErrClosed
		}
		if !g.isGone() {
			return g, nil
		}
		<-g.turn
		if g.isRetiring() {
			return nil, g.whyRetired()
		}
	}
}

// whyRetired is what a Deploy that waited for another one returns: it asked for the same, so it
// failed for the same reason.
func (g *group) whyRetired() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return cmp.Or(g.cause, ErrRetired)
}

func (g *group) isRetiring() bool { return isClosed(g.retire) }
func (g *group) isGone() bool     { return isClosed(g.gone) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// raise writes the deployment down, unpacks it and has it supervised, as far as that is not done yet.
func (r *Runtime) raise(ctx context.Context, g *group, d Deployment, progress func(string)) error {
	mine, its := d, g.deployment
	// No part of what a revision is: a release that changes nothing but the way in runs the same one.
	mine.Revision.Commit, its.Revision.Commit = "", ""
	mine.Revision.Ingress, its.Revision.Ingress = release.Ingress{}, release.Ingress{}
	if !reflect.DeepEqual(mine, its) {
		return fmt.Errorf("%w: the revision runs already, with another configuration", release.ErrConflict)
	}
	g.update(func() { g.ingress = d.Revision.Ingress })
	if _, err := os.Stat(g.stateFile()); err != nil {
		g.update(func() {
			g.desired = true
			for len(g.instances) < d.Revision.Run.Instances {
				g.instances = append(g.instances, &instance{
					group: g, index: len(g.instances), state: Starting, message: "waits for its turn to start", since: r.options.Clock.Now(),
				})
			}
		})
		if err := g.save(); err != nil {
			return err
		}
	}
	progress("unpacking artifact " + string(d.Revision.Artifact))
	if err := r.options.Unpack(ctx, d.Revision.Artifact, g.rootDir()); err != nil {
		return err
	}
	if g.supervised {
		return nil
	}
	select {
	case r.spawn <- func(ctx context.Context) { r.supervise(ctx, g) }:
		g.supervised = true
		return nil
	case <-g.retire:
		return ErrRetired
	case <-ctx.Done():
		return ctx.Err()
	case <-r.closed:
		return ErrClosed
	}
}

// await waits until all instances are healthy, or one has failed.
func (r *Runtime) await(ctx context.Context, g *group, progress func(string)) error {
	begun := r.options.Clock.Now()
	for {
		g.mu.Lock()
		changed := g.changed
		healthy, total := g.count()
		failed, err := g.failed(begun, r.options.Clock.Now())
		g.mu.Unlock()
		if healthy == total {
			return nil
		}
		if err != nil {
			err.LogTail = r.tail(failed, tailLines)
			return err
		}
		progress(fmt.Sprintf("%d of %d instances are healthy", healthy, total))
		select {
		case <-changed:
		case <-r.options.Clock.After(deadlineCheck):
		case <-g.retire:
			return ErrRetired
		case <-ctx.Done():
			return ctx.Err()
		case <-r.closed:
			return ErrClosed
		}
	}
}

// count says how many instances are healthy. The caller holds mu.
func (g *group) count() (healthy, total int) {
	for _, i := range g.instances {
		if i.state == Healthy {
			healthy++
		}
	}
	return healthy, len(g.instances)
}

// failed is the first instance that is not going to be healthy. The caller holds mu.
func (g *group) failed(begun, now time.Time) (*instance, *UnhealthyError) {
	start := g.deployment.Revision.Run.Start.Std()
	for _, i := range g.instances {
		if i.state == Healthy {
			continue
		}
		since := i.firstStart
		if !since.IsZero() && since.Before(begun) {
			since = begun
		}
		err := &UnhealthyError{
			Revision: g.key.Revision, Instance: i.index, Last: i.message, Restarts: i.restarts, After: now.Sub(since),
		}
		switch {
		case i.broken != nil:
			err.Last, err.Exited = i.broken.Error(), true
			return i, err
		case i.crashes >= crashes:
			err.Last, err.Exited = fmt.Sprintf("ended %d times in a row before it was healthy: %s", i.crashes, i.lastExit), true
			return i, err
		case !since.IsZero() && now.Sub(since) >= start:
			err.Exited = i.process == nil && i.state == Waiting
			return i, err
		}
	}
	return nil, nil
}

// undo removes a deployment that failed, unless its endpoints were handed out before, or it is
// others who decide what becomes of it.
func (r *Runtime) undo(ctx context.Context, g *group, cause error) error {
	g.mu.Lock()
	published := g.published
	g.mu.Unlock()
	if published || ctx.Err() != nil || errors.Is(cause, ErrRetired) || errors.Is(cause, ErrClosed) || errors.Is(cause, release.ErrConflict) {
		return cause
	}
	// The caller's context may end meanwhile, and half a removal helps nobody.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undo)
	defer cancel()
	g.update(func() { g.cause = cause })
	g.beginRetire()
	if err := r.remove(ctx, g, unused); err != nil {
		return errors.Join(cause, fmt.Errorf("remove what was started: %w", err))
	}
	return cause
}
