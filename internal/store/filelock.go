package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// look is how often a lock that somebody else holds is tried again.
const look = 20 * time.Millisecond

// fileLock lets one program at a time bring a SQLite file up to date. It is a file beside the
// database, because SQLite's own locks end with each transaction. It is never removed: somebody may
// be waiting for this very file.
type fileLock struct {
	path string
	held *os.File
}

// SessionLock waits for the lock until ctx ends.
func (l *fileLock) SessionLock(ctx context.Context, _ *sql.Conn) error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			l.held = f
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return fmt.Errorf("lock %s: %w", l.path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return fmt.Errorf("lock %s, which another program holds: %w", l.path, ctx.Err())
		case <-tick.C:
		}
	}
}

// SessionUnlock gives the lock back.
func (l *fileLock) SessionUnlock(context.Context, *sql.Conn) error { return l.held.Close() }
