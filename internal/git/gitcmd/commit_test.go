package gitcmd

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseCommit(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want Commit
	}{
		"an ordinary one": {
			"tree 1\nauthor A <a@x> 1700000000 +0100\ncommitter C <c@x> 1700000001 -0330\n\nsubject\n\nbody\n",
			Commit{Author: Person{"A", "a@x"}, Committer: Person{"C", "c@x"}, Subject: "subject",
				Message: "subject\n\nbody\n", At: time.Unix(1700000001, 0)},
		},
		"latin 1": {
			"author J\xf6rg <j@x> 1 +0000\nencoding ISO-8859-1\n\ngr\xfc\xdfe\n",
			Commit{Author: Person{"Jörg", "j@x"}, Subject: "grüße", Message: "grüße\n"},
		},
		"bytes of no encoding":  {"author \xff <a> 1 +0000\n\n\xff", Commit{Author: Person{"\uFFFD", "a"}, Subject: "\uFFFD", Message: "\uFFFD"}},
		"an author without <>":  {"author nobody\n\n", Commit{Author: Person{Name: "nobody"}}},
		"a broken time":         {"committer C <c> soon +0000\n\nx", Commit{Committer: Person{"C", "c"}, Subject: "x", Message: "x"}},
		"a signature in header": {"author A <a> 1 +0000\ngpgsig x\n author M <m> 1 +0000\n\nx", Commit{Author: Person{"A", "a"}, Subject: "x", Message: "x"}},
		"nothing":               {"", Commit{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := parseCommit("", []byte(c.raw))
			if !got.At.Equal(c.want.At) {
				t.Errorf("At = %v, want %v", got.At, c.want.At)
			}
			got.At, c.want.At = time.Time{}, time.Time{}
			if got != c.want {
				t.Errorf("parseCommit = %+v, want %+v", got, c.want)
			}
		})
	}
}

func FuzzParseCommit(f *testing.F) {
	f.Add([]byte("tree 1\nauthor A <a@x> 1700000000 +0100\ncommitter C <c@x> 1 -0330\nencoding latin1\n\nsubject\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := parseCommit("", raw)
		all := c.Author.Name + c.Author.Email + c.Committer.Name + c.Committer.Email + c.Subject + c.Message
		if !utf8.ValidString(all) {
			t.Errorf("not UTF-8: %q", all)
		}
		if utf8.RuneCountInString(c.Subject) > subjectRunes || strings.Contains(c.Subject, "\n") {
			t.Errorf("subject %q", c.Subject)
		}
	})
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{
		strings.Repeat("a", 40):        true,
		strings.Repeat("0", 64):        true,
		strings.Repeat("A", 40):        false,
		strings.Repeat("a", 41):        false,
		strings.Repeat("a", 40) + "\n": false,
		"HEAD":                         false,
		"":                             false,
	} {
		if got := ValidID(id); got != want {
			t.Errorf("ValidID(%q) = %v, want %v", id, got, want)
		}
	}
}
