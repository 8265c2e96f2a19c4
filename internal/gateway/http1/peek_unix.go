//go:build linux || darwin || freebsd || netbsd || openbsd

package gateway

import (
	"errors"
	"syscall"
)

// closedByPeer looks at what the kernel holds for the socket without taking it. Pending bytes are left
// to whoever reads.
func closedByPeer(fd uintptr) bool {
	var one [1]byte
	n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	if err != nil {
		return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	}
	return n == 0
}
