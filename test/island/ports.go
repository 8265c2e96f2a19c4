package island

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports for the program are taken from below those that the system gives to clients, so that none of
// the many connections of a test sits on one while the program is down, and from below those that the
// program gives to functions.
const (
	firstPort = 10000
	lastPort  = 19999
)

// FreeAddress is an address of this machine that nobody listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort+1))
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
		if err != nil {
			continue
		}
		listener.Close()
		return address
	}
	t.Fatalf("no free port between %d and %d", firstPort, lastPort)
	return ""
}
