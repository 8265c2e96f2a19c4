package progress

import (
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

func TestAScreenRedrawsInPlace(t *testing.T) {
	var out strings.Builder
	width, height := 80, 60
	s := NewScreen(&out, func() (int, int) { return width, height }, false)
	s.Draw(ramping(), at(293))
	lines := strings.Count(out.String(), "\n")
	if got := strings.TrimPrefix(out.String(), "\x1b[?25l"); strings.Contains(strings.ReplaceAll(strings.ReplaceAll(got, "\x1b[K", ""), "\x1b[J", ""), "\x1b") {
		t.Errorf("the first frame moves the cursor: %q", got)
	}

	out.Reset()
	s.Draw(ramping(), at(294), "a note")
	if want := "\x1b[" + count(int64(lines)) + "A\r"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("the second frame begins %q, want %q", out.String()[:8], want)
	}
	if !strings.Contains(out.String(), "a note\x1b[K\n\x1b[J") {
		t.Error("the note is not the last line")
	}

	out.Reset()
	width = 60
	s.Draw(ramping(), at(295))
	if !strings.HasPrefix(out.String(), "\x1b[H\x1b[2J") {
		t.Errorf("after the terminal's width changed the frame begins %q", out.String()[:8])
	}

	out.Reset()
	s.Close()
	if out.String() != "\x1b[?25h" {
		t.Errorf("the end is %q", out.String())
	}
}

func TestBeforeAnythingIsKnownOnlyNotesAreShown(t *testing.T) {
	var out strings.Builder
	NewScreen(&out, func() (int, int) { return 80, 24 }, false).Draw(release.Status{}, at(0), "reconnecting")
	if want := "\x1b[?25lreconnecting\x1b[K\n\x1b[J"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestAFrameNeverOutgrowsTheTerminal(t *testing.T) {
	full := len(split(Render(ramping(), at(293), 80, false)))
	for height := 1; height <= full+5; height++ {
		if got := len(fit(ramping(), at(293), 80, height, false)); got > height {
			t.Errorf("%d lines are drawn in %d", got, height)
		}
	}
	shorter := fit(ramping(), at(293), 80, full-3, false)
	if last := shorter[len(shorter)-1]; !strings.Contains(last, "step 3 of 4") {
		t.Errorf("the newest entry went first: the last line is %q", last)
	}
}
