package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Options are what an installation declares for all instances.
type Options struct {
	// Dir holds everything: unpacked artifacts, logs, state. One program at a time can have it.
	Dir string
	// Unpack makes dest the folder of an artifact, whole or not at all; when it is that already it
	// does nothing.
	Unpack func(ctx context.Context, artifact release.Digest, dest string) error
	// Host is the address instances listen at. Empty is 127.0.0.1.
	Host string
	// Ports are the first and the last port that instances get. Zero is 20000 to 29999, which is
	// below the ports that systems give to outgoing connections: an instance that is restarted must
	// not find its port used by a client.
	Ports [2]int
	// Path is the PATH of instances, and where programs are looked up. Empty is
	// /usr/local/bin:/usr/bin:/bin.
	Path string
	// Env is given to every instance.
	Env map[string]string
	// Starts is how many instances may be starting at the same time. 0 is 4.
	Starts int
	// LogBytes is the size at which an instance's log file is set aside; two are kept beside the
	// one that is written. 0 is 10 MiB.
	LogBytes int64
	Log      *slog.Logger
	// Clock is the time; nil is the system's.
	Clock Clock
}

// Clock tells the time and waits.
type Clock interface {
	Now() time.Time
	// After is [time.After].
	After(d time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// withDefaults fills in what is left open and says what is wrong.
func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("process runtime: no folder: name one")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("process runtime: %w", err)
	}
	o.Dir = dir
	if o.Unpack == nil {
		return o, errors.New("process runtime: nothing to unpack artifacts with")
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if net.ParseIP(o.Host) == nil {
		return o, fmt.Errorf("process runtime: host %q: want an IP address of this machine, such as 127.0.0.1", o.Host)
	}
	if o.Ports == [2]int{} {
		o.Ports = [2]int{20000, 29999}
	}
	if o.Ports[0] < 1 || o.Ports[1] > 65535 || o.Ports[0] > o.Ports[1] {
		return o, fmt.Errorf("process runtime: ports %d to %d: want the first and the last of a range between 1 and 65535", o.Ports[0], o.Ports[1])
	}
	if o.Path == "" {
		o.Path = "/usr/local/bin:/usr/bin:/bin"
	}
	if o.Starts <= 0 {
		o.Starts = 4
	}
	if o.LogBytes <= 0 {
		o.LogBytes = 10 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	return o, checkEnv(o.Env)
}
