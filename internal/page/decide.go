package page

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
)

// What the forms are for, as their seals say it.
const (
	purposeSignIn = "sign-in"
	purposeAnswer = "answer"
	purposeLeave  = "sign-out"
)

// commentLimit bounds a comment, in bytes: it goes into a workflow's history.
const commentLimit = 2000

// visitor is who is signed in.
type visitor struct {
	// token is the name of their token, session their cookie.
	token, session string
	who            release.Actor
}

// visitor is who is signed in; false when nobody is, or nobody the installation knows.
func (p *Page) visitor(r *http.Request, now time.Time) (visitor, bool) {
	session := cookieOf(r, sessionCookie)
	name, ok := p.sessions.whose(session, now)
	if !ok {
		return visitor{}, false
	}
	who, err := p.people.Person(source, name)
	if err != nil {
		// They were known when they signed in. Signing in again tells them how to be.
		return visitor{}, false
	}
	return visitor{token: name, session: session, who: who}, true
}

// signIn begins a session for the holder of a token.
func (p *Page) signIn(w http.ResponseWriter, r *http.Request, v visit) {
	if !p.sessions.sealed(r.PostFormValue("seal"), cookieOf(r, formCookie), v.token, purposeSignIn, r.PostFormValue("form")) {
		p.notOurForm(w)
		return
	}
	from := network(r.RemoteAddr)
	if wait := p.limit.wait(from, v.now); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		p.again(w, r, v, http.StatusTooManyRequests, fmt.Sprintf("Too many tokens were wrong. Try again in %s.", span(wait)))
		return
	}
	sum := p.sessions.sum(strings.TrimSpace(r.PostFormValue("token")))
	h, ok := p.sessions.holds(sum[:])
	if !ok {
		p.limit.failed(from, v.now)
		p.log.WarnContext(r.Context(), "sign-in refused", "release", v.Release.String(), "from", from.String())
		p.again(w, r, v, http.StatusUnauthorized, "This token is not known here. It may belong to another installation, or have been replaced.")
		return
	}
	if _, err := p.people.Person(source, h.name); err != nil {
		p.again(w, r, v, http.StatusForbidden, "You cannot answer yet: "+err.Error()+".")
		return
	}
	p.setCookie(w, sessionCookie, p.sessions.begin(h, v.now.Add(sessionFor)), sessionFor)
	p.setCookie(w, formCookie, "", 0)
	p.log.InfoContext(r.Context(), "signed in to the approval page", "token", h.name, "release", v.Release.String())
	http.Redirect(w, r, p.prefix+root+v.token, http.StatusSeeOther)
}

// again shows the question with a complaint about signing in.
func (p *Page) again(w http.ResponseWriter, r *http.Request, v visit, status int, complaint string) {
	p.render(w, r, v, shown{status: status, complaint: complaint})
}

// signOut ends a session in this browser.
func (p *Page) signOut(w http.ResponseWriter, r *http.Request, v visit) {
	if !p.sessions.sealed(r.PostFormValue("seal"), cookieOf(r, sessionCookie), v.token, purposeLeave, r.PostFormValue("form")) {
		p.notOurForm(w)
		return
	}
	p.setCookie(w, sessionCookie, "", 0)
	http.Redirect(w, r, p.prefix+root+v.token, http.StatusSeeOther)
}

// answer passes on what somebody decided.
func (p *Page) answer(w http.ResponseWriter, r *http.Request, v visit) {
	who, ok := p.visitor(r, v.now)
	if !ok {
		p.render(w, r, v, shown{status: http.StatusUnauthorized, complaint: "You are not signed in any more, so nothing was decided. Sign in and answer again."})
		return
	}
	form := r.PostFormValue("form")
	if !p.sessions.sealed(r.PostFormValue("seal"), who.session, v.token, purposeAnswer, form) {
		p.notOurForm(w)
		return
	}
	what, comment := r.PostFormValue("what"), strings.TrimSpace(r.PostFormValue("comment"))
	kept := shown{status: http.StatusUnprocessableEntity, form: form, comment: comment}
	switch {
	case what != "approve" && what != "reject":
		p.fail(w, http.StatusBadRequest, "This is no answer", "An answer is approve or reject. Open the link anew and try again.")
		return
	case !utf8.ValidString(comment):
		kept.comment, kept.complaint = "", "The comment is not text. Write it again."
	case len(comment) > commentLimit:
		kept.complaint = fmt.Sprintf("The comment has %d bytes; at most %d are kept. Write less.", len(comment), commentLimit)
	case what == "reject" && comment == "":
		kept.complaint = "Say why you reject it: whoever asked has to know what to change."
	}
	if kept.complaint != "" {
		p.render(w, r, v, kept)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), tellFor)
	defer cancel()
	status, err := p.questions.Ask(ctx, v.Release)
	if err != nil {
		p.away(w, r, v, err)
		return
	}
	if q := status.Ask; q != nil && q.Number != v.Ask && q.PlanHash == v.PlanHash {
		// The plan alone would not tell the desk that another question is meant.
		p.log.WarnContext(ctx, "answer to an earlier question refused", "release", v.Release.String(), "ask", v.Ask, "token", who.token)
		p.superseded(w, v, *q)
		return
	}
	p.tell(ctx, w, r, v, status, notify.Word{
		// The same button of the same form is one answer, however often it arrives.
		ID: "page/" + form + "/" + what, Source: source, User: who.token, Called: called(who.who), What: what,
		About: v.Release.String(), PlanHash: v.PlanHash, Ask: v.Ask, Comment: comment, At: v.now.UTC(),
	})
}

// tell says a word to the desk and shows what became of it.
func (p *Page) tell(ctx context.Context, w http.ResponseWriter, r *http.Request, v visit, status release.Status, word notify.Word) {
	reply, err := p.desk.Tell(ctx, word)
	if err != nil {
		p.log.ErrorContext(ctx, "answer not passed on", "release", word.About, "token", word.User, "error", err)
		w.Header().Set("Retry-After", "5")
		p.render(w, r, v, shown{
			status: http.StatusServiceUnavailable, form: r.PostFormValue("form"), comment: word.Comment, question: &status,
			complaint: "Nobody knows yet whether your answer counts. Press the same button again: it is counted once.",
		})
		return
	}
	out := shown{status: http.StatusOK, question: &status, notice: reply.Text, answered: true}
	if reply.Ask != nil {
		status.Ask = reply.Ask
	}
	if reply.Refused {
		out.status, out.notice, out.complaint = http.StatusConflict, "", reply.Text
	}
	p.render(w, r, v, out)
}

// newForm is a name that no form had before.
func newForm() string { return rand.Text() }
