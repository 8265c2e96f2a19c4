package runtime

import (
	"context"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// group is a deployment and its instances.
type group struct {
	key Key
	dir string
	// turn is held by the one Deploy or Retire at work; those that wait for it can give up.
	turn chan struct{}
	// retire is closed when the deployment is to end, gone when it has ended.
	retire, gone chan struct{}
	// halt ends the supervision, idle is closed when it has ended. supervised belongs to the turn.
	halt, idle chan struct{}
	supervised bool
	once       struct{ retire, halt sync.Once }

	// mu guards what follows, and what changes in the instances.
	mu         sync.Mutex
	deployment Deployment
	// ingress is the way in that the revision was last given. It is kept apart because it changes
	// while instances run, and the rest of the deployment never does.
	ingress   release.Ingress
	instances []*instance
	desired   bool
	published bool
	// cause is why the deployment is ending, when that is a failure.
	cause error
	// changed is closed, and replaced, when an instance's state has changed.
	changed chan struct{}
}

// newGroup is a deployment that nothing has been done for yet.
func (r *Runtime) newGroup(key Key, d Deployment) *group {
	return &group{
		key: key, dir: r.groupDir(key), deployment: d, ingress: d.Revision.Ingress, turn: make(chan struct{}, 1),
		retire: make(chan struct{}), gone: make(chan struct{}), halt: make(chan struct{}), idle: make(chan struct{}),
		changed: make(chan struct{}),
	}
}

func (g *group) beginRetire() { g.once.retire.Do(func() { close(g.retire) }) }
func (g *group) beginHalt()   { g.once.halt.Do(func() { close(g.halt) }) }

// update changes the group or one of its instances and tells those who wait for that.
func (g *group) update(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
	close(g.changed)
	g.changed = make(chan struct{})
}

// supervise keeps all instances running until the context ends or the group is halted.
func (r *Runtime) supervise(ctx context.Context, g *group) {
	defer close(g.idle)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	g.mu.Lock()
	instances := g.instances
	g.mu.Unlock()
	for _, i := range instances {
		wg.Go(func() { r.keepRunning(ctx, i) })
	}
	select {
	case <-g.halt:
		cancel()
	case <-ctx.Done():
	}
	wg.Wait()
}

// InstanceState describes an instance.
type InstanceState struct {
	Key       Key    `json:"key"`
	Component string `json:"component"`
	// Index counts from 0 within the revision.
	Index int `json:"index"`
	// Endpoint is host:port, empty while no port has been given out.
	Endpoint string `json:"endpoint,omitempty"`
	// PID is 0 while no process is running.
	PID   int   `json:"pid,omitempty"`
	State State `json:"state"`
	// Message says what the state leaves open, such as why an instance is unhealthy.
	Message string `json:"message,omitempty"`
	// Restarts is how often it was started again after an exit nobody asked for.
	Restarts int `json:"restarts"`
	// Since is when the state began.
	Since    time.Time `json:"since"`
	LastExit string    `json:"last_exit,omitempty"`
}

// State is what an instance is doing.
type State string

// The states of an instance.
const (
	// Stopped has no process, and none is about to be started.
	Stopped State = "stopped"
	// Starting has a process, or is about to have one, that has not been healthy yet.
	Starting State = "starting"
	Healthy  State = "healthy"
	// Unhealthy was healthy, and does not answer as it should now.
	Unhealthy State = "unhealthy"
	// Waiting exited, and is started again after a while.
	Waiting State = "waiting"
	// PortTaken cannot start because another program listens at its port, which must not change.
	PortTaken State = "port-taken"
)
