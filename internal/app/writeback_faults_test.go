package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/github"
	"github.com/skyisland/skyisland/internal/github/githubtest"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// dying is the ledger of a program that ends after so many writes: what it sends next arrives, and nothing is stored.
type dying struct {
	ledger

	left *int
}

var errDied = errors.New("the program has ended")

func (d dying) dies() bool {
	*d.left--
	return *d.left < 0
}

func (d dying) Keep(ctx context.Context, w github.Work, o github.Object, at time.Time) error {
	if d.dies() {
		return errDied
	}
	return d.ledger.Keep(ctx, w, o, at)
}

func (d dying) Settle(ctx context.Context, w github.Work, again, at time.Time) error {
	if d.dies() {
		return errDied
	}
	return d.ledger.Settle(ctx, w, again, at)
}

func TestAProgramThatDiesAnywhereLeavesNothingDouble(t *testing.T) {
	onEachStore(t, func(t *testing.T, one, _ *store.Store) {
		died := 0
		for writes := range 14 {
			h := newHub(t, one, true)
			first := h.writer(one, nil)
			if writes%2 == 1 {
				h.github.With("acme/checkout", func(r *githubtest.Repository) { r.Pulls[hubCommit] = []githubtest.Pull{{Number: 12, State: "open"}} })
			}
			// All objects are made at once.
			begun := begin(100+writes, hubCommit)
			begun.Timeline = []release.Entry{{Number: 1, At: testEpoch, Phase: release.Ramping, Kind: release.EntryStep, Message: "step 1 of 2: 5% to the candidate"}}
			h.happen(begun, phase(release.RolledBack, broke(release.CauseEvidence, "5 of 40 requests failed")))
			left := writes
			first.Ledger = dying{ledger{one}, &left}
			if err := first.Step(t.Context()); errors.Is(err, errDied) {
				died++
			}
			h.pass(3 * time.Minute) // its claim has to run out
			h.settle(h.writer(one, nil), time.Minute)
			h.github.With("acme/checkout", func(r *githubtest.Repository) {
				if len(r.CheckRuns) != 1 || len(r.Deployments) != 1 || len(r.Deployments[0].States) != 1 || len(r.Comments) != 1 {
					t.Errorf("after %d writes there are %d check runs, %d deployments, %d comments", writes, len(r.CheckRuns), len(r.Deployments), len(r.Comments))
				}
				posted := map[string]int{}
				for _, status := range r.Statuses {
					if posted[status.Context]++; posted[status.Context] > 1 {
						t.Errorf("after %d writes %s was posted twice", writes, status.Context)
					}
				}
			})
		}
		if died < 10 {
			t.Errorf("it died %d times only", died)
		}
	})
}

func TestTwoWritersAtOnceDoubleNothing(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, other *store.Store) {
		one, two := h.writer(h.store, nil), h.writer(other, nil)
		for number := 1; number <= 3; number++ {
			h.all(begin(number, hubCommit), toRollback(), func() {
				var both sync.WaitGroup
				for _, w := range []*github.Writer{one, two} {
					both.Go(func() {
						if err := w.Step(t.Context()); err != nil {
							t.Error(err)
						}
					})
				}
				both.Wait()
			})
		}
		h.settle(one, time.Minute)
		h.github.With("acme/checkout", func(r *githubtest.Repository) {
			if len(r.CheckRuns) != 3 || len(r.Deployments) != 3 || len(r.Comments) != 3 {
				t.Errorf("of three releases there are %d check runs, %d deployments, %d comments", len(r.CheckRuns), len(r.Deployments), len(r.Comments))
			}
			for _, d := range r.Deployments {
				if d.State() != "failure" {
					t.Errorf("a deployment ended %s", d.State())
				}
			}
		})
	})
}

func TestATokenHasNoCheckRuns(t *testing.T) {
	onEachStore(t, func(t *testing.T, one, _ *store.Store) {
		h := newHub(t, one, false)
		w := h.writer(one, nil)
		h.all(begin(1, hubCommit), toRollback(), func() { h.step(w) })
		h.shows("checks=success rollout=failure deployment=failure comment")
		for _, request := range h.github.Requests() {
			if strings.Contains(request.Path, "check-runs") || request.By != "token" {
				t.Errorf("a token asked %s as %s", request.Path, request.By)
			}
		}
	})
}

func TestAnAppsTokenIsGotOnceAnHourAndAgainWhenItIsNotTaken(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		w := h.writer(h.store, nil)
		s := h.all(begin(1, hubCommit), toProduction()[:8], func() { h.step(w) })
		if n, m := h.github.Count(http.MethodPost, "/access_tokens"), h.github.Count(http.MethodGet, "/installation"); n != 1 || m != 1 {
			t.Errorf("%d tokens and %d installations were asked for", n, m)
		}
		h.pass(56 * time.Minute) // it is good for some minutes more
		s = h.all(s, toProduction()[8:9], func() { h.step(w) })
		if n := h.github.Count(http.MethodPost, "/access_tokens"); n != 2 {
			t.Errorf("%d tokens after an hour", n)
		}
		h.github.Revoke()
		s = h.all(s, toProduction()[9:], func() { h.step(w) })
		h.settle(w, 3*time.Minute)
		h.shows(wholeWay)
		if s.Phase != release.Completed {
			t.Errorf("the release is %s", s.Phase)
		}
	})
}

func TestWhatIsRefusedIsGivenUpAndSeen(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		lift := h.github.Break(githubtest.Fault{Method: http.MethodPost, Path: "/check-runs$", Status: http.StatusForbidden})
		w := h.writer(h.store, nil)
		h.all(begin(1, hubCommit), toProduction(), func() { h.step(w) })
		h.shows("checks=success rollout=success watch=success deployment=success")
		if n := h.github.Count(http.MethodPost, "/check-runs"); n != 1 {
			t.Errorf("a refused check run was tried %d times", n)
		}
		view := writebacks{h.store, w.Kick}
		trouble, _, err := view.Writebacks(t.Context(), api.WritebackFilter{Trouble: true, Limit: 10})
		h.ok(err)
		found := slices.ContainsFunc(trouble[0].Objects, func(o api.WritebackObject) bool {
			return o.Name == "check" && o.State == store.WritebackDead && strings.Contains(o.Reason, "403")
		})
		if !found || trouble[0].State != store.WritebackSettled {
			t.Errorf("trouble is %+v", trouble)
		}
		if !strings.Contains(h.log.String(), "github refuses") {
			t.Errorf("nothing is logged:\n%s", h.log.String())
		}
		lift()
		h.ok(view.RetryWriteback(t.Context(), laneNumber(1), h.now()))
		h.step(w)
		h.shows(wholeWay)
	})
}

func TestAnOwnerWithoutTheAppIsNotAskedAgainAndAgain(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		h.ok(h.store.SaveApplication(t.Context(), release.Application{Tenant: "demo", Name: "hello", Repository: "https://github.com/umbrella/app"}))
		h.github.Add("umbrella/app", hubCommit)
		w := h.writer(h.store, nil)
		first := h.happen(begin(1, hubCommit), phase(release.Building))
		h.settle(w, time.Hour)
		if n := len(h.github.Requests()); n != 1 {
			t.Errorf("%d calls", n)
		}
		trouble, _, err := h.store.Writebacks(t.Context(), store.WritebackFilter{Trouble: true, Limit: 10})
		h.ok(err)
		if len(trouble) != 1 || trouble[0].State != store.WritebackDead || !strings.Contains(trouble[0].Reason, "umbrella/app") {
			t.Errorf("trouble is %+v", trouble)
		}
		// It is tried at each transition, since somebody may have installed the App, and said once.
		h.happen(first, phase(release.Completed))
		h.settle(w, time.Hour)
		if n, said := len(h.github.Requests()), strings.Count(h.log.String(), "given up"); n != 2 || said != 1 {
			t.Errorf("%d calls, said %d times:\n%s", n, said, h.log.String())
		}
	})
}

func TestRepositoriesElsewhereAndReleasesOfBeforeAreNotTold(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		h.happen(begin(1, hubCommit), phase(release.Completed))
		w := h.writer(h.store, nil)
		h.step(w)
		elsewhere := begin(2, hubCommit)
		elsewhere.ID.Lane.Application = "elsewhere"
		h.happen(elsewhere, phase(release.Completed))
		nobody := begin(3, hubCommit)
		nobody.ID.Lane.Application = "nobody"
		h.happen(nobody, phase(release.Completed))
		noCommit := begin(4, "main")
		h.happen(noCommit, phase(release.Completed))
		h.step(w)
		if calls := h.github.Requests(); len(calls) != 0 {
			t.Errorf("%d calls: %+v", len(calls), calls)
		}
	})
}

func TestTheStatusesOfACommitAreThoseOfItsNewestRelease(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		w := h.writer(h.store, nil)
		first := h.all(begin(1, hubCommit), toProduction()[:9], func() { h.step(w) })
		second := h.happen(begin(2, hubCommit), phase(release.Pending))
		h.step(w)
		h.shows("checks=pending rollout=pending watch=pending check=in_progress/ check=queued/ deployment=in_progress deployment=queued")
		h.happen(first, phase(release.RolledBack, broke(release.CauseSuperseded, "a newer release")))
		h.settle(w, time.Minute)
		h.shows("checks=pending rollout=pending watch=pending check=completed/neutral check=queued/ deployment=inactive deployment=queued comment")
		h.happen(second, phase(release.Failed, broke(release.CauseBuild, "the build failed")))
		h.settle(w, time.Minute)
		h.shows("checks=failure rollout=error watch=error check=completed/neutral check=completed/failure deployment=inactive deployment=failure comment")
	})
}

func TestTheEvidenceOfACanaryIsShownAnewWhileNothingHappens(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		w := h.writer(h.store, nil)
		s := h.all(begin(1, hubCommit), toProduction()[:8], func() { h.step(w) })
		h.mu.Lock()
		s.Evidence.CanaryRequests, s.Evidence.At = 77777, h.now()
		h.live[s.ID] = s
		h.mu.Unlock()
		h.github.Forget()
		h.pass(30 * time.Second)
		h.step(w)
		h.pass(31 * time.Second)
		h.step(w)
		h.github.With("acme/checkout", func(r *githubtest.Repository) {
			if !strings.Contains(r.CheckRuns[0].Output.Summary, "77777") {
				t.Errorf("the summary is old:\n%s", r.CheckRuns[0].Output.Summary)
			}
		})
		if calls := h.github.Requests(); len(calls) != 1 || calls[0].Method != http.MethodPatch {
			t.Errorf("calls %+v", calls)
		}
	})
}

func TestSecretsAreInNoErrorAndNoLog(t *testing.T) {
	onEachStore(t, func(t *testing.T, one, _ *store.Store) {
		for _, app := range []bool{true, false} {
			h := newHub(t, one, app)
			h.github.Close() // nobody answers: the errors are Go's own
			w := h.writer(one, nil)
			h.happen(begin(200, hubCommit), phase(release.Completed))
			h.settle(w, time.Minute)
			listed, _, err := one.Writebacks(t.Context(), store.WritebackFilter{Release: laneNumber(200), Limit: 1})
			h.ok(err)
			text := h.log.String() + fmt.Sprintf("%+v %+v", listed, w)
			if len(listed) != 1 || listed[0].Reason == "" {
				t.Errorf("no trouble without GitHub: %+v", listed)
			}
			for _, secret := range []string{hubToken, "PRIVATE KEY", "eyJ", "ghs_"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s is in what is logged or kept:\n%s", secret, text)
				}
			}
		}
	})
}

func TestWithoutATokenOrAnAppNobodyIsTold(t *testing.T) {
	for _, tt := range []struct {
		name  string
		is    config.GitHub
		tells bool
		fails bool
	}{
		{"a webhook alone", config.GitHub{Secret: "s"}, false, false},
		{"a token", config.GitHub{Token: "ghp_1"}, true, false},
		{"a key that is none", config.GitHub{App: config.GitHubApp{ID: 7, Key: "ghp_secret"}}, false, true},
	} {
		a := &App{}
		var err error
		if a.github, err = connectGitHub(tt.is); (err != nil) != tt.fails || err != nil && strings.Contains(err.Error(), "ghp_secret") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if w, err := a.newWriter(config.Config{GitHub: tt.is}); (w != nil) != tt.tells || err != nil {
			t.Errorf("%s: %v, %v", tt.name, w, err)
		}
	}
}
