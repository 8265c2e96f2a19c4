package feishu

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/notifytest/nastytest"
)

// TestWhatStrangersWrite holds what people read of it.
func TestWhatStrangersWrite(t *testing.T) {
	nastytest.Golden(t, "testdata/nasty.md", cardOf([]notify.Notice{nastytest.Lines()}, mostText).Elements[0].Text.Content+"\n")
	nastytest.Golden(t, "testdata/nasty-question.md", cardOf([]notify.Notice{nastytest.Everywhere(strings.Join(nastytest.Nasty[:4], " "))}, mostText).Elements[0].Text.Content+"\n")
}

var numbered = regexp.MustCompile(`&#[0-9]+;`)

// structure is all that Feishu could take for markup in a card. What is written as its number is none.
func structure(t *testing.T, n notify.Notice) string {
	t.Helper()
	closed := *n.Ask
	closed.Closed = n.Title + "\u200b" // an empty one is open
	var out []string
	for _, c := range []card{cardOf([]notify.Notice{n}, mostText), cardOf([]notify.Notice{n, n}, mostText)} {
		out = append(out, c.Header.Title.Tag, c.Header.Template)
		for _, e := range c.Elements {
			out = append(out, e.Tag)
			if e.Text != nil {
				out = append(out, e.Text.Tag, nastytest.Skeleton(numbered.ReplaceAllString(e.Text.Content, "’"), "*~`<[]\\$@",
					nastytest.Begin, nastytest.Address, nastytest.Entity, nastytest.Emoji, nastytest.Underscore))
				if len(e.Text.Content) > mostText {
					t.Errorf("a text of %d bytes", len(e.Text.Content))
				}
				// Even where a number were read before the markup there is no link but our own and no tag.
				read := strings.NewReplacer("&#91;", "[", "&#93;", "]", "&#38;", "&").Replace(e.Text.Content)
				if strings.Count(read, "](") != strings.Count(e.Text.Content, "](") || strings.Contains(read, "<") {
					t.Errorf("a link could be read in %s", read)
				}
			}
			for _, b := range e.Actions {
				out = append(out, b.Text.Content+" "+b.URL)
			}
		}
	}
	return strings.Join(append(out, nastytest.Skeleton(numbered.ReplaceAllString(writer.Standing(closed), "’"), "*~`<[]\\$@")), "\n--\n")
}

func FuzzStrangersChangeNoStructure(f *testing.F) {
	for _, text := range slices.Concat(nastytest.Ordinary, nastytest.Nasty, nastytest.Long) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, got := structure(t, nastytest.Everywhere(nastytest.Harmless(text))), structure(t, nastytest.Everywhere(text))
		if got != want {
			t.Errorf("%q is told with the structure\n%s\nwant\n%s", text, got, want)
		}
	})
}
