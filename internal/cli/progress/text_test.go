package progress

import (
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func TestCleanTakesTheTerminalOutOfText(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"plain text":                     {"hello, 世界", "hello, 世界"},
		"colours":                        {"\x1b[31mred\x1b[0m", "red"},
		"a title":                        {"\x1b]0;owned\x07x", "]0;ownedx"},
		"lines":                          {"a\nb\tc\r", "a b c "},
		"a text that runs the other way": {"a\u202eb", "ab"},
		"one-byte sequences":             {"a\u009b2Jb", "a2Jb"},
		"broken UTF-8":                   {"a\xffb", "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Clean(test.text); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTextFitsItsColumns(t *testing.T) {
	for _, s := range []string{"", "hello", "下一班列车", "a下b一c", "e\u0301clair"} {
		for width := range 12 {
			if got := Truncate(s, width); Width(got) > width {
				t.Errorf("%q in %d columns is %q of %d", s, width, got, Width(got))
			}
			if got := Width(Pad(s, width)); got != max(width, Width(s)) {
				t.Errorf("%q padded to %d has %d columns", s, width, got)
			}
		}
	}
	if got := Width("下一班"); got != 6 {
		t.Errorf("three ideographs take %d columns, want 6", got)
	}
}

func TestSmallThings(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := count(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 400 * time.Millisecond: "0s", 59 * time.Second: "59s", 60 * time.Second: "1m", 61 * time.Second: "1m 1s",
		time.Hour + time.Second: "1h", 25 * time.Hour: "1d 1h", 49*time.Hour + 3*time.Minute: "2d 1h",
	} {
		if got := elapsed(d); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
	if got := bar(0.0001, 20, plain).draw(20, false); !strings.HasPrefix(got, "█░") {
		t.Errorf("a small part is drawn as nothing: %s", got)
	}
	if got := bar(0.9999, 20, plain).draw(20, false); !strings.HasSuffix(got, "█░") {
		t.Errorf("a large part is drawn as everything: %s", got)
	}
}

func TestLinesTellEachChangeOnce(t *testing.T) {
	first, second := ramping(), rolledBack()
	second.Cause.Details = []string{"a detail"}
	told := Lines(release.Status{}, first, at(293))
	if len(told) != 14+1+1+1 {
		t.Errorf("the first status is told in %d lines:\n%s", len(told), strings.Join(told, "\n"))
	}
	if again := Lines(first, first, at(294)); len(again) != 0 {
		t.Errorf("without a change these lines are told:\n%s", strings.Join(again, "\n"))
	}
	want := `2026-03-01T12:04:53Z fliggy/rail-tour/production/17 rolling-back: rolling back
2026-03-01T12:04:54Z fliggy/rail-tour/production/17 rolled-back: all traffic is at stable
2026-03-01T12:04:55Z fliggy/rail-tour/production/17 rolled-back: weight 0%
2026-03-01T12:04:55Z fliggy/rail-tour/production/17 rolled-back: verdict fail: 4 of the last 4 failed requests were the canary's: it is worse (canary 4 bad of 12104, stable 21 bad of 48410)
2026-03-01T12:04:54Z fliggy/rail-tour/production/17 ended rolled-back: 4 of the last 4 failed requests were the canary's: it is worse
  a detail`
	if got := strings.Join(Lines(first, second, at(295)), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
