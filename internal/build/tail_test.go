package build

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTailIsFitForPeople(t *testing.T) {
	cases := []struct {
		name   string
		chunks []string
		want   []string
	}{
		{"lines in pieces", []string{"on", "e\ntw", "o\n"}, []string{"one", "two"}},
		{"a last line without an end", []string{"one\ntwo"}, []string{"one", "two"}},
		{"colours", []string{"\x1b[1;31mFAIL\x1b[0m here\x1b[K\n"}, []string{"FAIL here"}},
		{"a window title and a link", []string{"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\n"}, []string{"ab"}},
		{"an escape cut in two", []string{"\x1b[3", "1mred\n"}, []string{"red"}},
		{"a progress bar", []string{"10%\r50%\r100%\n"}, []string{"100%"}},
		{"Windows line ends", []string{"one\r\ntwo\r\n"}, []string{"one", "two"}},
		{"control characters", []string{"a\x00b\x08\tc\n"}, []string{"ab\tc"}},
		{"broken UTF-8", []string{"a\xffb\xc3\n"}, []string{"a\uFFFDb\uFFFD"}},
		{"a letter cut in two by the pipe", []string{"\xc3", "\xa9\n"}, []string{"é"}},
		{"nothing", nil, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var tl tail
			for _, chunk := range c.chunks {
				tl.add([]byte(chunk))
			}
			if got := tl.last(); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTailIsBounded(t *testing.T) {
	var short tail
	for i := range 1000 {
		short.add([]byte(strconv.Itoa(i) + "\n"))
	}
	if got := short.last(); len(got) != tailLines || got[0] != "960" || got[tailLines-1] != "999" {
		t.Errorf("got %q, want the last %d", got, tailLines)
	}
	var long tail
	for range 100 {
		long.add([]byte(strings.Repeat("é", 100_000) + "\n"))
	}
	size := 0
	for _, line := range long.last() {
		size += len(line) + 1
		if len(line) > lineBytes || !strings.HasSuffix(line, "…") || !utf8.ValidString(line) {
			t.Errorf("a long line became %d bytes, %q", len(line), line[len(line)-10:])
		}
	}
	if size > tailBytes || size < tailBytes-2*lineBytes {
		t.Errorf("the tail has %d bytes, want nearly %d", size, tailBytes)
	}
}
