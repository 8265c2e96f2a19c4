package app

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/github"
	"github.com/skyisland/skyisland/internal/github/githubtest"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

const (
	hubCommit  = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
	otherHub   = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
	hubToken   = "ghp_notToBeSeenAnywhere"
	hubContext = "skyisland/hello/production/"
)

// appKey is one key for all tests: making one takes a while.
var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil
	}
	return key
})

// hub is a GitHub, a store, and releases that the test lets happen.
type hub struct {
	*testClock

	t      *testing.T
	github *githubtest.Server
	store  *store.Store
	app    bool
	log    strings.Builder

	mu   sync.Mutex
	live map[release.ID]release.Status
}

func newHub(t *testing.T, s *store.Store, app bool) *hub {
	t.Helper()
	h := &hub{testClock: &testClock{}, t: t, store: s, app: app, live: map[release.ID]release.Status{}}
	o := githubtest.Options{Now: h.now, Tokens: []string{hubToken}}
	if app {
		o.AppID, o.AppKey, o.Installed = 7, &appKey().PublicKey, []string{"acme"}
	}
	h.github = githubtest.New(o)
	t.Cleanup(h.github.Close)
	h.github.Add("acme/checkout", hubCommit, otherHub)
	for name, repository := range map[string]string{"hello": "git@github.com:acme/checkout.git", "elsewhere": "https://gitlab.com/acme/checkout.git"} {
		h.ok(s.SaveApplication(t.Context(), release.Application{Tenant: "demo", Name: name, Repository: repository}))
	}
	return h
}

func (h *hub) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// writer is one program's, which has begun to follow.
func (h *hub) writer(s *store.Store, transport http.RoundTripper) *github.Writer {
	h.t.Helper()
	access := github.Access{API: h.github.URL, Host: "github.com", Now: h.now, Transport: transport}
	if h.app {
		access.AppID = 7
		access.AppKey = github.Secret(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(appKey())}))
	} else {
		access.Token = hubToken
	}
	connection, err := github.Connect(access)
	h.ok(err)
	w, err := github.NewWriter(github.Options{
		Connection: connection, Ledger: ledger{s}, Releases: told{s, h.status}, Now: h.now, Log: slog.New(slog.NewTextHandler(&locked{h: h}, nil)),
		Link: func(id release.ID) string { return "https://sky.example/" + id.String() },
	})
	h.ok(err)
	h.step(w)
	return w
}

// status is how a release is, as Temporal says it.
func (h *hub) status(_ context.Context, id release.ID) (release.Status, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, there := h.live[id]
	if !there {
		return release.Status{}, fmt.Errorf("ask release %s: %w", id, release.ErrNotFound)
	}
	return s, nil
}

// locked writes the log that two writers share.
type locked struct{ h *hub }

func (l *locked) Write(p []byte) (int, error) {
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	return l.h.log.Write(p)
}

func (h *hub) step(w *github.Writer) {
	h.t.Helper()
	h.ok(w.Step(h.t.Context()))
}

// settle lets a writer work until nothing is due within so long.
func (h *hub) settle(w *github.Writer, within time.Duration) {
	h.t.Helper()
	for passed := time.Duration(0); passed <= within; passed += 5 * time.Second {
		h.step(w)
		h.pass(5 * time.Second)
	}
}

// way is what happens to a release, one phase after the other.
type way []func(s *release.Status)

func phase(p release.Phase, change ...func(*release.Status)) func(*release.Status) {
	return func(s *release.Status) {
		s.Phase = p
		for _, c := range change {
			c(s)
		}
	}
}

func step(index int, bad int64) func(*release.Status) {
	return phase(release.Ramping, func(s *release.Status) {
		s.Step, s.Weight = index, s.Steps[index].Weight
		n := int64(1000 * (index + 1))
		s.Evidence = &release.Evidence{
			Verdict: release.VerdictInconclusive, Sentence: fmt.Sprintf("%d of %d", bad, n), CanaryRequests: n, CanaryBad: bad, StableRequests: 20 * n, At: s.Since,
		}
	})
}

func broke(kind release.CauseKind, sentence string) func(*release.Status) {
	return func(s *release.Status) {
		s.Cause = &release.Cause{Kind: kind, Message: sentence, Details: []string{"GET /rail 500", "@everyone look"}}
	}
}

// toProduction is a whole way, and toRollback one that ends at its second step.
func toProduction() way {
	return way{
		phase(release.Pending), phase(release.Admitting), phase(release.Building), phase(release.Testing), phase(release.Deploying),
		phase(release.Pressing), phase(release.Approving), step(0, 0), step(1, 0), phase(release.CuttingOver), phase(release.Watching), phase(release.Completed),
	}
}

func toRollback() way {
	out := toProduction()[:9]
	return append(out, phase(release.RollingBack, broke(release.CauseEvidence, "5 of 40 requests failed")), phase(release.RolledBack))
}

// begin makes a release that nothing has happened to.
func begin(number int, commit string) release.Status {
	id := laneNumber(number)
	return release.Status{
		ID: id, Commit: commit, Message: "Sell tickets\n\nMore of it", Requester: release.Actor{Name: "ada", Source: "github"}, Requested: testEpoch, Step: -1,
		Steps: []release.Step{{Weight: 500, Bake: release.Duration(time.Minute)}, {Weight: 2000, Bake: release.Duration(time.Minute)}},
	}
}

// happen lets one thing happen, as a workflow records it.
func (h *hub) happen(s release.Status, change func(*release.Status)) release.Status {
	h.t.Helper()
	s.Since = h.now()
	before := s.Phase
	change(&s)
	kind, message := release.EntryPhase, string(s.Phase)
	switch {
	case s.Phase == release.Ramping:
		kind, message = release.EntryStep, fmt.Sprintf("step %d of %d: %s to the candidate", s.Step+1, len(s.Steps), s.Weight)
	case s.Phase.Ended():
		kind = release.EntryEnded
		s.Step, s.Weight = -1, 0
	}
	entry := release.Entry{Number: len(s.Timeline) + 1, At: h.now(), Phase: s.Phase, Kind: kind, Message: message}
	if s.Phase == release.RollingBack {
		entry.Phase, entry.Kind = before, release.EntryStopped
	}
	s.Timeline = append(slices.Clone(s.Timeline), entry)
	h.mu.Lock()
	h.live[s.ID] = s
	h.mu.Unlock()
	h.ok(h.store.SaveProgress(h.t.Context(), release.Summary{
		ID: s.ID, Phase: s.Phase, Commit: s.Commit, Message: s.Message, Requester: s.Requester, Requested: s.Requested, Updated: h.now(), Cause: s.Cause,
	}, []release.Entry{entry}))
	return s
}

// all lets everything happen, with a writer that works after each.
func (h *hub) all(s release.Status, w way, after func()) release.Status {
	h.t.Helper()
	for _, change := range w {
		s = h.happen(s, change)
		after()
		h.pass(3 * time.Second)
	}
	return s
}

// shown is what GitHub shows of a repository at last, in few words.
func (h *hub) shown() string {
	var out []string
	h.github.With("acme/checkout", func(r *githubtest.Repository) {
		standing := r.Standing(hubCommit)
		for _, context := range slices.Sorted(maps.Keys(standing)) {
			out = append(out, strings.TrimPrefix(context, hubContext)+"="+standing[context].State)
		}
		for _, run := range r.CheckRuns {
			out = append(out, "check="+run.Status+"/"+run.Conclusion)
		}
		for _, d := range r.Deployments {
			out = append(out, "deployment="+d.State())
		}
		for range r.Comments {
			out = append(out, "comment")
		}
	})
	return strings.Join(out, " ")
}

func (h *hub) shows(want string) {
	h.t.Helper()
	if got := h.shown(); got != want {
		h.t.Errorf("GitHub shows\n%s\nwant\n%s", got, want)
	}
}

// nothingTwice wants that no status and no state of a deployment was posted that stood already.
func (h *hub) nothingTwice() {
	h.t.Helper()
	h.github.With("acme/checkout", func(r *githubtest.Repository) {
		before := map[string]string{}
		again := func(what, says string) {
			if before[what] == says {
				h.t.Errorf("%s was posted twice: %s", what, says)
			}
			before[what] = says
		}
		for _, status := range r.Statuses {
			again(status.SHA+" "+status.Context, status.State+" "+status.Description)
		}
		for _, d := range r.Deployments {
			for _, state := range d.States {
				again(fmt.Sprint(d.ID), state.State+" "+state.Description)
			}
		}
	})
}

// onEachHub runs a test on each store as an App, whose way is the longest.
func onEachHub(t *testing.T, test func(t *testing.T, h *hub, other *store.Store)) {
	onEachStore(t, func(t *testing.T, one, other *store.Store) { test(t, newHub(t, one, true), other) })
}

const (
	wholeWay = "checks=success rollout=success watch=success check=completed/success deployment=success"
	wayBack  = "checks=success rollout=failure check=completed/failure deployment=failure comment"
)

func TestGitHubShowsAWholeRelease(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		w := h.writer(h.store, nil)
		var seen []string
		h.all(begin(1, hubCommit), toProduction(), func() { h.step(w); seen = append(seen, h.shown()) })
		h.shows(wholeWay)
		for at, want := range map[int]string{
			0: "checks=pending check=queued/ deployment=queued", 6: "checks=success rollout=pending check=in_progress/ deployment=pending",
			7: "checks=success rollout=pending check=in_progress/ deployment=in_progress", 10: "checks=success rollout=success watch=pending check=in_progress/ deployment=in_progress",
		} {
			if seen[at] != want {
				t.Errorf("after thing %d GitHub shows %s, want %s", at, seen[at], want)
			}
		}
		h.github.With("acme/checkout", func(r *githubtest.Repository) {
			run := r.CheckRuns[0]
			for _, want := range []string{"`Sell tickets`", "✓ passed | 1000, 0 | 20000, 0", "✓ passed | 2000, 0 | 40000, 0", "https://sky.example/demo/hello/production/1"} {
				if !strings.Contains(run.Output.Summary, want) {
					t.Errorf("the summary lacks %s:\n%s", want, run.Output.Summary)
				}
			}
			if run.ExternalID != "demo/hello/production/1" || len(run.Actions) != 1 || run.Actions[0].Identifier != github.ActionRerun || run.Name != "skyisland/hello/production" {
				t.Errorf("the check run is %+v", run)
			}
			if d := r.Deployments[0]; d.SHA != hubCommit || string(d.Payload) != `{"skyisland_release":"demo/hello/production/1"}` || d.Environment != "production" {
				t.Errorf("the deployment is %+v", d)
			}
		})
		h.nothingTwice()
		for _, request := range h.github.Requests() {
			retires := strings.Contains(string(request.Body), `"state":"success"`)
			if request.Method == http.MethodPost && strings.HasSuffix(request.Path, "/statuses") &&
				!strings.Contains(string(request.Body), fmt.Sprintf(`"auto_inactive":%t`, retires)) {
				t.Errorf("a deployment was told %s", request.Body)
			}
		}
		// What is told already is told no more.
		h.github.Forget()
		h.settle(w, 5*time.Minute)
		if calls := h.github.Requests(); len(calls) != 0 {
			t.Errorf("%d calls about nothing: %+v", len(calls), calls)
		}
	})
}

func TestAnotherReleaseMakesTheFirstInactive(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		w := h.writer(h.store, nil)
		h.all(begin(1, otherHub), toProduction(), func() { h.step(w) })
		second := h.all(begin(2, hubCommit), toProduction()[:10], func() { h.step(w) })
		states := func() (out []string) {
			h.github.With("acme/checkout", func(r *githubtest.Repository) {
				for _, d := range r.Deployments {
					out = append(out, d.State())
				}
			})
			return out
		}
		if got := states(); !slices.Equal(got, []string{"success", "in_progress"}) {
			t.Errorf("during the canary the deployments are %v", got)
		}
		h.all(second, toProduction()[10:], func() { h.step(w) })
		if got := states(); !slices.Equal(got, []string{"inactive", "success"}) {
			t.Errorf("after it they are %v", got)
		}
	})
}

func TestARollbackIsCommentedOnceWithItsEvidence(t *testing.T) {
	for name, onPull := range map[string]bool{"on the pull request": true, "on the commit": false} {
		t.Run(name, func(t *testing.T) {
			onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
				if onPull {
					merged := testEpoch
					h.github.With("acme/checkout", func(r *githubtest.Repository) {
						r.Pulls[hubCommit] = []githubtest.Pull{{Number: 11, State: "open"}, {Number: 12, State: "closed", MergedAt: &merged, MergeCommitSHA: hubCommit}}
					})
				}
				w := h.writer(h.store, nil)
				h.all(begin(1, hubCommit), toRollback(), func() { h.step(w) })
				h.shows(wayBack)
				h.github.With("acme/checkout", func(r *githubtest.Repository) {
					comment := r.Comments[0]
					if onPull && comment.Issue != 12 || !onPull && comment.CommitID != hubCommit {
						t.Errorf("the comment is on %d %s", comment.Issue, comment.CommitID)
					}
					for _, want := range []string{"<!-- skyisland release demo/hello/production/1 ", "was rolled back", "`5 of 40 requests failed`", "✗ turned back | 2000, 0", "GET /rail 500"} {
						if !strings.Contains(comment.Body, want) {
							t.Errorf("the comment lacks %q:\n%s", want, comment.Body)
						}
					}
				})
			})
		})
	}
}

func TestEveryAnswerLostOnceDoublesNothing(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		paths := []string{"/statuses/" + hubCommit, "/check-runs", "/deployments", "/deployments/[0-9]+/statuses", "/comments"}
		for _, path := range paths {
			h.github.Break(githubtest.LostAnswer(http.MethodPost, path+"$"))
		}
		h.github.Break(githubtest.LostAnswer(http.MethodPatch, "/check-runs/"))
		w := h.writer(h.store, nil)
		// A pull request that was there only after the first attempt.
		h.all(begin(1, hubCommit), toRollback()[:9], func() { h.settle(w, 3*time.Minute) })
		back := toRollback()[9:]
		s := h.all(h.live[laneNumber(1)], back[:1], func() { h.step(w) })
		h.github.With("acme/checkout", func(r *githubtest.Repository) { r.Pulls[hubCommit] = []githubtest.Pull{{Number: 12, State: "open"}} })
		h.settle(w, 3*time.Minute)
		h.all(s, back[1:], func() { h.settle(w, 3*time.Minute) })
		h.shows(wayBack)
		h.nothingTwice()
		lost := 0
		for _, request := range h.github.Requests() {
			if request.Status == 0 {
				lost++
			}
		}
		if lost != len(paths)+1 {
			t.Errorf("%d answers were lost, want one of each kind", lost)
		}
	})
}

func TestAnOutageForAWholeReleaseIsCaughtUpWithInFewCalls(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		lift := h.github.Break(githubtest.Outage())
		w := h.writer(h.store, nil)
		h.all(begin(1, hubCommit), toRollback(), func() { h.step(w) })
		h.settle(w, 30*time.Minute)
		if n := len(h.github.Requests()); n > 20 {
			t.Errorf("%d calls were made to a GitHub that is away", n)
		}
		lift()
		h.github.Forget()
		h.settle(w, 6*time.Minute)
		h.shows(wayBack)
		// Two statuses, the check run, the deployment and its state, the pulls and the comment; and who we are.
		if n := len(h.github.Requests()); n > 10 {
			t.Errorf("%d calls to catch up: %+v", n, h.github.Requests())
		}
		listed, _, err := h.store.Writebacks(t.Context(), store.WritebackFilter{Release: laneNumber(1), Limit: 1})
		h.ok(err)
		if listed[0].State != store.WritebackSettled || listed[0].Reason != "" {
			t.Errorf("kept %+v", listed[0])
		}
	})
}

func TestAnOutageOfDaysIsGivenUpAndTriedAgainWhenAsked(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		lift := h.github.Break(githubtest.Outage())
		w := h.writer(h.store, nil)
		h.all(begin(1, hubCommit), toProduction(), func() { h.step(w) })
		for range 80 {
			h.pass(time.Hour)
			h.step(w)
		}
		view := writebacks{h.store, w.Kick}
		trouble, _, err := view.Writebacks(t.Context(), api.WritebackFilter{Trouble: true, Limit: 10})
		h.ok(err)
		if len(trouble) != 1 || trouble[0].State != store.WritebackDead || !strings.Contains(trouble[0].Reason, "502") {
			t.Fatalf("trouble is %+v", trouble)
		}
		lift()
		h.ok(view.RetryWriteback(t.Context(), laneNumber(1), h.now()))
		h.step(w)
		h.shows(wholeWay)
	})
}

func TestLimitsAreOfTheAccountAndAreWaitedFor(t *testing.T) {
	for name, fault := range map[string]githubtest.Fault{
		"primary":       githubtest.PrimaryLimit(20 * time.Minute),
		"secondary 403": githubtest.SecondaryLimit(http.StatusForbidden, 20*time.Minute),
		"secondary 429": githubtest.SecondaryLimit(http.StatusTooManyRequests, 20*time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
				w := h.writer(h.store, nil)
				h.happen(begin(1, hubCommit), phase(release.Pending))
				h.step(w)
				fault.Times = 1
				h.github.Break(fault)
				h.all(begin(2, otherHub), toProduction(), func() { h.step(w) })
				h.github.Forget()
				for h.now().Before(testEpoch.Add(19 * time.Minute)) {
					// Other releases of the account wait too, whatever happens to them.
					h.pass(time.Minute)
					h.happen(h.live[laneNumber(1)], phase(release.Building))
					h.step(w)
				}
				if calls := h.github.Requests(); len(calls) != 0 {
					t.Errorf("%d calls before the limit was over", len(calls))
				}
				h.pass(2 * time.Minute)
				h.step(w)
				h.github.With("acme/checkout", func(r *githubtest.Repository) {
					if len(r.Deployments) != 2 || r.Deployments[1].State() != "success" {
						t.Errorf("%d deployments after the limit", len(r.Deployments))
					}
				})
			})
		})
	}
}
