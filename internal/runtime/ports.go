package runtime

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
)

// preparePort makes sure that the instance has a port and that nobody listens there. Before its
// endpoint was handed out another port will do; after that it has to be this one.
func (r *Runtime) preparePort(ctx context.Context, i *instance) error {
	g := i.group
	g.mu.Lock()
	port, published := i.port, g.published
	g.mu.Unlock()
	if port > 0 && r.free(ctx, port) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if port > 0 && published {
		message := fmt.Sprintf("another program listens at %s, where this instance has to be: end it, or retire the revision", r.endpoint(port))
		r.set(i, PortTaken, message)
		return fmt.Errorf("start instance: %s", message)
	}
	next, err := r.takePort(ctx)
	if err != nil {
		return fmt.Errorf("start instance: %w", err)
	}
	r.releasePort(port)
	g.update(func() { i.port = next })
	// On disk before a process is at the port.
	if err := i.save(); err != nil {
		return fmt.Errorf("start instance: %w", err)
	}
	return nil
}

// takePort reserves a port nobody listens at. It begins at random, so that several installations on
// one machine seldom meet.
func (r *Runtime) takePort(ctx context.Context) (int, error) {
	first, count := r.options.Ports[0], r.options.Ports[1]-r.options.Ports[0]+1
	offset := rand.IntN(count) //nolint:gosec // any port will do
	for n := range count {
		port := first + (offset+n)%count
		r.mu.Lock()
		taken := r.reserved[port]
		r.reserved[port] = true
		r.mu.Unlock()
		if taken {
			continue
		}
		if r.free(ctx, port) {
			return port, nil
		}
		r.releasePort(port)
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("all ports from %d to %d are taken: retire revisions, or widen the range", first, first+count-1)
}

func (r *Runtime) releasePort(port int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.reserved, port)
}

// free says whether nobody listens at a port.
func (r *Runtime) free(ctx context.Context, port int) bool {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.endpoint(port))
	if err != nil {
		return false
	}
	listener.Close()
	return true
}
