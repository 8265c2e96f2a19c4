package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

const (
	// defaultTail and maxTail are numbers of lines.
	defaultTail, maxTail = 100, 10_000
	// readBytes is the most that is read of a log at once, lineBytes the most of a line that is shown.
	readBytes, lineBytes = 1 << 20, 16 << 10
	// followTick is how often a followed log is looked at.
	followTick = 200 * time.Millisecond
)

// Filter selects log lines. Empty fields select everything.
type Filter struct {
	Unit, Lane, Revision, Component string
	// Tail is how many of the last lines are given, over all instances together. 0 is 100, and more
	// than 10,000 is 10,000.
	Tail int
	// Follow goes on with new lines until the context ends, also those of instances that are added
	// meanwhile.
	Follow bool
}

// Line is a line that an instance printed to standard output or error.
type Line struct {
	Key       Key    `json:"key"`
	Component string `json:"component"`
	Instance  int    `json:"instance"`
	// Time is when the line was noticed, about half a second after it was printed.
	Time time.Time `json:"time"`
	// Text is valid UTF-8 without control characters, and at most 16 KiB.
	Text string `json:"text"`
}

// String is the time, the instance and the text.
func (l Line) String() string {
	return fmt.Sprintf("%s %s/%d %s", l.Time.UTC().Format("2006-01-02T15:04:05.000Z"), l.Key.Revision, l.Instance, l.Text)
}

// Logs gives the last lines of the selected instances to emit, ordered by time, and then, when it is
// to follow, new ones as they are noticed. It ends with emit's error. A follow ends with the context's.
func (r *Runtime) Logs(ctx context.Context, filter Filter, emit func(Line) error) error {
	want := filter.Tail
	if want <= 0 {
		want = defaultTail
	}
	want = min(want, maxTail)
	var lines []Line
	cursors := map[*instance]*cursor{}
	for _, i := range r.selected(filter) {
		found, at := r.lastLines(i, want)
		lines = append(lines, found...)
		cursors[i] = at
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return a.Time.Compare(b.Time) })
	for _, line := range lines[max(len(lines)-want, 0):] {
		if err := errors.Join(ctx.Err(), emit(line)); err != nil {
			return err
		}
	}
	if !filter.Follow {
		return nil
	}
	return r.follow(ctx, filter, cursors, emit)
}

func (r *Runtime) selected(f Filter) []*instance {
	match := func(want, got string) bool { return want == "" || want == got }
	return slices.DeleteFunc(r.every(), func(i *instance) bool {
		key := i.group.key
		return !match(f.Unit, key.Unit) || !match(f.Lane, key.Lane) || !match(f.Revision, key.Revision) ||
			!match(f.Component, i.group.deployment.Revision.Component)
	})
}

// cursor is how far a log has been read.
type cursor struct {
	offset    int64
	rotations int
}

// lastLines are an instance's last lines and where the log ends after them.
func (r *Runtime) lastLines(i *instance, want int) ([]Line, *cursor) {
	i.logs.mu.Lock()
	defer i.logs.mu.Unlock()
	at := &cursor{rotations: i.logs.rotations}
	var lines []Line
	for _, name := range slices.Backward(i.rotated()) {
		if len(lines) >= want {
			break
		}
		info, err := os.Stat(name)
		if err != nil {
			continue // not that many yet
		}
		from := max(info.Size()-readBytes, 0)
		data, err := readAt(name, from)
		if err != nil {
			continue // removed meanwhile
		}
		if name == i.logFile() {
			at.offset = from + int64(len(data))
		}
		if from > 0 {
			// It most likely begins in the middle of a line.
			cut := bytes.IndexByte(data, '\n') + 1
			data, from = data[cut:], from+int64(cut)
		}
		marks := readMarks(name + ".times")
		var here []Line
		for raw := range bytes.SplitAfterSeq(data, []byte{'\n'}) {
			from += int64(len(raw))
			if len(raw) > 0 {
				here = append(here, i.line(raw, when(marks, from, info.ModTime().UTC())))
			}
		}
		lines = append(here, lines...)
	}
	return lines[max(len(lines)-want, 0):], at
}

// follow gives new lines until the context ends.
func (r *Runtime) follow(ctx context.Context, filter Filter, cursors map[*instance]*cursor, emit func(Line) error) error {
	ticker := time.NewTicker(followTick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		selected := r.selected(filter)
		for _, i := range selected {
			if cursors[i] == nil {
				cursors[i] = &cursor{}
			}
			for _, line := range r.newLines(i, cursors[i]) {
				if err := emit(line); err != nil {
					return err
				}
			}
		}
		for i := range cursors {
			if !slices.Contains(selected, i) {
				delete(cursors, i)
			}
		}
	}
}

// newLines are the whole lines after the cursor, which is moved behind them.
func (r *Runtime) newLines(i *instance, at *cursor) []Line {
	i.logs.mu.Lock()
	defer i.logs.mu.Unlock()
	now := r.options.Clock.Now().UTC()
	var lines []Line
	if at.rotations != i.logs.rotations {
		// The rest of what was set aside, unless that has been set aside in turn.
		if at.rotations == i.logs.rotations-1 {
			if data, err := readAt(i.logFile()+".1", max(at.offset-i.logs.cut, 0)); err == nil {
				lines, _ = i.lines(data, true, now)
			}
		}
		at.offset, at.rotations = 0, i.logs.rotations
	}
	data, err := readAt(i.logFile(), at.offset)
	if err != nil {
		return lines // not started yet, or removed
	}
	// A line without an end waits for it, unless it is too long to be shown whole.
	fresh, used := i.lines(data, len(data) >= readBytes, now)
	at.offset += used
	return append(lines, fresh...)
}

// lines splits data, and says how much of it the lines are. What follows the last end of a line is
// one only when all is wanted.
func (i *instance) lines(data []byte, all bool, at time.Time) (lines []Line, used int64) {
	for raw := range bytes.SplitAfterSeq(data, []byte{'\n'}) {
		if len(raw) == 0 || (!all && raw[len(raw)-1] != '\n') {
			continue
		}
		used += int64(len(raw))
		lines = append(lines, i.line(raw, at))
	}
	return lines, used
}

// tail is the text of an instance's last lines.
func (r *Runtime) tail(i *instance, want int) []string {
	lines, _ := r.lastLines(i, want)
	text := make([]string, 0, len(lines))
	for _, line := range lines {
		text = append(text, line.Text)
	}
	return text
}

// readAt reads from an offset to the end, but not more than readBytes.
func readAt(name string, offset int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.NewSectionReader(file, offset, readBytes))
	if err != nil {
		return nil, err
	}
	return data, nil
}

// escapes are terminal control sequences, which must not reach the terminal of who reads a log.
var escapes = regexp.MustCompile(`\x1b(\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|\][^\x07\x1b]*(\x07|\x1b\\)?|[\x40-\x5a\x5c-\x5f])`)

// line is a line as it can be shown.
func (i *instance) line(raw []byte, at time.Time) Line {
	raw = bytes.TrimRight(raw, "\r\n")
	// Escapes take room and are taken out, so a little more than what is shown is looked at.
	text := strings.ToValidUTF8(string(raw[:min(len(raw), 2*lineBytes)]), "\uFFFD")
	text = escapes.ReplaceAllString(text, "")
	text = strings.Map(func(c rune) rune {
		if c != '\t' && unicode.IsControl(c) {
			return -1
		}
		return c
	}, text)
	if len(text) > lineBytes {
		text = strings.ToValidUTF8(text[:lineBytes-len("…")], "") + "…"
	}
	return Line{Key: i.group.key, Component: i.group.deployment.Revision.Component, Instance: i.index, Time: at, Text: text}
}
