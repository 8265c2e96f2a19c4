package page

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/identity"
	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	olgas = "olga-token-0123456789"
	ritas = "rita-token-0123456789"
	eves  = "eve-token-0123456789" // a token of nobody in the directory
)

// desk counts words as the real one does: the same ID once. Rita may not answer.
type desk struct {
	mu    sync.Mutex
	words []notify.Word
	seen  map[string]notify.Reply
	away  error
}

func (d *desk) Tell(_ context.Context, word notify.Word) (notify.Reply, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away != nil {
		return notify.Reply{}, d.away
	}
	if reply, again := d.seen[word.ID]; again {
		return reply, nil
	}
	reply := notify.Reply{Text: word.What + " of " + word.Called + " counts"}
	if word.User == "rita" {
		reply = notify.Reply{Text: "rita is not in release-managers, so it does not count", Refused: true}
	}
	d.seen[word.ID] = reply
	d.words = append(d.words, word)
	return reply, nil
}

func (d *desk) told() []notify.Word {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]notify.Word(nil), d.words...)
}

// questions are releases by their names.
type questions map[string]release.Status

func (q questions) Ask(_ context.Context, id release.ID) (release.Status, error) {
	status, ok := q[id.String()]
	if !ok {
		return status, release.ErrNotFound
	}
	if status.Phase == "away" {
		return status, errors.New("dial tcp 10.1.2.3:7233: connection refused")
	}
	return status, nil
}

// site is a page with everything around it.
type site struct {
	t         *testing.T
	page      *Page
	handler   http.Handler
	desk      *desk
	questions questions
}

func newSite(t *testing.T, set ...func(*Options)) *site {
	t.Helper()
	file := filepath.Join(t.TempDir(), "people.yaml")
	if err := os.WriteFile(file, []byte("people: [{name: olga.ivanova, groups: [release-managers], api: [olga]}, {name: rita, api: [rita]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	people, err := identity.New(identity.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, desk: &desk{seen: map[string]notify.Reply{}}, questions: questions{}}
	o := Options{
		Secret: secret, PublicURL: "https://sky.example", People: people, Questions: s.questions, Desk: s.desk,
		Tokens: []Token{{"olga", olgas}, {"rita", ritas}, {"eve", eves}},
	}
	for _, change := range set {
		change(&o)
	}
	if s.page, err = New(o); err != nil {
		t.Fatal(err)
	}
	s.handler = s.page.Handler()
	s.ask(seven, func(*release.Ask) {})
	return s
}

// ask makes a release put a question.
func (s *site) ask(id release.ID, change func(*release.Ask)) {
	a := release.Ask{
		Number: 1, Point: release.BeforeRamp, PlanHash: plan, Wants: []release.Approval{{Before: release.BeforeRamp, From: []string{"release-managers"}, Count: 2}},
		Asked: time.Now(), Until: time.Now().Add(time.Hour), Requester: release.Actor{Name: "mona", Source: "github", Person: "mona.l"},
		Commit: strings.Repeat("61", 20), Commits: []release.Commit{{ID: strings.Repeat("61", 20), Subject: "Fix the fare", Author: "Mona"}},
		Units: []string{"a", "b"}, Changes: []release.Change{{Component: "web", From: "web-1", To: "web-2", Artifact: "sha256:" + release.Digest(plan)}},
		Steps:    []release.Step{{Weight: 100, Bake: release.Duration(30 * time.Second), Probe: true}, {Weight: 500, Bake: release.Duration(2 * time.Minute)}},
		Exposure: &release.Exposure{BadAnswers: 12, Takes: release.Duration(9 * time.Minute), FalseRollback: 0.01},
		Pressure: []string{"web in a carries 300/s at p99 80 ms"},
		Evidence: &release.Evidence{Verdict: release.VerdictPass, Sentence: "no worse than stable", CanaryRequests: 60, StableRequests: 1200, StableBad: 3},
		Answers:  []release.Approved{{By: release.Actor{Name: "U012", Person: "petr"}, Comment: "good", At: time.Now()}},
	}
	change(&a)
	s.questions[id.String()] = release.Status{ID: id, Phase: release.Approving, PlanHash: a.PlanHash, Ask: &a}
}

// link is the path of a link for an hour.
func (s *site) link(id release.ID, ask int) string {
	return "/approve/" + sign(s.t, s.page.links, id, ask, time.Now().Add(time.Hour))
}

// browser keeps cookies, and sends forms as they stand on its page.
type browser struct {
	*site
	cookies map[string]string
	remote  string
	headers map[string]string
	status  int
	header  http.Header
	body    string
}

func (s *site) browser() *browser {
	return &browser{site: s, cookies: map[string]string{}, remote: "192.0.2.1:4711", headers: map[string]string{}}
}

func (b *browser) do(method, path string, form url.Values) *browser {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(form.Encode()))
	r.RemoteAddr = b.remote
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.headers {
		r.Header.Set(name, value)
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
	b.status, b.header, b.body = w.Code, w.Header(), w.Body.String()
	return b
}

func (b *browser) get(path string) *browser {
	b.t.Helper()
	return b.do(http.MethodGet, path, nil)
}

func (b *browser) post(path string, form url.Values) *browser {
	b.t.Helper()
	return b.do(http.MethodPost, path, form)
}

var (
	forms  = regexp.MustCompile(`(?s)<form[^>]* action="([^"]*)".*?</form>`)
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// form is what the form of that action sends, when nothing is filled in.
func (b *browser) form(action string) url.Values {
	b.t.Helper()
	for _, found := range forms.FindAllStringSubmatch(b.body, -1) {
		if strings.HasSuffix(found[1], "/"+action) {
			out := url.Values{}
			for _, field := range hidden.FindAllStringSubmatch(found[0], -1) {
				out.Set(field[1], html.UnescapeString(field[2]))
			}
			return out
		}
	}
	b.t.Fatalf("there is no form to %s:\n%s", action, b.body)
	return nil
}

func (b *browser) has(action string) bool { return strings.Contains(b.body, "/"+action+`"`) }

// signIn signs in and shows the question.
func (b *browser) signIn(link, token string) *browser {
	b.t.Helper()
	form := b.get(link).form("sign-in")
	form.Set("token", token)
	if b.post(link+"/sign-in", form); b.status != http.StatusSeeOther || b.header.Get("Location") != link {
		b.t.Fatalf("signing in: %d to %s: %s", b.status, b.header.Get("Location"), b.body)
	}
	return b.get(link)
}

// wants checks status and texts of the page.
func (b *browser) wants(status int, texts ...string) {
	b.t.Helper()
	if b.status != status {
		b.t.Errorf("status %d, want %d: %s", b.status, status, b.body)
	}
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(b.body), text) {
			b.t.Errorf("the page lacks %q:\n%s", text, b.body)
		}
	}
}
