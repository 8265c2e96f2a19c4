package build

import "io"

// output takes what a command prints: it counts, writes the log, keeps the tail, and ends the
// command when there is too much. One goroutine writes, and has ended before anything is read.
type output struct {
	log   io.Writer
	limit int64
	// end ends the command.
	end func()

	n    int64
	err  error
	tail tail
}

// Write never fails and never takes less than it was given: a command that blocks on its output
// could not clean up before it is killed.
func (o *output) Write(p []byte) (int, error) {
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
