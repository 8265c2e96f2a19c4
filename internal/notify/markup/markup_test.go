package markup

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// brackets writes a stranger's text in upper case with <1> for one, and our own as it is.
var brackets = Markup{
	Literal: func(_ string, r rune, after string) string {
		if r == '1' && after != "" && after[0] != '2' {
			return "<1>"
		}
		return strings.ToUpper(string(r))
	},
	Own: func(text string) string { return text },
}

func TestLine(t *testing.T) {
	for name, test := range map[string]struct {
		line string
		most int
		want string
	}{
		"a stranger's":                             {"a1b", 20, "A<1>B"},
		"our own":                                  {Own("a1b"), 20, "a1b"},
		"both":                                     {Own("a ") + "b" + Own(" c"), 20, "a B c"},
		"spaces between":                           {Own("a") + " b " + Own("c"), 20, "a B c"},
		"only a space between":                     {Own("a") + " " + Own("c"), 20, "a c"},
		"what opens also closes":                   {Own("(") + "bbbbbbbbbb" + Own(")"), 8, "(BBB…)"},
		"the second has no room left":              {Own("(") + "bbbbbbbbbb" + Own(")") + "c", 8, "(BBB…)"},
		"our own is too long":                      {Own("aaaaaaaaaa") + "b", 8, "AAAAA…"},
		"an end that was cut off":                  {"b" + strings.TrimSuffix(Own("aa"), ownEnds), 8, "Baa"},
		"a beginning that is missing":              {"b" + ownEnds + "c", 8, "BC"},
		"a beginning within":                       {Own("a" + ownBegins + "b"), 8, "ab"},
		"what cannot be seen in our own":           {Own("a\u202eb\x00"), 8, "ab"},
		"what a cut would make mean something":     {"xx1133333", 8, "XX<1>…"},
		"what a cut would not make mean something": {"xx133333333", 9, "XX<1>3…"},
		"nothing":                                  {"", 8, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := brackets.Line(test.line, test.most); got != test.want {
				t.Errorf("Line(%q, %d) = %q, want %q", test.line, test.most, got, test.want)
			}
		})
	}
}

func FuzzLineIsWithinItsBound(f *testing.F) {
	f.Add(Own("a")+"1"+Own("b"), 3)
	f.Add("\ufdd0\ufdd0\ufdd1 \ufdd1", 4)
	f.Fuzz(func(t *testing.T, line string, most int) {
		if most < len(ellipsis) || most > 1000 {
			return
		}
		if got := brackets.Line(line, most); len(got) > most || !utf8.ValidString(got) || strings.ContainsAny(got, ownBegins+ownEnds+"\n") {
			t.Errorf("Line(%q, %d) = %q, %d bytes", line, most, got, len(got))
		}
	})
}

func TestShort(t *testing.T) {
	for hash, want := range map[string]string{"0d1a26e67d8f5eaf": "0d1a26e67d8f", "": "", "`*<!x>`y": "xy", "é0": "0"} {
		if got := Short(hash); got != want {
			t.Errorf("Short(%q) = %q, want %q", hash, got, want)
		}
	}
}
