package build

import (
	"io"
	"slices"
	"sync"
)

// output takes what a command prints: it counts, writes the log, keeps the tail, and ends the
// command when there is too much.
type output struct {
	log   io.Writer
	limit int64
	// end ends the command.
	end func()

	// A child that outlives the wait may still be writing when the tail is read.
	mu   sync.Mutex
	n    int64
	err  error
	tail tail
}

// Write never fails and never takes less than it was given: a command that blocks on its output
// could not clean up before it is killed.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	allowed := p
	if left := o.limit - o.n; int64(len(p)) > left {
		allowed = p[:max(left, 0)]
		o.end()
	}
	o.n += int64(len(p))
	o.tail.add(allowed)
	if o.log != nil && o.err == nil && len(allowed) > 0 {
		if _, o.err = o.log.Write(allowed); o.err != nil {
			o.end()
		}
	}
	return len(p), nil
}

func (o *output) bytes() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n
}

// failed is the error of the log.
func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

func (o *output) lines() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.tail.last())
}
