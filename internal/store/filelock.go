package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// look is how often a lock that somebody else holds is tried again.
const look = 20 * time.Millisecond

// lockFile lets one program at a time bring a SQLite file up to date, and waits for its turn until
// ctx ends. The lock is a file beside the database, because SQLite's own locks end with each
// transaction; closing it gives the lock back. It is never removed: somebody may be waiting for this
// very file.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock %s, which another program holds: %w", path, ctx.Err())
		case <-tick.C:
		}
	}
}
