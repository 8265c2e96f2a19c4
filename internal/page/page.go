// Package page is where people answer a release's question in a browser. A link opens one question and nothing else,
// and it decides nothing: whoever answers signs in first, and what they say goes to the same desk as words from a
// chat. Nothing is changed by looking, nothing is kept here, and no script runs.
package page

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// root is where the page is served, before a link's token.
	root = "/approve/"
	// bodyLimit bounds a form, in bytes.
	bodyLimit = 64 << 10
	// askFor and tellFor bound how long a release may take to say how it is, and to take an answer.
	askFor  = 10 * time.Second
	tellFor = 15 * time.Second
	// source is what words from here say they come from.
	source = "page"
)

// Questions knows how releases are.
type Questions interface {
	// Ask is a release with the question people are being asked. A release that nobody knows is [release.ErrNotFound],
	// one that has ended and is forgotten [release.ErrFinished].
	Ask(ctx context.Context, id release.ID) (release.Status, error)
}

// People knows who holds a token.
type People interface {
	// Person is who an account of a source belongs to. Its error says why that is nobody, and how to be known.
	Person(source, name string) (release.Actor, error)
}

// Options are what a page is made of. All but Log is required.
type Options struct {
	// Secret signs sessions and forms, and the links of [NewLinks]: it is the same there.
	Secret string
	// PublicURL is how browsers reach the server. With https, cookies never travel without.
	PublicURL string
	// Tokens are who may sign in.
	Tokens    []Token
	People    People
	Questions Questions
	Desk      notify.Desk
	// Log takes what operators should see; nil discards it.
	Log *slog.Logger
}

// Page serves the approval page. It is safe for concurrent use.
type Page struct {
	links     *Links
	sessions  *sessions
	limit     limit
	people    People
	questions Questions
	desk      notify.Desk
	log       *slog.Logger
	// prefix is the path under which others see the server; secure says whether they reach it by https.
	prefix string
	secure bool
	pages  *template.Template
}

// New is a page; mount its [Page.Handler] at /approve/.
func New(o Options) (*Page, error) {
	if o.People == nil || o.Questions == nil || o.Desk == nil {
		return nil, errors.New("page: people, questions and a desk are all needed")
	}
	public, err := url.Parse(o.PublicURL)
	if err != nil || public.Host == "" {
		return nil, errors.New("page: the public address has to be one, such as https://skyisland.example.com")
	}
	links, err := NewLinks(o.Secret, o.PublicURL)
	if err != nil {
		return nil, err
	}
	sessions, err := newSessions(o.Secret, o.Tokens)
	if err != nil {
		return nil, err
	}
	pages, err := templates()
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Page{
		links: links, sessions: sessions, people: o.People, questions: o.Questions, desk: o.Desk, log: o.Log,
		prefix: strings.TrimRight(public.Path, "/"), secure: public.Scheme == "https", pages: pages,
	}, nil
}

// Links makes links to this page.
func (p *Page) Links() *Links { return p.links }

// Handler is the page with its forms.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+root+"{token}", p.opened(p.show))
	mux.HandleFunc("POST "+root+"{token}/sign-in", p.opened(p.posted(p.signIn)))
	mux.HandleFunc("POST "+root+"{token}/answer", p.opened(p.posted(p.answer)))
	mux.HandleFunc("POST "+root+"{token}/sign-out", p.opened(p.posted(p.signOut)))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		p.fail(w, http.StatusNotFound, "There is no such page", "Open the link that you were sent once more.")
	})
	return guarded(mux)
}

// guarded tells browsers to keep the page to itself: nothing is loaded, framed, cached or told to others.
func guarded(next http.Handler) http.Handler {
	policy := "default-src 'none'; style-src '" + styleHash() + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		next.ServeHTTP(w, r)
	})
}

// visit is one request that came by a good link.
type visit struct {
	Question
	// token is the link's; now is when the visit began.
	token string
	now   time.Time
}

// opened lets those in who have a link that was signed here and has not expired.
func (p *Page) opened(next func(http.ResponseWriter, *http.Request, visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := visit{token: r.PathValue("token"), now: time.Now()}
		var err error
		v.Question, err = p.links.open(v.token, v.now)
		switch {
		case errors.Is(err, ErrExpired):
			p.fail(w, http.StatusGone, "This link has expired",
				"It was for question "+number(v.Ask)+" of "+v.Release.String()+" and ended "+moment(v.Until)+
					". If the release still waits, a reminder has a link of its own; or answer with: skyisland release approve "+v.Release.String())
		case err != nil:
			p.fail(w, http.StatusForbidden, "This link was not made here",
				"It may have been cut off or changed on its way, or be from another installation. Open it from the message you were sent, or copy the whole of it.")
		default:
			next(w, r, v)
		}
	}
}

// posted reads a form that came from a page of ours, as far as the browser tells.
func (p *Page) posted(next func(http.ResponseWriter, *http.Request, visit)) func(http.ResponseWriter, *http.Request, visit) {
	return func(w http.ResponseWriter, r *http.Request, v visit) {
		if from := r.Header.Get("Sec-Fetch-Site"); from != "" && from != "same-origin" {
			p.notOurForm(w)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		err := r.ParseForm()
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			p.fail(w, http.StatusRequestEntityTooLarge, "That is too much", "What you wrote is larger than 64 KiB. Go back and write less.")
			return
		}
		if err != nil {
			p.fail(w, http.StatusBadRequest, "The form could not be read", "Go back, load the page anew and try again.")
			return
		}
		next(w, r, v)
	}
}

// notOurForm refuses a form that was not made for this browser and this link.
func (p *Page) notOurForm(w http.ResponseWriter) {
	p.fail(w, http.StatusForbidden, "This form is not one of this page",
		"It was made for another visit, or by another site, so nothing was done. Open the link anew and try again; cookies have to be on.")
}
