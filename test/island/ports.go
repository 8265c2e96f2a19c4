package island

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ports for the program are taken from below those that the system gives to clients, so that none of
// the many connections of a test sits on one while the program is down, and from below those that the
// program gives to functions.
const (
	firstPort = 10000
	lastPort  = 19999
)

// FreeAddress is an address of this machine that nobody listens on. Until the test ends nobody else is
// given it: test binaries run beside each other and pick from the same ports, and between here and where
// the program listens is time enough to pick the same one.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		claim, err := claimPort(port)
		if err != nil {
			t.Fatal(err)
		}
		if claim == nil {
			continue
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
		if err != nil {
			claim.Close()
			continue
		}
		listener.Close()
		t.Cleanup(func() { claim.Close() })
		return address
	}
	t.Fatalf("no free port between %d and %d", firstPort, lastPort)
	return ""
}

// claimPort takes the lock that stands for a port, and is nil when somebody has it. Closing it gives the port
// back, and so does the end of the process, however it ends. The files stay: somebody may hold the very one.
func claimPort(port int) (*os.File, error) {
	dir := filepath.Join(os.TempDir(), "skyisland-test-ports-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("claim a port: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claim a port: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, nil //nolint:nilerr,nilnil // somebody has it, which is an answer
	}
	return f, nil
}
