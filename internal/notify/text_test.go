package notify

import "testing"

func TestOneLine(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"ordinary text":            {"fix: a_b_c <handling>", "fix: a_b_c <handling>"},
		"text of other writings":   {"修复 Zoë שלום ❤️ 1️⃣", "修复 Zoë שלום ❤️ 1️⃣"},
		"line breaks":              {" a\nb\r\n\tc\u2028d\u0085e\u00a0", "a b   c d e"},
		"what turns the direction": {"a\u202eb\u2066c\u2069\u061cd", "abcd"},
		"what takes no room":       {"\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u3164\U000e0041", ""},
		"what is nobody's":         {"\ufdd0a\ufdd1\ue000\uffff", "a"},
		"what is no text":          {"\x00\x1b[31m\xff\xed\xa0\x80", "[31m"},
		"what is not assigned yet": {"a\U0001faff\U0001fbff", "a\U0001faff\U0001fbff"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := OneLine(test.text); got != test.want {
				t.Errorf("OneLine(%q) = %q, want %q", test.text, got, test.want)
			}
		})
	}
}
