package page

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/skyisland/skyisland/internal/release"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed style.css
	styleCSS string
)

// styleHash is what the content security policy calls our style; no other is applied.
func styleHash() string {
	sum := sha256.Sum256([]byte(styleCSS))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// mostListed is how many of a kind are shown; more are counted. mostText bounds one text, in bytes.
const (
	mostListed = 20
	mostText   = 500
)

// view is all that a page shows.
type view struct {
	Title, Link       string
	Notice, Complaint string

	Release, Point, Requester, Asked string
	Units                            string
	Commits, Changes, Steps          list
	Exposure, Pressure               []string
	Evidence                         *evidence
	PlanHash                         string
	Wants                            []string
	Answers                          []answered
	Until, Left, Closed              string
	// Open says that an answer can be given.
	Open bool
	// Visitor is who is signed in; empty when nobody is.
	Visitor string
	// Form names the form, and the seals say that it is ours.
	Form, Seal, LeaveSeal, Comment string
}

// list are lines with how many were left out.
type list struct {
	Items []item
	More  int
}

// item is one line: what people look for, what it is about, and a detail.
type item struct{ Name, Text, Detail string }

type evidence struct {
	Verdict, Sentence string
	Rows              []item
}

type answered struct{ By, Comment, At string }

// viewOf is a question as it is shown.
func viewOf(v visit, a release.Ask) view {
	out := view{
		Title: "Release " + v.Release.String(), Release: v.Release.String(), Point: clean(string(a.Point)),
		Requester: called(a.Requester), Asked: moment(a.Asked), Units: clean(strings.Join(a.Units, ", ")), PlanHash: clean(a.PlanHash),
		Commits: listOf(a.Commits, func(c release.Commit) item { return item{short(c.ID), clean(c.Subject), clean(c.Author)} }),
		Changes: listOf(a.Changes, func(c release.Change) item {
			return item{clean(c.Component), clean(cmp.Or(c.From, "nothing")) + " → " + clean(c.To), clean(string(c.Artifact))}
		}),
		Steps: listOf(a.Steps, func(s release.Step) item {
			if s.Probe {
				return item{s.Weight.String(), s.Bake.String() + ", to warm up", ""}
			}
			return item{s.Weight.String(), s.Bake.String(), ""}
		}),
		Until: moment(a.Until), Left: span(a.Until.Sub(v.now)), Closed: clean(a.Closed),
		Open: a.Closed == "" && v.now.Before(a.Until),
	}
	if len(a.Commits) == 0 {
		out.Commits.Items = []item{{Name: short(a.Commit)}}
	}
	if e := a.Exposure; e != nil {
		out.Exposure = []string{
			plural(e.BadAnswers, "bad answer") + " at worst, before a canary that fails every request is back",
			"Takes " + e.Takes.String() + " at least",
			"A harmless release is rolled back in " + e.FalseRollback.String() + " of cases",
		}
	}
	for _, sentence := range a.Pressure[:min(len(a.Pressure), mostListed)] {
		out.Pressure = append(out.Pressure, clean(sentence))
	}
	if e := a.Evidence; e != nil {
		out.Evidence = &evidence{clean(string(e.Verdict)), clean(e.Sentence), []item{
			{"canary", plural(int(e.CanaryRequests), "request") + ", " + strconv.FormatInt(e.CanaryBad, 10) + " bad", ""},
			{"stable", plural(int(e.StableRequests), "request") + ", " + strconv.FormatInt(e.StableBad, 10) + " bad", ""},
		}}
	}
	for _, want := range a.Wants {
		line := plural(want.Count, "approval")
		if len(want.From) > 0 {
			line += " of " + clean(strings.Join(want.From, ", "))
		}
		out.Wants = append(out.Wants, line)
	}
	for _, one := range a.Answers[:min(len(a.Answers), mostListed)] {
		out.Answers = append(out.Answers, answered{called(one.By), clean(one.Comment), moment(one.At)})
	}
	return out
}

func listOf[T any](all []T, say func(T) item) list {
	out := list{More: max(len(all)-mostListed, 0)}
	for _, one := range all[:min(len(all), mostListed)] {
		out.Items = append(out.Items, say(one))
	}
	return out
}

// called is a person by the name people know, with the account where that is another.
func called(a release.Actor) string {
	if a.Person == "" || a.Person == a.Name {
		return clean(a.Name)
	}
	return clean(a.Person) + " (" + clean(a.Name) + ")"
}

// clean is a text that somebody wrote, without what would turn, hide or overrun what stands around it.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > mostText {
		s = strings.ToValidUTF8(s[:mostText], "") + "…"
	}
	return s
}

// short is as much of a hash as people compare.
func short(hash string) string {
	hash = clean(hash)
	return hash[:min(len(hash), 12)]
}

func number(n int) string { return strconv.Itoa(n) }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// moment is a time as people read it. Without scripts a page cannot know their zone.
func moment(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") }

// span is a length of time in its two greatest units.
func span(d time.Duration) string {
	switch minutes := int(d / time.Minute); {
	case d < time.Minute:
		return "less than a minute"
	case minutes < 60:
		return plural(minutes, "minute")
	case minutes < 24*60:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	default:
		return fmt.Sprintf("%s %d h", plural(minutes/(24*60), "day"), minutes/60%24)
	}
}

// templates are all pages.
func templates() (*template.Template, error) {
	// The style is put in as text and not as a value, so that its bytes are those of its hash.
	return template.New("page").Parse(strings.Replace(pageHTML, "STYLE", styleCSS, 1))
}

// write answers with a page.
func (p *Page) write(w http.ResponseWriter, status int, name string, v view) {
	var body bytes.Buffer
	if err := p.pages.ExecuteTemplate(&body, name, v); err != nil {
		p.log.Error("page not made", "page", name, "error", err)
		http.Error(w, "something went wrong on the server; its log says more", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	// A browser that went away is no concern of ours.
	_, _ = w.Write(body.Bytes())
}
