package router

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	tree "text/template/parse"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markup"
	"github.com/skyisland/skyisland/internal/release"
)

// Template is how an event is told.
type Template struct {
	// Title is one line, Lines are more of it, each a text/template over [Event]. What they bring from the event means
	// itself in every chat; the words of a line that stand in the template itself may be formatted.
	Title string
	Lines []string
}

// Event is what templates see. Each text is one line.
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
	// mostText is when a template is stopped, such as one that loops.
	mostText = 64 << 10
)

// templates are parsed.
type templates map[release.EntryKind]parsed

type parsed struct {
	title *template.Template
	lines []*template.Template
}

// newTemplates parses the configured templates over the usual ones, and tries each with samples. The error names all that
// cannot be followed.
func newTemplates(own map[release.EntryKind]Template) (templates, error) {
	out := templates{}
	var faults []error
	for _, kind := range slices.Sorted(maps.Keys(own)) {
		if !slices.Contains(Events(), kind) {
			faults = append(faults, fmt.Errorf("templates: there is no event %q; there are %s", kind, list(Events())))
		}
	}
	for _, kind := range Events() {
		t := usualOf(kind)
		if mine, ok := own[kind]; ok {
			mine.Title = cmp.Or(mine.Title, t.Title)
			t = mine
		}
		p, err := parse(t)
		for _, event := range samples(kind) {
			if err == nil {
				_, _, err = p.write(event)
			}
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("templates.%s: %w", kind, err))
		}
		out[kind] = p
	}
	return out, errors.Join(faults...)
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
		for _, defined := range one.Templates() {
			if defined.Tree != nil {
				markOwn(defined.Root)
			}
		}
		p.lines = append(p.lines, one)
	}
	return p, nil
}

// markOwn marks a template's own words in what it makes, so that each chat can tell them from what an event brought.
func markOwn(node tree.Node) {
	branch := func(b *tree.BranchNode) {
		markOwn(b.List)
		markOwn(b.ElseList)
	}
	switch node := node.(type) {
	case *tree.ListNode:
		if node == nil {
			return // there is no else
		}
		for _, one := range node.Nodes {
			markOwn(one)
		}
	case *tree.TextNode:
		lines := strings.Split(string(node.Text), "\n")
		for i, line := range lines {
			if strings.TrimSpace(line) != "" {
				lines[i] = markup.Own(line)
			}
		}
		node.Text = []byte(strings.Join(lines, "\n"))
	case *tree.IfNode:
		branch(&node.BranchNode)
	case *tree.RangeNode:
		branch(&node.BranchNode)
	case *tree.WithNode:
		branch(&node.BranchNode)
	}
}

// oneLine is the event with each of its texts in one line: a line break that somebody wrote would begin a line of ours.
func (e Event) oneLine() Event {
	for _, text := range []*string{&e.Release, &e.Tenant, &e.Application, &e.Environment, &e.Requester, &e.Message} {
		*text = notify.OneLine(*text)
	}
	details := make([]string, 0, len(e.Details))
	for _, detail := range e.Details {
		details = append(details, notify.OneLine(detail))
	}
	e.Details = details
	return e
}

// write makes the title, which is one line, and the lines.
func (p parsed) write(event Event) (title string, lines []string, err error) {
	event = event.oneLine()
	text, err := execute(p.title, event)
	if err != nil {
		return "", nil, err
	}
	if title = cut(strings.Join(strings.Fields(text), " "), mostTitle); title == "" {
		return "", nil, errors.New("title: says nothing")
	}
	for _, line := range p.lines {
		text, err := execute(line, event)
		if err != nil {
			return "", nil, err
		}
		for part := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
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

// execute is what a template says, as far as it fits.
func execute(t *template.Template, event Event) (string, error) {
	var b bounded
	err := t.Execute(&b, event)
	if errors.Is(err, errFull) {
		err = nil
	}
	return strings.ToValidUTF8(b.text.String(), ""), err
}

// bounded takes so much text, and stops what writes more.
type bounded struct{ text strings.Builder }

var errFull = errors.New("the text is too long")

func (b *bounded) Write(p []byte) (int, error) {
	room := min(len(p), mostText-b.text.Len())
	b.text.Write(p[:room])
	if room < len(p) {
		return room, errFull
	}
	return room, nil
}

// samples are an event with all there may be, and one with as little.
func samples(kind release.EntryKind) []Event {
	full := Event{
		Kind: kind, Release: "demo/hello/production/3", Tenant: "demo", Application: "hello", Environment: "production", Requester: "ada",
		Number: 3, Phase: release.Ramping, Message: "something happened", Details: []string{"a reason"}, At: time.Unix(0, 0).UTC(),
	}
	least := full
	least.Details, least.Requester = nil, ""
	if kind == release.EntryAlarm || kind == release.EntryFreeze {
		least = Event{Kind: kind, Message: full.Message, At: full.At}
	}
	return []Event{full, least}
}
