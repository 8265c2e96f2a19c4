package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// loopback is where everything listens unless the caller says otherwise.
const loopback = "127.0.0.1"

// PortError says that an address the caller asked for cannot be listened on.
// The caller adds which flag or setting changes it.
type PortError struct {
	// Name is what the address is for, as "Temporal frontend".
	Name string
	// Addr is the host:port as asked for.
	Addr string
	// Err is what the operating system or the address parser said.
	Err error
}

// Error names the address, what it is for and why it cannot be had.
func (e *PortError) Error() string {
	if errors.Is(e.Err, syscall.EADDRINUSE) {
		return fmt.Sprintf("%s for the %s is already taken by another program: stop that one or choose another address", e.Addr, e.Name)
	}
	return fmt.Sprintf("cannot listen on %s for the %s: %v", e.Addr, e.Name, e.Err)
}

// Unwrap gives the cause.
func (e *PortError) Unwrap() error { return e.Err }

// listen opens addr for what name says. An empty host is loopback.
func listen(ctx context.Context, name, addr string) (*net.TCPListener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &PortError{Name: name, Addr: addr, Err: fmt.Errorf("want host:port, as %s:0: %w", loopback, err)}
	}
	if host == "" {
		host = loopback
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, &PortError{Name: name, Addr: addr, Err: err}
	}
	return l.(*net.TCPListener), nil
}

// ports are the addresses of Temporal's services. Frontend is the caller's, the others are free ones
// on loopback. Temporal opens its listeners itself, so they can only be found free, not held.
type ports struct {
	frontend                  *net.TCPAddr
	history, matching, worker int
}

// findPorts opens all listeners at the same time, so that no two get one port, and closes them again.
// A frontend address that cannot be had is a [*PortError].
func findPorts(ctx context.Context, frontendAddr string) (ports, error) {
	frontend, err := listen(ctx, frontendName, frontendAddr)
	if err != nil {
		return ports{}, err
	}
	held := []net.Listener{frontend}
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	found := ports{frontend: frontend.Addr().(*net.TCPAddr)}
	for _, port := range []*int{&found.history, &found.matching, &found.worker} {
		l, err := listen(ctx, "Temporal services", net.JoinHostPort(loopback, "0"))
		if err != nil {
			return ports{}, err
		}
		held = append(held, l)
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return found, nil
}

// dialable is the address under which this process reaches a listener: one bound to every interface
// is reached over loopback.
func dialable(addr *net.TCPAddr) string {
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = loopback
	}
	return net.JoinHostPort(host, strconv.Itoa(addr.Port))
}
