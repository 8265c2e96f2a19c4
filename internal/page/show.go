package page

import (
	"context"
	"errors"
	"net/http"

	"github.com/skyisland/skyisland/internal/release"
)

// shown is what a page says beside the question. Its zero value says nothing.
type shown struct {
	// status is the answer's; 0 is 200.
	status int
	// notice is good news, complaint what is wrong.
	notice, complaint string
	// question is the release, when it has been asked already.
	question *release.Status
	// form and comment are those of an answer that did not go through.
	form, comment string
	// answered says that there is nothing left to answer here.
	answered bool
}

// show shows the question. It changes nothing.
func (p *Page) show(w http.ResponseWriter, r *http.Request, v visit) {
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.URL.RawQuery == "" {
		// The browser came from a chat and keeps our cookies back. A page of our own that loads the question gets
		// them, so that nobody signs in anew for every link they press.
		w.Header().Set("Refresh", "0; url="+p.prefix+root+v.token+"?here")
		p.write(w, http.StatusOK, "hop", view{Title: "One moment", Link: p.prefix + root + v.token})
		return
	}
	p.render(w, r, v, shown{})
}

// render shows the question as it is now, with the form that the visitor can use.
func (p *Page) render(w http.ResponseWriter, r *http.Request, v visit, s shown) {
	if s.question == nil {
		ctx, cancel := context.WithTimeout(r.Context(), askFor)
		defer cancel()
		status, err := p.questions.Ask(ctx, v.Release)
		if err != nil {
			p.away(w, r, v, err)
			return
		}
		s.question = &status
	}
	q := s.question.Ask
	switch {
	case q == nil:
		if said := s.notice + s.complaint; said != "" {
			p.fail(w, max(s.status, http.StatusOK), "Your answer", said)
			return
		}
		p.over(w, v, *s.question)
		return
	case q.Number != v.Ask || q.PlanHash != v.PlanHash:
		if !s.answered {
			p.superseded(w, v, *q)
			return
		}
	}
	out := viewOf(v, *q)
	out.Link, out.Notice, out.Complaint, out.Comment = p.prefix+root+v.token, s.notice, s.complaint, s.comment
	if out.Open {
		out.Open = !s.answered
	}
	if who, ok := p.visitor(r, v.now); ok {
		out.Visitor = called(who.who)
		out.Form = s.form
		if out.Form == "" {
			out.Form = newForm()
		}
		out.Seal = p.sessions.seal(who.session, v.token, purposeAnswer, out.Form)
		out.LeaveSeal = p.sessions.seal(who.session, v.token, purposeLeave, out.Form)
	} else {
		browser := cookieOf(r, formCookie)
		if browser == "" {
			browser = newForm()
			p.setCookie(w, formCookie, browser, sessionFor)
		}
		out.Form = newForm()
		out.Seal = p.sessions.seal(browser, v.token, purposeSignIn, out.Form)
	}
	p.write(w, max(s.status, http.StatusOK), "question", out)
}

// over says that the release asks nobody.
func (p *Page) over(w http.ResponseWriter, v visit, status release.Status) {
	p.fail(w, http.StatusGone, "Nobody is asked any more",
		"Question "+number(v.Ask)+" of "+v.Release.String()+" has ended; the release is "+string(status.Phase)+" now. See: skyisland release show "+v.Release.String())
}

// superseded says that the release asks something else now.
func (p *Page) superseded(w http.ResponseWriter, v visit, now release.Ask) {
	why := "It asks about another plan now, because what would be released has changed."
	if now.PlanHash == v.PlanHash {
		why = "It asks about the same plan at another point now: before the " + string(now.Point) + "."
	}
	p.fail(w, http.StatusConflict, "There is a newer question",
		"This link was for question "+number(v.Ask)+" of "+v.Release.String()+", and nothing was decided by it. "+why+" Open the link in the newest message.")
}

// away says why a release does not say how it is.
func (p *Page) away(w http.ResponseWriter, r *http.Request, v visit, err error) {
	switch {
	case errors.Is(err, release.ErrNotFound):
		p.fail(w, http.StatusNotFound, "There is no such release", "Nobody here knows "+v.Release.String()+" any more.")
	case errors.Is(err, release.ErrFinished):
		p.fail(w, http.StatusGone, "The release has ended", v.Release.String()+" has ended, so there is nothing left to decide.")
	default:
		if r.Context().Err() == nil {
			p.log.ErrorContext(r.Context(), "question not read", "release", v.Release.String(), "error", err)
		}
		w.Header().Set("Retry-After", "5")
		p.fail(w, http.StatusServiceUnavailable, "The release does not answer",
			v.Release.String()+" cannot be reached at the moment, so nothing was decided. Load the page again shortly.")
	}
}

// fail shows a page that says what is wrong, and what would be right.
func (p *Page) fail(w http.ResponseWriter, status int, title, text string) {
	p.write(w, status, "notice", view{Title: title, Notice: text})
}
