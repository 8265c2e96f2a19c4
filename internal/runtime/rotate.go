package runtime

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// logTick is how often logs are looked at: the precision of a line's time.
const logTick = 500 * time.Millisecond

// logState is what is known about an instance's log file while this program runs.
type logState struct {
	mu sync.Mutex
	// indexed is the size at the last record of when what was written.
	indexed int64
	// rotations counts how often the file was set aside, and cut is how many bytes at its start
	// were not kept the last time.
	rotations int
	cut       int64
	// trouble is the last error that was logged, so that it is said once.
	trouble string
}

// mark is a moment at which a log had a size. The instance writes its log itself, so this is how
// its lines come by a time.
type mark struct {
	size int64
	at   time.Time
}

// keepLogs notes when logs grow and sets large ones aside, until the context ends.
func (r *Runtime) keepLogs(ctx context.Context) {
	ticker := time.NewTicker(logTick)
	defer ticker.Stop()
	for {
		for _, i := range r.every() {
			r.keepLog(ctx, i)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// every is all instances there are.
func (r *Runtime) every() []*instance {
	var all []*instance
	for _, g := range r.snapshot() {
		g.mu.Lock()
		all = append(all, g.instances...)
		g.mu.Unlock()
	}
	return all
}

func (r *Runtime) keepLog(ctx context.Context, i *instance) {
	i.logs.mu.Lock()
	defer i.logs.mu.Unlock()
	err := i.markLog(r.options.Clock.Now())
	if err == nil {
		err = i.rotate(r.options.LogBytes)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return // not started yet, or removed
	}
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	if trouble != "" && trouble != i.logs.trouble {
		r.log.WarnContext(ctx, "log of instance cannot be kept", "deployment", i.group.key.String(), "instance", i.index, "error", err)
	}
	i.logs.trouble = trouble
}

// markLog records that the log has grown. The caller holds the log's mutex.
func (i *instance) markLog(now time.Time) error {
	info, err := os.Stat(i.logFile())
	if err != nil {
		return err
	}
	if info.Size() <= i.logs.indexed {
		return nil
	}
	if err := appendMarks(i.logFile()+".times", mark{info.Size(), now}); err != nil {
		return err
	}
	i.logs.indexed = info.Size()
	return nil
}

// rotate sets the log aside by copying and emptying it, because the instance goes on writing to the
// same file: it appends, so its next line is at the start again. What it writes between the copy and
// the emptying is lost. The caller holds the log's mutex.
func (i *instance) rotate(limit int64) error {
	name := i.logFile()
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if info.Size() <= limit && sizeOf(name+".times") <= limit/4 {
		return nil
	}
	for _, kind := range []string{"", ".times"} {
		if err := os.Rename(name+".1"+kind, name+".2"+kind); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	cut := max(info.Size()-limit, 0)
	if err := copyFrom(name, cut, name+".1"); err != nil {
		return err
	}
	if err := os.Truncate(name, 0); err != nil {
		return err
	}
	i.logs.rotations++
	i.logs.cut, i.logs.indexed = cut, 0
	var kept []mark
	for _, m := range readMarks(name + ".times") {
		if m.size > cut {
			kept = append(kept, mark{m.size - cut, m.at})
		}
	}
	if err := appendMarks(name+".1.times", kept...); err != nil {
		return err
	}
	if err := os.Remove(name + ".times"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sizeOf is 0 for what is not there.
func sizeOf(name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return info.Size()
}

// copyFrom makes to what from holds after an offset.
func copyFrom(from string, offset int64, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

func appendMarks(name string, marks ...mark) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	for _, m := range marks {
		fmt.Fprintf(w, "%d %d\n", m.size, m.at.UnixMilli())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Close()
}

// readMarks reads as far as it can: a time that is missing is made up for by a later one.
func readMarks(name string) []mark {
	file, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer file.Close()
	var marks []mark
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var size, milli int64
		if _, err := fmt.Sscanf(lines.Text(), "%d %d", &size, &milli); err != nil {
			break
		}
		marks = append(marks, mark{size, time.UnixMilli(milli).UTC()})
	}
	return marks
}

// when is the time of the byte before an offset: the first mark that has it, or late when none does.
func when(marks []mark, offset int64, late time.Time) time.Time {
	n, _ := slices.BinarySearchFunc(marks, offset, func(m mark, offset int64) int {
		return int(min(max(m.size-offset, -1), 1))
	})
	if n < len(marks) {
		return marks[n].at
	}
	return late
}

// rotated are an instance's log files, the oldest first.
func (i *instance) rotated() []string {
	name := i.logFile()
	return []string{name + ".2", name + ".1", name}
}
