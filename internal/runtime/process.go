//go:build unix

package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// errGone is a process that has ended.
var errGone = errors.New("process has ended")

// process is a running instance: our child, or one that an earlier run of this program started.
type process struct {
	pid int
	// id tells it from a later process with the same number.
	id string
	// child is true when we started it, so that we are told when it has ended.
	child bool
	// ended is closed when it has ended; after that exit says how, as far as it is known.
	ended chan struct{}
	exit  string
}

// launch starts a program in a session, and so a process group, of its own. Standard output and
// error go straight to the log file: a pipe to this program would end with it, and the instance too.
func launch(program string, args, env []string, dir string, log *os.File) (*process, error) {
	// Not bound to a context: an instance outlives whoever asked for it.
	cmd := exec.CommandContext(context.Background(), program, args[1:]...)
	cmd.Args[0], cmd.Dir, cmd.Env = args[0], dir, env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, child: true, ended: make(chan struct{})}
	// Our child's number is its own until we have waited for it, so this cannot be another's. One
	// that has ended already has no identity, and needs none.
	id, err := identity(p.pid)
	if err != nil && !errors.Is(err, errGone) {
		p.signalGroup(syscall.SIGKILL)
		return nil, errors.Join(fmt.Errorf("start %s: %w", program, err), cmd.Wait())
	}
	p.id = id
	go func() {
		defer close(p.ended)
		// The state says how it ended; what else Wait could report concerns pipes, and there are none.
		_ = cmd.Wait()
		p.exit = cmd.ProcessState.String()
		p.endGroup()
	}()
	return p, nil
}

// adopt takes a process back that an earlier run of this program started. It is [errGone] when there
// is none with the number, or when the number is by now another's. Watching ends with the context.
func adopt(ctx context.Context, pid int, id string) (*process, error) {
	if pid <= 0 || id == "" {
		return nil, errGone
	}
	now, err := identity(pid)
	if err != nil {
		return nil, err
	}
	if now != id {
		return nil, errGone
	}
	p := &process{pid: pid, id: id, ended: make(chan struct{}), exit: "ended while nobody was waiting for it"}
	go func() {
		ticker := time.NewTicker(look)
		defer ticker.Stop()
		for p.alive() {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
		p.endGroup()
		close(p.ended)
	}()
	return p, nil
}

// alive says whether this very process is there. When that cannot be found out it counts as alive:
// starting a second one beside it would be worse than waiting.
func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
	}
	if p.child {
		return true
	}
	id, err := identity(p.pid)
	return !errors.Is(err, errGone) && (err != nil || id == p.id)
}

// signalGroup reaches the process and everything it started. That there is nobody left is no error.
func (p *process) signalGroup(s syscall.Signal) { _ = syscall.Kill(-p.pid, s) }

// endGroup ends what a process that has ended left behind, which may hold the port its successor
// needs. When the number is another process's by now, so may the group be, and is left alone.
func (p *process) endGroup() {
	if _, err := identity(p.pid); errors.Is(err, errGone) {
		p.signalGroup(syscall.SIGKILL)
	}
}

// stop asks the process to end, waits for so long, and then ends it and its whole group by force.
// When the context ends the wait is over and force comes at once. The error says that even this did
// not end it.
func (p *process) stop(ctx context.Context, clock Clock, drain time.Duration) error {
	if !p.alive() {
		return nil
	}
	p.signalGroup(syscall.SIGTERM)
	force := clock.After(drain)
	if !p.wait(ctx.Done(), force) && p.alive() {
		p.signalGroup(syscall.SIGKILL)
		// Force works in moments, or never, when the process hangs in the kernel: that is the
		// machine's time, whatever the clock is.
		if !p.wait(nil, time.After(killed)) {
			return fmt.Errorf("process %d does not end, even by force", p.pid)
		}
	}
	p.endGroup()
	return nil
}

// wait says whether the process ended before one of the channels did. It looks for itself, since an
// adopted process may not be watched any more.
func (p *process) wait(done <-chan struct{}, late <-chan time.Time) bool {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for p.alive() {
		select {
		case <-p.ended:
		case <-ticker.C:
		case <-done:
			return false
		case <-late:
			return false
		}
	}
	return true
}

// killed is how long a process may take to be gone after it was ended by force.
const killed = 10 * time.Second
