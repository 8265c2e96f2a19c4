package slack

import (
	"github.com/skyisland/skyisland/internal/notify/once"

	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
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
		if units(got) > most || strings.ContainsAny(bare, "<>&") || strings.ContainsFunc(got, unicode.IsControl) {
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
