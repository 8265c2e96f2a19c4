package router

import (
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Template is how an event is told.
type Template struct {
	// Title is one line, Lines are more of it, each a text/template over [Event].
	Title string
	Lines []string
}

// Event is what templates see.
type Event struct {
	Kind release.EntryKind
	// Release is tenant/application/environment/number; empty for what is about no release.
	Release                                     string
	Tenant, Application, Environment, Requester string
	Number                                      int
	Phase                                       release.Phase
	Message                                     string
	Details                                     []string
	At                                          time.Time
}

// Bounds of what a template makes, in bytes: chats cut or refuse more.
const (
	mostTitle = 300
	mostLine  = 2000
	mostLines = 40
)

// usual tells what happened in the words of the release's own story.
var usual = Template{
	Title: `{{if .Release}}{{.Release}}: {{end}}{{.Message}}`,
	Lines: []string{`{{range .Details}}{{.}}
{{end}}`},
}

// templates are parsed.
type templates map[release.EntryKind]parsed

type parsed struct {
	title *template.Template
	lines []*template.Template
}

// newTemplates parses the configured templates over the usual one, and tries each with a sample.
func newTemplates(own map[release.EntryKind]Template) (templates, error) {
	out := templates{}
	for kind := range own {
		if !known(kind) {
			return nil, fmt.Errorf("templates: there is no event %q; there are %s", kind, list(Events()))
		}
	}
	for _, kind := range Events() {
		t := usual
		if mine, ok := own[kind]; ok {
			t = mine
			if t.Title == "" {
				t.Title = usual.Title
			}
		}
		p, err := parse(t)
		if err == nil {
			_, _, err = p.write(sample(kind))
		}
		if err != nil {
			return nil, fmt.Errorf("templates.%s: %w", kind, err)
		}
		out[kind] = p
	}
	return out, nil
}

func known(kind release.EntryKind) bool {
	for _, event := range Events() {
		if event == kind {
			return true
		}
	}
	return false
}

func parse(t Template) (parsed, error) {
	title, err := template.New("title").Option("missingkey=error").Parse(t.Title)
	if err != nil {
		return parsed{}, err
	}
	p := parsed{title: title}
	for i, line := range t.Lines {
		one, err := template.New(fmt.Sprintf("lines[%d]", i)).Option("missingkey=error").Parse(line)
		if err != nil {
			return parsed{}, err
		}
		p.lines = append(p.lines, one)
	}
	return p, nil
}

// write makes the title, which is one line, and the lines.
func (p parsed) write(event Event) (title string, lines []string, err error) {
	var b strings.Builder
	if err := p.title.Execute(&b, event); err != nil {
		return "", nil, err
	}
	title = cut(strings.Join(strings.Fields(b.String()), " "), mostTitle)
	for _, line := range p.lines {
		b.Reset()
		if err := line.Execute(&b, event); err != nil {
			return "", nil, err
		}
		for part := range strings.SplitSeq(strings.TrimRight(b.String(), "\n"), "\n") {
			if part != "" && len(lines) < mostLines {
				lines = append(lines, cut(part, mostLine))
			}
		}
	}
	return title, lines, nil
}

// cut shortens a text to so many bytes, between characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "…"
}

func sample(kind release.EntryKind) Event {
	return Event{
		Kind: kind, Release: "demo/hello/production/3", Tenant: "demo", Application: "hello", Environment: "production", Requester: "ada",
		Number: 3, Phase: release.Ramping, Message: "something happened", Details: []string{"a reason"}, At: time.Unix(0, 0).UTC(),
	}
}
