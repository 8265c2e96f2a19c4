package runtime

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// adoptionPatience is how long an instance that was healthy once may take to answer when this
// program finds it again; one that was still starting has its whole time.
const adoptionPatience = 5 * time.Second

// reclaim takes back the process an earlier run of this program left, when it is the same and
// healthy. Any other that belongs to the instance is ended, so that its port is free.
func (r *Runtime) reclaim(ctx context.Context, i *instance) *process {
	if i.found.Port == 0 {
		return nil
	}
	g := i.group
	p, err := adopt(ctx, i.found.PID, i.found.Identity)
	if err != nil {
		if !errors.Is(err, errGone) {
			r.log.WarnContext(ctx, "process of instance cannot be looked up", "deployment", g.key.String(), "instance", i.index, "error", err)
		}
		r.endLost(ctx, i)
		return nil
	}
	g.update(func() { i.process, i.firstStart = p, r.options.Clock.Now() })
	r.set(i, Starting, "found running, is asked for its health")
	patience := g.deployment.Revision.Run.Start.Std()
	if i.found.Healthy {
		patience = min(patience, adoptionPatience)
	}
	late := r.options.Clock.After(patience)
	for {
		err = r.probe(ctx, i)
		if err == nil && p.alive() {
			r.log.InfoContext(ctx, "instance adopted", "deployment", g.key.String(), "instance", i.index, "pid", p.pid, "port", i.port)
			return p
		}
		select {
		case <-p.ended:
			g.update(func() { i.process = nil })
			return nil
		case <-ctx.Done():
			return nil
		case <-late:
			r.log.WarnContext(ctx, "instance found running is not healthy and starts anew", "deployment", g.key.String(), "instance", i.index, "health", err)
			if err := p.stop(ctx, r.options.Clock, adoptionPatience); err != nil {
				r.log.ErrorContext(ctx, "instance cannot be ended", "deployment", g.key.String(), "instance", i.index, "error", err)
			}
			g.update(func() { i.process = nil })
			return nil
		case <-r.options.Clock.After(firstCheck):
		}
	}
}

// endLost ends processes of an instance that are not on record, because this program was killed
// between starting one and writing it down, or because they made themselves independent of it.
func (r *Runtime) endLost(ctx context.Context, i *instance) {
	for _, pid := range withTemp(ctx, i.tempDir()) {
		r.log.WarnContext(ctx, "process without a record is ended", "deployment", i.group.key.String(), "instance", i.index, "pid", pid)
		// It may have ended by itself.
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
