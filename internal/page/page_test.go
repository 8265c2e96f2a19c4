package page

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func TestSomebodyAnswers(t *testing.T) {
	for _, what := range []string{"approve", "reject"} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t)
			link, b := s.link(seven, 1), s.browser()
			b.get(link).wants(200, "demo/hello/production/7", "mona.l (mona)", "before the ramp", "Fix the fare", "616161616161", "web-1 → web-2",
				"sha256:ab12cd34", "a, b", "1%", "to warm up", "5%", "12 bad answers", "Takes 9m", "1% of cases", "carries 300/s", "no worse than stable",
				"60 requests", "2 approvals of release-managers", "petr (U012)", "good", plan, "59 minutes left", "Sign in")
			b.signIn(link, olgas).wants(200, "You are <b>olga.ivanova (olga)</b>.")
			form := b.form("answer")
			form.Set("what", what)
			form.Set("comment", " seen it ")
			b.post(link+"/answer", form).wants(200, what+" of olga.ivanova (olga) counts")
			told := s.desk.told()
			if len(told) != 1 {
				t.Fatalf("told %+v", told)
			}
			w := told[0]
			if w.Source != "page" || w.User != "olga" || w.What != what || w.About != seven.String() || w.PlanHash != plan || w.Ask != 1 ||
				w.Comment != "seen it" || w.ID == "" || w.At.IsZero() {
				t.Errorf("told %+v", w)
			}
			if b.has("answer") {
				t.Error("it can be answered again at once")
			}
		})
	}
}

func TestLookingChangesNothing(t *testing.T) {
	s := newSite(t)
	link, b := s.link(seven, 1), s.browser()
	b.signIn(link, olgas)
	session := b.cookies[sessionCookie]
	for _, path := range []string{link, link + "?what=approve&comment=x", link + "/answer?what=approve", link + "/sign-out", link + "/sign-in?token=" + olgas} {
		b.get(path)
	}
	for _, method := range []string{http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		b.do(method, link+"/answer", url.Values{"what": {"approve"}})
	}
	if told := s.desk.told(); len(told) != 0 || b.cookies[sessionCookie] != session {
		t.Errorf("told %+v", told)
	}
}

func TestLinksThatOpenNothing(t *testing.T) {
	s := newSite(t)
	other := release.ID{Lane: seven.Lane, Number: 8}
	away := release.ID{Lane: seven.Lane, Number: 9}
	s.questions[other.String()] = release.Status{ID: other, Phase: release.Ramping}
	s.questions[away.String()] = release.Status{ID: away, Phase: "away"}
	good := s.link(seven, 1)
	for name, test := range map[string]struct {
		path   string
		status int
		says   string
	}{
		"a forged one":                         {good[:len(good)-1] + "~", 403, "was not made here"},
		"one of another installation":          {"/approve/" + sign(t, linksOf(t, secret+"x"), seven, 1, time.Now().Add(time.Hour)), 403, "was not made here"},
		"one that has expired":                 {"/approve/" + sign(t, s.page.links, seven, 1, time.Now().Add(-time.Second)), 410, "skyisland release approve demo/hello/production/7"},
		"one for an earlier question":          {s.link(seven, 2), 409, "There is a newer question"},
		"one for a release that asks nobody":   {s.link(other, 1), 410, "the release is ramping now"},
		"one for a release that is gone":       {s.link(release.ID{Lane: seven.Lane, Number: 99}, 1), 404, "There is no such release"},
		"one for a release that is away":       {s.link(away, 1), 503, "cannot be reached at the moment"},
		"no link at all":                       {"/approve/", 404, "There is no such page"},
		"a part of the page that is not there": {good + "/delete", 404, "There is no such page"},
	} {
		t.Run(name, func(t *testing.T) {
			b := s.browser()
			b.get(test.path).wants(test.status, test.says)
			if strings.Contains(b.body, "<form") || strings.Contains(b.body, "10.1.2.3") || !strings.HasPrefix(b.header.Get("Content-Type"), "text/html") {
				t.Errorf("the page is %s", b.body)
			}
		})
	}
}

func TestAQuestionThatIsOverIsShownWithItsEnd(t *testing.T) {
	s := newSite(t)
	s.ask(seven, func(a *release.Ask) { a.Closed = "rejected by petr: too late in the day" })
	b := s.browser()
	b.get(s.link(seven, 1)).wants(200, "rejected by petr: too late in the day")
	if strings.Contains(b.body, "<form") {
		t.Error("it can still be answered")
	}
}

func TestAnAnswerToAnEarlierQuestionDoesNotCount(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*release.Ask)
		told   int
	}{
		// The desk knows the plans, and keeps a record of the answer.
		"about another plan":                {func(a *release.Ask) { a.Number, a.PlanHash = 2, strings.Repeat("00", 32) }, 1},
		"about the same at another point":   {func(a *release.Ask) { a.Number, a.Point = 2, release.BeforeCutover }, 0},
		"about another plan, no new number": {func(a *release.Ask) { a.PlanHash = strings.Repeat("00", 32) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			link, b := s.link(seven, 1), s.browser()
			form := b.signIn(link, olgas).form("answer")
			form.Set("what", "approve")
			s.ask(seven, test.change)
			b.post(link+"/answer", form)
			told := s.desk.told()
			if len(told) != test.told {
				t.Fatalf("told %+v", told)
			}
			if len(told) == 1 && (told[0].PlanHash != plan || told[0].Ask != 1) {
				t.Errorf("the answer is for what was not shown: %+v", told[0])
			}
			if test.told == 0 {
				b.wants(409, "There is a newer question", "before the cutover")
			}
			b.get(link).wants(409, "There is a newer question")
		})
	}
}

func TestAFormThatIsSentTwiceCountsOnce(t *testing.T) {
	s := newSite(t)
	link, b := s.link(seven, 1), s.browser()
	form := b.signIn(link, olgas).form("answer")
	form.Set("what", "approve")
	for range 3 {
		b.post(link+"/answer", form).wants(200, "counts")
	}
	if told := s.desk.told(); len(told) != 1 {
		t.Errorf("told %+v", told)
	}
	again := b.get(link).form("answer")
	again.Set("what", "approve")
	if again.Get("form") == form.Get("form") {
		t.Error("two pages have one form")
	}
}

func TestAnAnswerOfUnknownFateCanBeSentAgain(t *testing.T) {
	s := newSite(t)
	link, b := s.link(seven, 1), s.browser()
	form := b.signIn(link, olgas).form("answer")
	form.Set("what", "reject")
	form.Set("comment", "the fare is <wrong>")
	s.desk.away = errors.New("temporal is away")
	b.post(link+"/answer", form).wants(503, "Press the same button again", "the fare is <wrong></textarea>")
	if strings.Contains(b.body, "temporal is away") || b.header.Get("Retry-After") == "" {
		t.Errorf("the page is %s", b.body)
	}
	same := b.form("answer")
	if same.Get("form") != form.Get("form") {
		t.Error("the form is another one, so the answer could count twice")
	}
	s.desk.away = nil
	same.Set("what", "reject")
	same.Set("comment", "the fare is <wrong>")
	b.post(link+"/answer", same).wants(200, "counts")
}

func TestAnAnswerHasToBeOne(t *testing.T) {
	for name, test := range map[string]struct {
		what, comment string
		status        int
		says          string
	}{
		"a rejection without a reason":  {"reject", "  ", 422, "Say why you reject it"},
		"a comment that is too long":    {"approve", strings.Repeat("é", 1001), 422, "The comment has 2002 bytes; at most 2000 are kept"},
		"a comment that is not text":    {"approve", "\xff\xfe", 422, "is not text"},
		"a form that is too large":      {"approve", strings.Repeat("x", bodyLimit), 413, "larger than 64 KiB"},
		"something that is no decision": {"rollback", "", 400, "An answer is approve or reject"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			link, b := s.link(seven, 1), s.browser()
			form := b.signIn(link, olgas).form("answer")
			form.Set("what", test.what)
			form.Set("comment", test.comment)
			b.post(link+"/answer", form).wants(test.status, test.says)
			if told := s.desk.told(); len(told) != 0 {
				t.Errorf("told %+v", told)
			}
			if test.status == 422 && b.form("answer").Get("form") != form.Get("form") {
				t.Error("the form is lost")
			}
		})
	}
}

func TestSomebodyWithoutTheRightIsTold(t *testing.T) {
	s := newSite(t)
	link, b := s.link(seven, 1), s.browser()
	form := b.signIn(link, ritas).form("answer")
	form.Set("what", "approve")
	b.post(link+"/answer", form).wants(409, "rita is not in release-managers, so it does not count")
	if told := s.desk.told(); len(told) != 1 || told[0].User != "rita" {
		t.Errorf("told %+v", told)
	}
}

func TestThePageKeepsToItself(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	for _, path := range []string{s.link(seven, 1), "/approve/forged", "/approve/"} {
		b.get(path)
		style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(b.body)
		if style == nil {
			t.Fatalf("%s has no style", path)
		}
		sum := sha256.Sum256([]byte(style[1]))
		policy := b.header.Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'none'", "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'", "form-action 'self'",
			"base-uri 'none'", "frame-ancestors 'none'",
		} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy lacks %s: %s", path, want, policy)
			}
		}
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		} {
			if got := b.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if regexp.MustCompile(`<script|<link|<img|src=|@import|url\(|style="`).MatchString(b.body) {
			t.Errorf("%s loads something: %s", path, b.body)
		}
	}
}

func TestWhatOthersWroteIsOnlyText(t *testing.T) {
	s := newSite(t)
	const evil = "</p><script>alert(1)</script>\u202e\x1b[31m"
	s.ask(seven, func(a *release.Ask) {
		a.Commits = []release.Commit{{ID: evil, Subject: evil, Author: evil}}
		for range 100 {
			a.Commits = append(a.Commits, release.Commit{ID: "1", Subject: strings.Repeat("long ", 1000)})
		}
		a.Requester = release.Actor{Name: evil}
		a.Units, a.Pressure = []string{evil}, []string{evil}
		a.Changes = []release.Change{{Component: evil, From: evil, To: evil, Artifact: evil}}
		a.Answers = []release.Approved{{By: release.Actor{Name: evil}, Comment: evil}}
		a.Wants = []release.Approval{{Count: 1, From: []string{evil}}}
		a.Evidence = &release.Evidence{Verdict: `"><i>`, Sentence: evil}
		a.Point = evil
	})
	b := s.browser()
	b.get(s.link(seven, 1)).wants(200, "and 81 more", "alert(1)")
	if strings.Contains(b.body, "<script") || strings.ContainsAny(b.body, "\u202e\x1b") || strings.Contains(b.body, `"><i>`) {
		t.Errorf("the page is %s", b.body)
	}
	if len(b.body) > 64<<10 {
		t.Errorf("the page has %d bytes", len(b.body))
	}
}

func TestALinkFromAChatFindsTheSession(t *testing.T) {
	s := newSite(t)
	link, b := s.link(seven, 1), s.browser()
	b.headers["Sec-Fetch-Site"] = "cross-site"
	b.get(link).wants(200, "Show the question")
	if b.header.Get("Refresh") != "0; url="+link+"?here" || len(b.cookies) != 0 {
		t.Errorf("it leads to %q, with %v", b.header.Get("Refresh"), b.cookies)
	}
	b.get(link+"?here").wants(200, "Sign in to answer")
}

func TestALinkEndsWhileItIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		link, b := s.link(seven, 1), s.browser()
		time.Sleep(45 * time.Minute) //nolint:forbidigo // the bubble's clock
		form := b.signIn(link, olgas).form("answer")
		form.Set("what", "approve")
		time.Sleep(15 * time.Minute) //nolint:forbidigo // the bubble's clock
		b.post(link+"/answer", form).wants(410, "This link has expired")
		if told := s.desk.told(); len(told) != 0 {
			t.Errorf("told %+v", told)
		}
	})
}
