package progress

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Screen redraws a release in place on a terminal.
type Screen struct {
	out io.Writer
	// size is the terminal's width and height at the moment.
	size  func() (width, height int)
	color bool
	// drawn is the number of lines of the last frame, width the terminal's then.
	drawn, width int
}

// NewScreen hides the cursor until [Screen.Close].
func NewScreen(out io.Writer, size func() (width, height int), color bool) *Screen {
	fmt.Fprint(out, "\x1b[?25l")
	return &Screen{out: out, size: size, color: color}
}

// Draw shows a release in the place of what was drawn before. notes follow, a line each.
func (s *Screen) Draw(status release.Status, now time.Time, notes ...string) {
	width, height := s.size()
	lines := fit(status, now, width, height-1-len(notes), s.color)
	for _, note := range notes {
		lines = append(lines, line{in(yellow, note)}.draw(width, s.color))
	}
	var b strings.Builder
	switch {
	case s.drawn > 0 && width != s.width:
		// The terminal has wrapped the old lines anew, so nobody knows where they begin.
		b.WriteString("\x1b[H\x1b[2J")
	case s.drawn > 0:
		fmt.Fprintf(&b, "\x1b[%dA\r", s.drawn)
	}
	for _, l := range lines {
		b.WriteString(l + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	s.drawn, s.width = len(lines), width
	// One write, so that no half frame is seen.
	fmt.Fprint(s.out, b.String())
}

// Close leaves the last frame and shows the cursor again.
func (s *Screen) Close() { fmt.Fprint(s.out, "\x1b[?25h") }

// fit is a frame in at most height lines: the oldest entries of the story go first, then the end. Before
// anything is known of the release it is empty.
func fit(status release.Status, now time.Time, width, height int, color bool) []string {
	if status.Phase == "" {
		return nil
	}
	lines := split(frame(status, now, width, color, usualEvents))
	if over := len(lines) - height; over > 0 {
		lines = split(frame(status, now, width, color, max(0, usualEvents-over)))
	}
	return lines[:max(0, min(len(lines), height))]
}

func split(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }
