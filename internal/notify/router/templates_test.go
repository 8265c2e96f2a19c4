package router

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markup"
	"github.com/skyisland/skyisland/internal/notify/notifytest/nastytest"
	"github.com/skyisland/skyisland/internal/release"
)

func written(text string) Event {
	return Event{
		Kind: release.EntryStopped, Release: "demo/hello/production/3", Tenant: "demo", Application: text, Environment: "production",
		Requester: text, Number: 3, Phase: release.Ramping, Message: text, Details: []string{text, text}, At: time.Unix(0, 0).UTC(),
	}
}

func TestATemplatesOwnWordsAreMarkedAndWhatAnEventBringsIsNot(t *testing.T) {
	own := markup.Own
	for name, test := range map[string]struct {
		line, text string
		want       []string
	}{
		"words around a field":          {"**Why** {{.Message}}!", "*x*", []string{own("**Why** ") + "*x*" + own("!")}},
		"a field alone":                 {"{{.Message}}", "*x*", []string{"*x*"}},
		"lines of fields":               {"{{range .Details}}{{.}}\n{{end}}", "x", []string{"x", "x"}},
		"lines of words":                {"a\n\nb {{.Number}}\n", "x", []string{own("a"), own("b ") + "3"}},
		"either branch":                 {"{{if eq .Environment \"production\"}}a{{else}}b{{end}}{{with .Tenant}}c{{end}}{{range $i, $d := .Details}}d{{else}}e{{end}}", "x", []string{own("a") + own("c") + own("d") + own("d")}},
		"the other branch":              {"{{if eq .Environment \"test\"}}a{{else if .Number}}b{{end}}", "x", []string{own("b")}},
		"a template within":             {"{{define \"x\"}}**{{.}}**{{end}}{{template \"x\" .Message}}", "x", []string{own("**") + "x" + own("**")}},
		"a field through a function":    {"{{printf \"%.3s and %s\" .Message \"**\"}}", "*****", []string{"*** and **"}},
		"line breaks of a stranger":     {"{{.Message}}", "a\n# b\r\n\u2028c", []string{"a # b   c"}},
		"marks of a stranger":           {"{{.Message}}", "\ufdd0**x**\ufdd1", []string{"**x**"}},
		"marks that a stranger ends":    {"a {{.Message}} b", "x\ufdd1y\ufdd0", []string{own("a ") + "xy" + own(" b")}},
		"a text of which nothing shows": {"{{range .Details}}{{.}}\n{{end}}", "\u200b\u202e", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := parse(Template{Title: "{{.Message}}", Lines: []string{test.line}})
			if err != nil {
				t.Fatal(err)
			}
			event := written(test.text)
			event.Details = slices.Clone(event.Details)
			if name == "a text of which nothing shows" {
				event.Message = "x" // a title has to say something
			}
			_, lines, err := p.write(event)
			if err != nil || !slices.Equal(lines, test.want) {
				t.Errorf("lines %q, %v, want %q", lines, err, test.want)
			}
		})
	}
}

// FuzzWhatAnEventBringsIsNeverOurs holds that nothing of an event passes for a template's own words, begins a line or
// ends one.
func FuzzWhatAnEventBringsIsNeverOurs(f *testing.F) {
	for _, text := range slices.Concat(nastytest.Ordinary, nastytest.Nasty) {
		f.Add(text)
	}
	p, err := parse(Template{Title: "{{.Application}} says {{.Message}}", Lines: []string{"**{{.Application}}** says\n{{.Message}}", "Why: {{range .Details}}{{.}}, {{end}}", "{{range .Details}}> {{.}}\n{{end}}"}})
	if err != nil {
		f.Fatal(err)
	}
	// Everything but what is marked is left out.
	marks := markup.Markup{
		Literal: func(string, rune, string) string { return "" },
		Own:     func(text string) string { return text },
	}
	f.Fuzz(func(t *testing.T, text string) {
		if notify.OneLine(text) == "" || len(text) > 400 {
			return
		}
		title, lines, err := p.write(written(text))
		_, want, _ := p.write(written("x"))
		if err != nil || len(lines) != len(want) || notify.OneLine(title) != title {
			t.Fatalf("%q: title %q, %d lines, %v, want %d", text, title, len(lines), err, len(want))
		}
		for i, line := range lines {
			if got, want := marks.Line(line, 1000), marks.Line(want[i], 1000); got != want {
				t.Errorf("%q: line %d is %q with our own words %q, want %q", text, i, line, got, want)
			}
			if strings.ContainsAny(line, "\n\r") {
				t.Errorf("%q: a line with two lines: %q", text, line)
			}
		}
	})
}
