package gateway

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
)

// errClosedIdle is what a request meets on a connection that the instance has closed in the meantime.
var errClosedIdle = errors.New("the instance closed the idle connection")

// watchedConn looks, before the first byte of a request, whether the instance has closed the
// connection since its last answer. A request that has not begun can go out on another connection
// whatever its method is, and [http.Transport] does that when the first write fails with nothing
// written. Without the look a POST would be written into the closed connection and fail, because
// nobody can know then whether it was carried out.
type watchedConn struct {
	*net.TCPConn
	raw syscall.RawConn
	// answered says that bytes came since the last write, so the next write begins a request.
	answered atomic.Bool
	// peek and closed belong to the one goroutine that writes.
	peek   func(fd uintptr)
	closed bool
}

func watchConn(tcp *net.TCPConn) (*watchedConn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &watchedConn{TCPConn: tcp, raw: raw}
	c.peek = func(fd uintptr) { c.closed = closedByPeer(fd) }
	return c, nil
}

// Read reads from the instance.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 && !c.answered.Load() {
		c.answered.Store(true)
	}
	return n, err
}

// Write writes to the instance, but for a request that would begin on a closed connection.
func (c *watchedConn) Write(p []byte) (int, error) {
	if c.answered.Load() {
		c.answered.Store(false)
		if err := c.raw.Control(c.peek); err != nil || c.closed {
			return 0, errClosedIdle
		}
	}
	return c.TCPConn.Write(p)
}
