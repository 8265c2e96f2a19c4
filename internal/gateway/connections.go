package gateway

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultMaxConnections = 10_000
	// fullAgain is how often it is said that there are as many connections as there may be.
	fullAgain = time.Minute
)

// keepAlive finds clients that are gone without a word, after 75 s without a packet. The times are Go's, the count is
// less than half: what waits on a dead client here is an instance.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}

// connections counts the clients of a gateway.
type connections struct {
	open atomic.Int64
	// said is when there were last said to be too many, in nanoseconds of uptime; 0 is never.
	said atomic.Int64
}

// Bound returns a listener that takes as many connections as [Options.MaxConnections] allows, tunnels included. Others
// wait in the kernel's queue until one closes; what that does not hold is not answered, and its client tries again.
func (g *Gateway) Bound(listener net.Listener) net.Listener {
	return &boundListener{Listener: listener, g: g, places: make(chan struct{}, g.opts.MaxConnections), closed: make(chan struct{})}
}

type boundListener struct {
	net.Listener
	g      *Gateway
	places chan struct{} // one taken for each connection
	closed chan struct{}
	once   sync.Once
}

// Accept waits for a place first and for a connection then.
func (l *boundListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	default:
		l.full()
		select {
		case l.places <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	l.g.connections.open.Add(1)
	leave := sync.OnceFunc(func() {
		l.g.connections.open.Add(-1)
		<-l.places
	})
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return &boundConn{Conn: conn, leave: leave}, nil
	}
	// Where the system refuses, a dead client costs its place for longer, and nothing else.
	if err := tcp.SetKeepAliveConfig(keepAlive); err != nil {
		l.g.opts.Log.Debug("no keep-alive for a client", "error", err)
	}
	return &boundTCPConn{TCPConn: tcp, leave: leave}, nil
}

// Close ends the listening, also of an Accept that waits for a place.
func (l *boundListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func (l *boundListener) full() {
	now := int64(l.g.uptime()) + 1
	said := l.g.connections.said.Load()
	if said != 0 && now-said < int64(fullAgain) || !l.g.connections.said.CompareAndSwap(said, now) {
		return
	}
	l.g.opts.Log.Warn("as many connections as there may be, new ones wait", slog.Int("max_connections", cap(l.places)))
}

type boundConn struct {
	net.Conn
	leave func()
}

// Close gives the connection's place to the next.
func (c *boundConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// boundTCPConn keeps what a TCP connection can do besides, such as sending a file by the kernel.
type boundTCPConn struct {
	*net.TCPConn
	leave func()
}

// Close gives the connection's place to the next.
func (c *boundTCPConn) Close() error {
	defer c.leave()
	return c.TCPConn.Close()
}
