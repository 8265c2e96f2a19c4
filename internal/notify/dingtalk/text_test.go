package dingtalk

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
	nastytest.Golden(t, "testdata/nasty.md", messageOf([]notify.Notice{nastytest.Lines()}).Markdown.Text+"\n")
	nastytest.Golden(t, "testdata/nasty-question.md", messageOf([]notify.Notice{nastytest.Everywhere(strings.Join(nastytest.Nasty[:4], " "))}).ActionCard.Text+"\n")
}

// structure is all that DingTalk could take for markup in what is said of a notice, by a robot and on a card.
func structure(t *testing.T, n notify.Notice) string {
	t.Helper()
	skeleton := func(text string) string {
		return nastytest.Skeleton(text, "*_~`<[]\\$@", nastytest.Begin, nastytest.Address, nastytest.Entity)
	}
	m := messageOf([]notify.Notice{n})
	params := askParams(*n.Ask)
	out := []string{m.Type, skeleton(m.ActionCard.Title), skeleton(m.ActionCard.Text), skeleton(params[varBody]), skeleton(params[varStatus])}
	for _, b := range m.ActionCard.Buttons {
		out = append(out, b.Title+" "+b.URL)
	}
	merged := messageOf([]notify.Notice{n, n}).Markdown
	closed := *n.Ask
	closed.Closed = n.Title + "\u200b" // an empty one is open
	out = append(out, skeleton(merged.Title), skeleton(merged.Text), skeleton(writer.Standing(closed)), skeleton(said(notify.OneLine(n.Title))))
	for _, text := range []string{m.ActionCard.Text, params[varBody], merged.Text} {
		if len(text) > mostText {
			t.Errorf("a text of %d bytes", len(text))
		}
	}
	return strings.Join(out, "\n--\n")
}

func FuzzStrangersChangeNoStructure(f *testing.F) {
	for _, text := range slices.Concat(nastytest.Ordinary, nastytest.Nasty, nastytest.Long) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, got := structure(t, nastytest.Everywhere(nastytest.Harmless(text))), structure(t, nastytest.Everywhere(text))
		if got != want {
			t.Errorf("%q is told with the structure\n%s\nwant\n%s\nin\n%s", text, got, want, messageOf([]notify.Notice{nastytest.Everywhere(text)}).ActionCard.Text)
		}
	})
}

func TestAnAnswerKeepsItsLinesAndNothingElse(t *testing.T) {
	const text = "**ok**\n\u202e[x](https://evil.example)\x00\n\nRefused"
	if got, want := said(text), "＊＊ok＊＊\n［x］(https：//evil.example)\n\nRefused"; got != want {
		t.Errorf("on a card: %q, want %q", got, want)
	}
	if got, want := clean(text), "**ok**\n[x](https://evil.example)\n\nRefused"; got != want {
		t.Errorf("in a message: %q, want %q", got, want)
	}
	if got := said(strings.Repeat("*\n", 9999)); len(got) > mostReply || regexp.MustCompile(`\x{fffd}`).MatchString(got) {
		t.Errorf("an answer of %d bytes", len(got))
	}
}
