package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func TestNobodyAnswersWithoutSigningIn(t *testing.T) {
	s := newSite(t)
	link, stranger := s.link(seven, 1), s.browser()
	form := stranger.get(link).form("sign-in")
	form.Set("what", "approve")
	stranger.post(link+"/answer", form).wants(401, "You are not signed in any more, so nothing was decided")

	victim := s.browser()
	stolen := victim.signIn(link, olgas).form("answer")
	stolen.Set("what", "approve")
	stranger.post(link+"/answer", stolen).wants(401, "not signed in")
	stranger.cookies[sessionCookie] = victim.cookies[sessionCookie][:20] + "A" + victim.cookies[sessionCookie][21:]
	stranger.post(link+"/answer", stolen).wants(401, "not signed in")
	if told := s.desk.told(); len(told) != 0 {
		t.Errorf("told %+v", told)
	}
}

func TestFormsAreForOneSessionAndOneLink(t *testing.T) {
	s := newSite(t)
	eight := release.ID{Lane: seven.Lane, Number: 8}
	s.ask(eight, func(*release.Ask) {})
	link, other := s.link(seven, 1), s.link(eight, 1)
	olga, rita := s.browser(), s.browser()
	olga.signIn(link, olgas)
	good := olga.form("answer")
	good.Set("what", "approve")
	rita.signIn(link, ritas)
	for name, test := range map[string]struct {
		link   string
		change func(form url.Values)
		site   string
	}{
		"without a seal":             {link: link, change: func(f url.Values) { f.Del("seal") }},
		"without a form":             {link: link, change: func(f url.Values) { f.Del("form") }},
		"with another form's seal":   {link: link, change: func(f url.Values) { f.Set("form", "AAAAAAAAAAAAAAAAAAAAAAAAAA") }},
		"of another session":         {link: link, change: func(f url.Values) { f.Set("seal", rita.form("answer").Get("seal")) }},
		"of another purpose":         {link: link, change: func(f url.Values) { f.Set("seal", olga.form("sign-out").Get("seal")) }},
		"for another release":        {link: other, change: func(url.Values) {}},
		"from another site":          {link: link, change: func(url.Values) {}, site: "cross-site"},
		"from a neighbouring domain": {link: link, change: func(url.Values) {}, site: "same-site"},
	} {
		t.Run(name, func(t *testing.T) {
			form := url.Values{}
			for key, values := range good {
				form[key] = append([]string(nil), values...)
			}
			test.change(form)
			b := s.browser()
			b.cookies[sessionCookie] = olga.cookies[sessionCookie]
			if test.site != "" {
				b.headers["Sec-Fetch-Site"] = test.site
			}
			b.post(test.link+"/answer", form).wants(403, "This form is not one of this page")
		})
	}
	if told := s.desk.told(); len(told) != 0 {
		t.Errorf("told %+v", told)
	}
}

func TestSigningInNeedsTheFormOfThisBrowser(t *testing.T) {
	s := newSite(t)
	link, evil, victim := s.link(seven, 1), s.browser(), s.browser()
	form := evil.get(link).form("sign-in")
	form.Set("token", olgas)
	// Somebody may want to be signed in as themselves in another's browser.
	victim.post(link+"/sign-in", form).wants(403, "This form is not one of this page")
	form.Del("seal")
	evil.post(link+"/sign-in", form).wants(403, "This form is not one of this page")
	if len(victim.cookies) != 0 || evil.cookies[sessionCookie] != "" {
		t.Error("a session began")
	}
}

func TestGuessingTokensIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		link, b := s.link(seven, 1), s.browser()
		guess := func(token string) {
			t.Helper()
			form := b.get(link).form("sign-in")
			form.Set("token", token)
			b.post(link+"/sign-in", form)
		}
		for i := range mostFailures {
			guess(fmt.Sprintf("guess-%d", i))
			b.wants(401, "This token is not known here")
			b.remote = fmt.Sprintf("192.0.2.1:%d", 5000+i) // another connection is the same address
		}
		guess(olgas)
		b.wants(429, "Too many tokens were wrong. Try again in 5 minutes.")
		if b.header.Get("Retry-After") == "" || b.cookies[sessionCookie] != "" {
			t.Error("it went on")
		}
		b.remote = "198.51.100.7:1"
		guess(olgas)
		if b.status != http.StatusSeeOther {
			t.Errorf("another address got %d", b.status)
		}
		b.remote = "192.0.2.1:1"
		delete(b.cookies, sessionCookie)
		time.Sleep(failuresFor) //nolint:forbidigo // the bubble's clock
		guess(olgas)
		if b.status != http.StatusSeeOther {
			t.Errorf("after the wait: %d", b.status)
		}
	})
}

func TestAddressesAreCountedWithinBounds(t *testing.T) {
	var l limit
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 3 * mostAddresses {
		l.failed(network(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)), now)
	}
	if n := len(l.tries); n > mostAddresses+1 {
		t.Errorf("%d addresses are kept", n)
	}
	if l.wait(network("203.0.113.9:1"), now) == 0 {
		t.Error("an address too many is not limited")
	}
	if l.wait(network("203.0.113.9:1"), now.Add(failuresFor)) != 0 {
		t.Error("the limit does not end")
	}
	one, other, far := network("[2001:db8::1]:1"), network("[2001:db8::2%eth0]:1"), network("[2001:db8:0:1::1]:1")
	if one != other || one == far || network("[::ffff:192.0.2.1]:1") != network("192.0.2.1:2") {
		t.Errorf("networks are %s, %s and %s", one, other, far)
	}
}

func TestASessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.ask(seven, func(a *release.Ask) { a.Until = time.Now().Add(24 * time.Hour) })
		link, b := "/approve/"+sign(t, s.page.links, seven, 1, time.Now().Add(24*time.Hour)), s.browser()
		b.signIn(link, olgas).wants(200, "You are <b>olga.ivanova (olga)</b>.")
		time.Sleep(sessionFor) //nolint:forbidigo // the bubble's clock
		b.get(link).wants(200, "Sign in to answer")

		b.signIn(link, olgas)
		b.post(link+"/sign-out", b.form("sign-out"))
		b.get(link).wants(200, "Sign in to answer")

		b.signIn(link, olgas)
		replaced := newSite(t, func(o *Options) { o.Tokens[0].Token = "another-token-of-olga" })
		b.handler = replaced.handler
		b.get(link).wants(200, "Sign in to answer")
	})
}

func TestSomebodyTheDirectoryDoesNotKnowCannotSignIn(t *testing.T) {
	s := newSite(t)
	link, b := s.link(seven, 1), s.browser()
	form := b.get(link).form("sign-in")
	form.Set("token", eves)
	b.post(link+"/sign-in", form).wants(403, `add "api: [eve]" to the person it belongs to in people.yaml`)
	if b.cookies[sessionCookie] != "" {
		t.Error("a session began")
	}
}

func TestCookiesStayWithThePage(t *testing.T) {
	for public, want := range map[string]struct {
		secure bool
		path   string
	}{
		"https://sky.example":        {true, "/approve"},
		"https://example/skyisland/": {true, "/skyisland/approve"},
		"http://10.0.0.1:7780":       {false, "/approve"},
	} {
		t.Run(public, func(t *testing.T) {
			s := newSite(t, func(o *Options) { o.PublicURL = public })
			address, err := s.page.Links().Sign(seven, 1, plan, time.Now().Add(time.Hour))
			if err != nil || !strings.HasPrefix(address, strings.TrimSuffix(public, "/")+"/approve/") {
				t.Fatalf("the link is %s, %v", address, err)
			}
			_, token, _ := strings.Cut(address, "/approve/")
			link := "/approve/" + token
			b := s.browser()
			form := b.get(link).form("sign-in")
			if !strings.Contains(b.body, `action="`+want.path+link[len("/approve"):]+`/sign-in"`) {
				t.Errorf("the form goes elsewhere: %s", b.body)
			}
			form.Set("token", olgas)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, link+"/sign-in", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.AddCookie(&http.Cookie{Name: formCookie, Value: b.cookies[formCookie]})
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			for _, c := range w.Result().Cookies() {
				if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure != want.secure || c.Path != want.path {
					t.Errorf("the cookie is %+v", c)
				}
				if c.Name == sessionCookie && (c.MaxAge != int(sessionFor/time.Second) || strings.Contains(c.Value, olgas)) {
					t.Errorf("the session is %+v", c)
				}
			}
			if len(w.Result().Cookies()) != 2 || w.Header().Get("Location") != want.path+link[len("/approve"):] {
				t.Errorf("cookies %v, to %s", w.Result().Cookies(), w.Header().Get("Location"))
			}
		})
	}
}

func TestPagesThatCannotBe(t *testing.T) {
	good := newSite(t)
	for name, change := range map[string]func(*Options){
		"a short secret":      func(o *Options) { o.Secret = "short" },
		"no address":          func(o *Options) { o.PublicURL = "" },
		"nobody to sign in":   func(o *Options) { o.Tokens = nil },
		"a token of nobody":   func(o *Options) { o.Tokens = []Token{{Token: olgas}} },
		"a name without one":  func(o *Options) { o.Tokens = []Token{{Name: "olga"}} },
		"nobody who knows us": func(o *Options) { o.People = nil },
		"no desk":             func(o *Options) { o.Desk = nil },
		"no questions":        func(o *Options) { o.Questions = nil },
	} {
		o := Options{
			Secret: secret, PublicURL: "https://sky.example", People: good.page.people, Questions: good.questions, Desk: good.desk,
			Tokens: []Token{{"olga", olgas}},
		}
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: a page was made", name)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", Token{"olga", olgas}, []Token{{"olga", olgas}}, Token{"olga", olgas}); strings.Contains(text, olgas) {
		t.Errorf("a token is printed: %s", text)
	}
}
