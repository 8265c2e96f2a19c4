package slack

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	goslack "github.com/slack-go/slack"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/notifytest/nastytest"
	"github.com/skyisland/skyisland/internal/notify/once"
)

func TestQuoted(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		most int
		want string
	}{
		"plain text":                       {"hello", 10, "hello"},
		"a mention of everybody":           {"<!channel> & co", 100, "&lt;!channel&gt; &amp; co"},
		"lines become one":                 {"a\nb\r\n\tc", 100, "a b   c"},
		"what turns text around is gone":   {"a\u202eb\x00c\xff", 100, "abc"},
		"a text that just fits":            {"abcde", 5, "abcde"},
		"a text that does not":             {"abcdef", 5, "abcd…"},
		"an escaped character is not torn": {"a&b", 6, "a…"},
		"an escaped text that just fits":   {"a&b", 7, "a&amp;b"},
		"a character of two units":         {"🚂🚂🚂", 5, "🚂🚂…"},
		"marks":                            {"*a* _b_ ~c~ `d`", 100, "＊a＊ ＿b＿ ～c～ 'd'"},
		"underscores within a word stay":   {"fix: a_b_c handling", 100, "fix: a_b_c handling"},
		"and not where the word is cut":    {"a_b_c", 4, "a_b…"},
		"nor beside the cut":               {"a_b_c", 3, "a…"},
		"a quotation":                      {">> a > b", 100, "＞＞ a &gt; b"},
		"a picture":                        {"x :tada: :+1: at main.go:3:1 05:00:00Z: x", 100, "x ：tada: ：+1: at main.go:3:1 05:00:00Z: x"},
		"a picture that we would end":      {"x:tada", 100, "x：tada"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := quoted(test.text, test.most); got != test.want {
				t.Errorf("quoted(%q, %d) = %q, want %q", test.text, test.most, got, test.want)
			}
		})
	}
}

func TestPack(t *testing.T) {
	for name, test := range map[string]struct {
		lines []string
		most  int
		texts int
		want  []string
	}{
		"nothing":                     {nil, 20, 2, nil},
		"lines without text":          {[]string{"", "a", ""}, 20, 2, []string{"a"}},
		"all in one":                  {[]string{"a", "b"}, 20, 2, []string{"a\nb"}},
		"in two":                      {[]string{"aaaaaaaaaa", "bbbbbbbbbb"}, 20, 2, []string{"aaaaaaaaaa", "bbbbbbbbbb"}},
		"more than fits, and says so": {[]string{"aaaaaaaaaa", "bbbbb", "ccccccccccccccc"}, 20, 1, []string{"aaaaaaaaaa\n… and more"}},
		"the rest is left out, too":   {[]string{"a", strings.Repeat("b", 15), "c", "d"}, 16, 1, []string{"a\n… and more"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pack(test.lines, test.most, test.texts); !slices.Equal(got, test.want) {
				t.Errorf("pack = %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzQuoted(f *testing.F) {
	f.Add("<@U1> & 🚂", 5)
	f.Add("a\n\u202eb", 1)
	f.Fuzz(func(t *testing.T, text string, most int) {
		if most < 1 || most > 5000 {
			return
		}
		got := quoted(text, most)
		bare := strings.NewReplacer("&lt;", "", "&gt;", "", "&amp;", "").Replace(got)
		if units(got) > most || strings.ContainsAny(bare, "<>&*~`") || nastytest.Underscore.MatchString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("quoted(%q, %d) = %q", text, most, got)
		}
	})
}

func FuzzInteracted(f *testing.F) {
	f.Add([]byte(`{"type":"block_actions","user":{"id":"U1"},"trigger_id":"t","actions":[{"action_id":"skyisland.approve","value":"a/b/c/1 1 ` + strings.Repeat("ab", 32) + `"}]}`))
	f.Add([]byte(`{"type":"view_submission","user":{"id":"U1"},"view":{"id":"V1","callback_id":"skyisland.answer","private_metadata":"{\"do\":\"approve\",\"q\":\"a/b/c/1 1 x\"}"}}`))
	f.Add([]byte(`{"type":"block_actions","message":{"blocks":[{"block_id":"skyisland.title","text":3}]}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c := &Channel{options: Options{Now: time.Now}, seen: once.New(time.Now)}
		c.work.n = mostWork // nothing is followed: only what is read matters here
		_, _ = c.interacted(payload)
		if q, err := parseQuestion(string(payload)); err == nil && q.String() != string(payload) {
			t.Errorf("parseQuestion(%q) = %v", payload, q)
		}
		title, answer, more := partsOf(payload)
		if units(title) > mostHeader || answer != "" && !strings.HasPrefix(answer, "http") || more != "" && !strings.HasPrefix(more, "http") {
			t.Errorf("partsOf = %q, %q, %q", title, answer, more)
		}
	})
}

func TestReceipts(t *testing.T) {
	for receipt, want := range map[string]place{
		"slack:C1:1700000000.000100":   {"C1", "1700000000.000100"},
		"":                             {},
		"card:abc":                     {},
		"slack:C1":                     {},
		"slack:C1:now":                 {},
		"slack:#x:1700000000.000100":   {},
		"slack:C1:1700000000.000100:x": {},
	} {
		if got := parsePlace(receipt); got != want {
			t.Errorf("parsePlace(%q) = %+v, want %+v", receipt, got, want)
		}
	}
}

func speaker() *Channel {
	return &Channel{options: Options{BotToken: "xoxb-x", AppToken: "xapp-x", Member: func(string) string { return "" }}}
}

// shown is the text of a message's sections and, before it, what blocks and buttons there are besides.
func shown(m message) (blocks, text string) {
	for _, b := range m.blocks {
		switch b := b.(type) {
		case *goslack.SectionBlock:
			text += b.Text.Text + "\n"
			if b.Text.Type != goslack.MarkdownType || !b.Text.Verbatim {
				blocks += "links "
			}
		case *goslack.ActionBlock:
			for _, e := range b.Elements.ElementSet {
				button := e.(*goslack.ButtonBlockElement)
				blocks += "button " + button.Text.Text + " " + button.Value + " " + button.URL + "\n"
			}
		case *goslack.HeaderBlock:
			blocks += "header " + b.Text.Type + "\n"
		default:
			blocks += "something else\n"
		}
	}
	return blocks, text
}

// TestWhatStrangersWrite holds what people read of it.
func TestWhatStrangersWrite(t *testing.T) {
	_, text := shown(speaker().messageOf(nastytest.Lines()))
	nastytest.Golden(t, "testdata/nasty.mrkdwn", text)
	_, text = shown(speaker().messageOf(nastytest.Everywhere(strings.Join(nastytest.Nasty[:4], " "))))
	nastytest.Golden(t, "testdata/nasty-question.mrkdwn", text)
}

var (
	quotation = regexp.MustCompile(`(?m)^&gt;`)
	picture   = regexp.MustCompile(`(^|[^\p{L}\p{Nd}]):[0-9a-z+_'-]+:|:[0-9]*[a-z+_'-][0-9a-z+_'-]*:`)
)

// structure is all that Slack could take for markup in a message.
func structure(t *testing.T, n notify.Notice) string {
	t.Helper()
	skeleton := func(text string) string {
		text = quotation.ReplaceAllString(text, ">")
		text = strings.NewReplacer("&lt;", "’", "&amp;", "’", "&gt;", "’").Replace(text)
		return nastytest.Skeleton(text, "*~`<>&", picture, nastytest.Underscore)
	}
	m := speaker().messageOf(n)
	blocks, text := shown(m)
	if len(m.blocks) > mostBlocks || units(m.fallback) > mostFallback {
		t.Errorf("%d blocks and %d units beside them", len(m.blocks), units(m.fallback))
	}
	closed := *n.Ask
	closed.Closed = n.Title + "\u200b" // an empty one is open
	return blocks + skeleton(text) + skeleton(m.fallback) + skeleton(standing(closed))
}

func FuzzStrangersChangeNoStructure(f *testing.F) {
	for _, text := range slices.Concat(nastytest.Ordinary, nastytest.Nasty, nastytest.Long) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, got := structure(t, nastytest.Everywhere(nastytest.Harmless(text))), structure(t, nastytest.Everywhere(text))
		if got != want {
			_, said := shown(speaker().messageOf(nastytest.Everywhere(text)))
			t.Errorf("%q is told with the structure\n%s\nwant\n%s\nin\n%s", text, got, want, said)
		}
	})
}

func TestAnAnswerIsPlainText(t *testing.T) {
	said := private("*ok*\n<!channel> \u202ehttps://evil.example")
	block := said["blocks"].([]goslack.Block)[0].(*goslack.SectionBlock)
	if block.Text.Type != goslack.PlainTextType || block.Text.Text != "*ok*\n<!channel> https://evil.example" {
		t.Errorf("an answer is %s %q", block.Text.Type, block.Text.Text)
	}
	if text := said["text"]; text != "*ok*\n&lt;!channel&gt; https://evil.example" {
		t.Errorf("beside it stands %q", text)
	}
}
