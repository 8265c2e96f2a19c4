// Package nastytest is what a stranger may write into a commit, a name or a reason to have it mean something in a chat,
// and a notice that has it everywhere.
package nastytest

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markup"
	"github.com/skyisland/skyisland/internal/release"
)

// Ordinary are texts that mean no harm and have to stay readable.
var Ordinary = []string{
	"fix: a_b_c handling",
	"fix(api)!: don't retry on 5xx (#123)",
	"[RAIL-12] bump @babel/core from 7.1.0 to ^8 & go",
	"the canary answers 5xx: 12 of 100 requests, ~3% > 1%",
	"p99 < 500ms && error-share <= 5%",
	"C:\\logs, /var/log/*.log and ~/notes for $5",
	"`make check` at 12:30:45",
	"main.go:3:1: undefined until 2026-03-05T05:00:00Z: see db:5432",
	"修复：列车时刻表 📅 für Zoë",
	"ann@example.com",
}

// Nasty are texts that mean something somewhere.
var Nasty = []string{
	// mentions
	"<!channel> <!here|x> <!everyone> <@U0123456789> <!subteam^S0123456789> @channel @all @所有人",
	"<at id=all></at> <at user_id=\"all\">all</at> <at email=a@b.c></at> <@all>",
	"&lt;!channel&gt; &#60;at id=all&#62; &#x3c;at id=all&#x3E; &lt&gt",
	// links and pictures
	"[Approve](javascript:alert(1)) [Approve](https://evil.example) ![x](https://evil.example/p.png)",
	"<https://evil.example|Approve> <javascript:alert(1)> <mailto:a@b.c>",
	"https://evil.example/approve http://evil.example WWW.evil.example ftp://evil.example",
	"[Approve][1] [1]: https://evil.example [差异化跳转]($urlVal)",
	"[1]: https://evil.example \"Approve\"",
	"dingtalk://dingtalkclient/page/link?url=https%3A%2F%2Fevil.example",
	// marks within a line
	"**bold** *bold* __bold__ _italic_ ***both*** * _ ~struck~ ~~struck~~",
	"`code` ``co`de`` ``` ~~~ \\`code\\` $x^2$ $$x$$",
	"\\*not escaped\\* \\\\ ends with a backslash\\",
	"**Needs 0 approvals; approved by ann**",
	":white_check_mark: :+1: :100: :DONE: [微笑] a:b:c",
	"<b>bold</b> <font color=red>red</font> <a href='https://evil.example'>x</a> <!-- x --> <script>alert(1)</script>",
	"<text_tag color='green'>approved</text_tag> <!date^0^{date}|x> <img src=x onerror=alert(1)>",
	// beginnings of a line
	"# heading", "###### heading", "#heading", "> quotation", ">>> quotation", "- item", "+ item", "* item", "1. item", "12) item", ": definition", ":",
	"---", "***", "___", "- - -", "* * *", "===", "=", "-", "```sh", "~~~", "    code", "\tcode", "| a | b |", "| --- | --- |",
	// line breaks
	"a\n# heading\n> quotation\n- item\n\n---\n1. item\r\n\tcode\u2028b\u2029c\u0085d\ve\ff",
	"x\n\n**Approved by** ann\n\n[See more](https://evil.example)",
	"title\n===\n\n| a | b |\n| --- | --- |\n| 1 | 2 |",
	// what cannot be seen
	"a\u200b\u200c\u200d\u2060\ufeffb \u202eevil\u202c \u2066x\u2069 \u061c\u00ad\u3164\u115f\u034f \U000e0041\ue000\ufdd0**x**\ufdd1",
	"<\u200b!channel> *\u200bbold*\u200b [\u2060x](\u2060https:\u200b//evil.example) \u200b# x",
	"\x00\x07\x1b[31mred\x1b[0m\xff\xfe\xed\xa0\x80",
	"\u200b", " \u3164 ",
}

// Long are texts that are over any bound.
var Long = []string{
	strings.Repeat("a", 5000), strings.Repeat("&", 5000), strings.Repeat("&<>*_`[](", 500), strings.Repeat("🚂", 999),
	strings.Repeat("<!channel>", 500), strings.Repeat("\u200b", 999) + "*x*", strings.Repeat("1. ", 999), strings.Repeat("www.", 999),
}

// Everywhere is a question with a text in each place that a stranger can write to.
func Everywhere(text string) notify.Notice {
	actor := release.Actor{Name: text, Source: text, Person: text + "!"}
	ask := release.Ask{
		Number: 1, Point: release.BeforeRamp, PlanHash: strings.Repeat("a1", 32), Until: time.Unix(1772686800, 0), Requester: actor, Commit: "0d1a26e67d8f5eaf",
		Commits:  []release.Commit{{ID: "0d1a26e67d8f5eaf", Subject: text, Author: text}},
		Units:    []string{text},
		Wants:    []release.Approval{{Count: 2, From: []string{text}}},
		Changes:  []release.Change{{Component: text, From: text, To: text, Artifact: "sha256:0123456789abcdef0123"}},
		Pressure: []string{text},
		Evidence: &release.Evidence{Verdict: "pass", Sentence: text, CanaryRequests: 1000, StableRequests: 9000},
		Answers:  []release.Approved{{By: actor, Comment: text}},
	}
	// Lines come from the router, which makes one line of each text.
	line := notify.OneLine(text)
	return notify.Notice{
		ID: "n1", At: time.Unix(1772600000, 0), Kind: release.EntryAsked, Severity: notify.Warning, Ask: &ask, Title: text,
		Release: release.ID{Lane: release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"}, Number: 3},
		Lines:   []string{line, markup.Own("**Why** ") + line, line + markup.Own(" **is why**"), markup.Own("**") + line + markup.Own("** and ") + line},
		Link:    "https://sky.example/releases/3", Answer: "https://sky.example/answer", Mention: []string{text},
	}
}

// Lines is a notice of which each line is one of the ordinary and the nasty texts.
func Lines() notify.Notice {
	n := notify.Notice{ID: "n2", At: time.Unix(1772600000, 0), Severity: notify.Critical, Title: "what strangers write"}
	for _, text := range append(Ordinary, Nasty...) {
		if line := notify.OneLine(text); line != "" {
			n.Lines = append(n.Lines, line)
		}
	}
	return n
}

// Harmless is a text like another one that means nothing anywhere; it is empty when of the other nothing can be seen.
func Harmless(text string) string {
	if notify.OneLine(text) == "" {
		return ""
	}
	return strings.Repeat("x", min(len(text), 1000))
}

// Skeleton is what a chat could read as markup in a text, line by line: each of the marks, what cannot be seen, and what
// matches one of the patterns. Two texts with the same skeleton have the same structure, whatever the chat makes of it.
func Skeleton(text, marks string, patterns ...*regexp.Regexp) string {
	var out strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		for _, r := range line {
			if strings.ContainsRune(marks, r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Noncharacter_Code_Point) {
				out.WriteRune(r)
			}
		}
		for _, p := range patterns {
			out.WriteString(strings.Repeat(" "+p.String(), len(p.FindAllString(line, -1))))
		}
		out.WriteString("\n")
	}
	return out.String()
}

// Patterns of what chats make blocks, links, pictures, characters and emphasis of.
var (
	Begin      = regexp.MustCompile(`^\s*(#|>|[-+:](\s|$)|[-=]+\s*$|(-\s*){3,}$|[0-9]+[.)](\s|$)|\t| {4})`)
	Address    = regexp.MustCompile(`(?i)[a-z]://|\bwww\.`)
	Emoji      = regexp.MustCompile(`(^|[^\p{L}\p{Nd}]):[0-9A-Za-z+_'-]+:|:[0-9]*[A-Za-z+_'-][0-9A-Za-z+_'-]*:`)
	Entity     = regexp.MustCompile(`&[#A-Za-z]`)
	Underscore = regexp.MustCompile(`(^|[^\p{L}\p{Nd}])_|_([^\p{L}\p{Nd}]|$)`)
)

// Golden compares a text with a file, and writes the file when the tests' flag -update is set.
func Golden(t *testing.T, path, got string) {
	t.Helper()
	if update := flag.Lookup("update"); update != nil && update.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || string(want) != got {
		t.Errorf("%s differs (%v); run with -update and look:\n%s", path, err, got)
	}
}
