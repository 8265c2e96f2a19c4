//go:build linux || darwin || freebsd || netbsd || openbsd

package http1

import (
	"errors"
	"syscall"
)

// quiet looks at what the kernel holds for an idle connection without taking it, and says that there is nothing: the
// instance has neither closed it nor sent what nobody asked for.
func quiet(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
}
