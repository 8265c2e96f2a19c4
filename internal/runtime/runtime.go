package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

var (
	// ErrClosed is returned by what is asked of a runtime that has been stopped or detached.
	ErrClosed = errors.New("process runtime is closed")
	// ErrRetired is returned by a Deploy that a Retire of the same revision has overtaken.
	ErrRetired = errors.New("revision is being retired")
	// ErrInUse is returned when another program has the folder.
	ErrInUse = errors.New("folder is in use by another program")
)

// Runtime runs revisions as processes. Make it with [New]; it is safe for concurrent use.
type Runtime struct {
	options Options
	log     *slog.Logger
	checker *http.Client
	lock    *os.File
	// slots bounds how many instances are starting.
	slots chan struct{}
	// spawn hands supervision to Run, whose context it lives by.
	spawn chan func(context.Context)
	// closed is closed by Stop and Detach, over when Run has returned after it was running.
	closed, over chan struct{}
	closeOnce    sync.Once

	// mu guards what follows. It is never held together with a group's.
	mu       sync.Mutex
	groups   map[Key]*group
	reserved map[int]bool
	running  bool
}

// New takes the folder and reads what an earlier run left there. Nothing is started or ended before
// [Runtime.Run]. It fails with [ErrInUse] while another program has the folder.
func New(options Options) (*Runtime, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(options.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("process runtime: %w", err)
	}
	lock, err := takeLock(filepath.Join(options.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("process runtime: %s: %w", options.Dir, err)
	}
	r := &Runtime{
		options: options, log: options.Log, checker: newChecker(), lock: lock,
		slots: make(chan struct{}, options.Starts), spawn: make(chan func(context.Context)),
		closed: make(chan struct{}), over: make(chan struct{}),
		groups: map[Key]*group{}, reserved: map[int]bool{},
	}
	if err := r.load(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("process runtime: read what was running: %w", err)
	}
	return r, nil
}

// takeLock holds a file until it is closed, or this program ends in whatever way.
func takeLock(name string) (*os.File, error) {
	lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, err
	}
	return lock, nil
}

// Run adopts or starts what shall run, ends what shall not, and supervises until the context ends
// or the runtime is closed. It leaves all instances running, and the runtime closed: what remains is
// [Runtime.Stop], which ends them, or [Runtime.Detach], which gives the folder free. It can be called
// once.
func (r *Runtime) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	if r.running {
		r.mu.Unlock()
		if isClosed(r.closed) {
			return nil // it was stopped before it came to this
		}
		return errors.New("process runtime: Run was called before")
	}
	r.running = true
	groups := r.all()
	r.mu.Unlock()
	defer close(r.over)
	// Without supervision nothing can be promised any more.
	defer r.closeOnce.Do(func() { close(r.closed) })

	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { r.keepLogs(ctx) })
	for _, g := range groups {
		wg.Go(func() { r.resume(ctx, g) })
	}
	for {
		select {
		case work := <-r.spawn:
			wg.Go(func() { work(ctx) })
		case <-ctx.Done():
			return nil
		case <-r.closed:
			return nil
		}
	}
}

// resume goes on with a deployment that was on disk.
func (r *Runtime) resume(ctx context.Context, g *group) {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	if g.isGone() {
		<-g.turn
		return
	}
	if !g.desired {
		if err := r.remove(ctx, g, g.deployment.Revision.Run.Drain.Std()); err != nil {
			r.log.ErrorContext(ctx, "deployment that was being ended cannot be removed", "deployment", g.key.String(), "error", err)
		}
		<-g.turn
		return
	}
	again := g.supervised
	g.supervised = true
	<-g.turn
	if !again {
		r.supervise(ctx, g)
	}
}

// all are the groups in order. The caller holds mu.
func (r *Runtime) all() []*group {
	groups := make([]*group, 0, len(r.groups))
	for _, g := range r.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.key.Unit, b.key.Unit), cmp.Compare(a.key.Lane, b.key.Lane), cmp.Compare(a.key.Revision, b.key.Revision))
	})
	return groups
}

func (r *Runtime) snapshot() []*group {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all()
}

// Instances describes every instance, ordered by unit, lane, revision and index.
func (r *Runtime) Instances() []InstanceState {
	var states []InstanceState
	for _, g := range r.snapshot() {
		states = append(states, r.describe(g)...)
	}
	return states
}

func (r *Runtime) describe(g *group) []InstanceState {
	g.mu.Lock()
	defer g.mu.Unlock()
	states := make([]InstanceState, 0, len(g.instances))
	for _, i := range g.instances {
		state := InstanceState{
			Key: g.key, Component: g.deployment.Revision.Component, Index: i.index, State: i.state, Message: i.message,
			Restarts: i.restarts, Since: i.since, LastExit: i.lastExit,
		}
		if i.port > 0 {
			state.Endpoint = r.endpoint(i.port)
		}
		if i.process != nil {
			state.PID = i.process.pid
		}
		states = append(states, state)
	}
	return states
}

// Stop ends supervision and then every instance, which has its time to drain or until the context
// ends, whichever is sooner. All stay desired: the next start of this program starts them again, at
// the same ports.
func (r *Runtime) Stop(ctx context.Context) error {
	r.close()
	var errs []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, g := range r.snapshot() {
		wg.Go(func() {
			err := r.endAll(ctx, g, g.deployment.Revision.Run.Drain.Std())
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wg.Wait()
	if err := errors.Join(append(errs, r.lock.Close())...); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("stop process runtime: %w", err)
	}
	return nil
}

// Detach ends supervision and leaves every instance running, for the next start of this program to
// adopt.
func (r *Runtime) Detach() {
	r.close()
	r.lock.Close()
}

// close ends supervision and waits for that.
func (r *Runtime) close() {
	r.closeOnce.Do(func() { close(r.closed) })
	r.mu.Lock()
	if !r.running {
		// Run was never called, and must not be from now on.
		r.running = true
		close(r.over)
	}
	r.mu.Unlock()
	<-r.over
}
