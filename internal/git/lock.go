package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// locks gives one holder at a time each key, among the goroutines of this process and among processes.
type locks struct {
	dir string

	mu   sync.Mutex
	held map[string]*turn
}

// turn is the queue for one key in this process. It goes when nobody has or wants the key.
type turn struct {
	token chan struct{}
	users int
}

// lock is a key that is held. Its file is for children to inherit.
type lock struct {
	file    *os.File
	release func()
}

func newLocks(dir string) *locks { return &locks{dir: dir, held: map[string]*turn{}} }

// take waits for key until ctx ends.
func (l *locks) take(ctx context.Context, key string) (*lock, error) {
	leave, err := l.queue(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("wait for lock: %w", err)
	}
	// The file is never removed: another process may be waiting on this very inode.
	file, err := os.OpenFile(filepath.Join(l.dir, key+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		leave()
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := flock(ctx, file); err != nil {
		_ = file.Close()
		leave()
		return nil, fmt.Errorf("wait for lock of another process: %w", err)
	}
	return &lock{file: file, release: func() {
		_ = file.Close() // which unlocks, unless a child still has it open
		leave()
	}}, nil
}

func (l *locks) queue(ctx context.Context, key string) (leave func(), err error) {
	l.mu.Lock()
	t := l.held[key]
	if t == nil {
		t = &turn{token: make(chan struct{}, 1)}
		l.held[key] = t
	}
	t.users++
	l.mu.Unlock()

	done := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(l.held, key)
		}
	}
	select {
	case t.token <- struct{}{}:
		return func() { <-t.token; done() }, nil
	case <-ctx.Done():
		done()
		return nil, context.Cause(ctx)
	}
}

// flock asks again and again, since a blocking flock cannot be ended by a context.
func flock(ctx context.Context, file *os.File) error {
	const slowest = 250 * time.Millisecond
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, slowest) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}
