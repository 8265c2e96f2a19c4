package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/github/githubtest"
	"github.com/skyisland/skyisland/internal/store"
)

func TestADeploymentOfActionsIsAnsweredWhenItsReleaseHasEnded(t *testing.T) {
	for name, c := range map[string]struct {
		way  way
		want string
	}{
		"completed":   {toProduction(), "approved"},
		"rolled back": {toRollback(), "rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
				h.github.With("acme/checkout", func(r *githubtest.Repository) { r.Runs = []githubtest.WorkflowRun{{ID: 42, HeadSHA: hubCommit}} })
				w := h.writer(h.store, nil)
				callback := h.github.URL + "/repos/acme/checkout/actions/runs/42/deployment_protection_rule"
				for range 2 {
					h.ok(w.Protect(t.Context(), "acme/checkout", 42, "Production", hubCommit, callback))
				}
				h.settle(w, 20*time.Second)
				s := h.all(begin(1, hubCommit), c.way[:5], func() { h.settle(w, 20*time.Second) })
				h.github.Break(githubtest.LostAnswer(http.MethodPost, "/deployment_protection_rule$"))
				h.all(s, c.way[5:], func() { h.settle(w, 20*time.Second) })
				var answers []githubtest.ProtectionAnswer
				h.github.With("acme/checkout", func(r *githubtest.Repository) { answers = r.Answers })
				if len(answers) != 3 || answers[0].State != "" || !strings.Contains(answers[0].Comment, "waits") || answers[1].State != "" || answers[2].State != c.want ||
					answers[2].Environment != "Production" {
					t.Errorf("answered %+v", answers)
				}
				if log := h.log.String(); strings.Contains(log, "github refuses") {
					t.Errorf("an answer that had arrived is taken for refused:\n%s", log)
				}
				if c.want == "rejected" && !strings.Contains(answers[2].Comment, "`5 of 40 requests failed`") {
					t.Errorf("no reason in %q", answers[2].Comment)
				}
			})
		})
	}
}

func TestADeploymentThatGitHubWaitsForNoLongerIsAnsweredNoMore(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		h.github.With("acme/checkout", func(r *githubtest.Repository) { r.Runs = []githubtest.WorkflowRun{{ID: 42, HeadSHA: hubCommit}} })
		w := h.writer(h.store, nil)
		h.ok(w.Protect(t.Context(), "acme/checkout", 42, "production", hubCommit, h.github.URL+"/repos/acme/checkout/actions/runs/42/deployment_protection_rule"))
		h.github.Break(githubtest.Fault{Path: "/deployment_protection_rule$", Status: http.StatusInternalServerError})
		h.all(begin(1, hubCommit), toProduction(), func() { h.settle(w, 20*time.Second) })
		for _, after := range []time.Duration{time.Hour, 31 * 24 * time.Hour, time.Hour} {
			h.github.Forget()
			h.pass(after)
			h.step(w)
		}
		if calls := h.github.Requests(); len(calls) != 0 {
			t.Errorf("after a month there are calls: %+v", calls)
		}
	})
}

func TestALimitStopsTheAnswersToOtherDeploymentsToo(t *testing.T) {
	onEachHub(t, func(t *testing.T, h *hub, _ *store.Store) {
		w := h.writer(h.store, nil)
		for run := int64(42); run < 47; run++ {
			h.github.With("acme/checkout", func(r *githubtest.Repository) {
				r.Runs = append(r.Runs, githubtest.WorkflowRun{ID: run, HeadSHA: hubCommit})
			})
			callback := fmt.Sprintf("%s/repos/acme/checkout/actions/runs/%d/deployment_protection_rule", h.github.URL, run)
			h.ok(w.Protect(t.Context(), "acme/checkout", run, "production", hubCommit, callback))
		}
		limit := githubtest.SecondaryLimit(http.StatusTooManyRequests, time.Minute)
		limit.Path = "/deployment_protection_rule$"
		lift := h.github.Break(limit)
		answers := func() (n int) {
			for _, call := range h.github.Requests() {
				if strings.HasSuffix(call.Path, "/deployment_protection_rule") {
					n++
				}
			}
			return n
		}
		h.settle(w, 30*time.Second)
		if n := answers(); n != 1 {
			t.Errorf("%d answers while GitHub wants to be left alone, want the one that it said so to", n)
		}
		lift()
		h.settle(w, 2*time.Minute)
		if n := answers(); n != 6 {
			t.Errorf("%d answers, want one for each of the five and the one that was refused", n)
		}
	})
}

func TestACallbackElsewhereIsRefused(t *testing.T) {
	onEachStore(t, func(t *testing.T, one, _ *store.Store) {
		h := newHub(t, one, true)
		w := h.writer(one, nil)
		path := "/repos/acme/checkout/actions/runs/42/deployment_protection_rule"
		for name, c := range map[string]struct {
			repository, environment, commit, callback string
		}{
			"another host":        {"acme/checkout", "production", hubCommit, "http://evil.example" + path},
			"another run":         {"acme/checkout", "production", hubCommit, h.github.URL + strings.Replace(path, "42", "43", 1)},
			"another repository":  {"acme/other", "production", hubCommit, h.github.URL + path},
			"with a user":         {"acme/checkout", "production", hubCommit, strings.Replace(h.github.URL, "http://", "http://x@", 1) + path},
			"no repository":       {"../..", "production", hubCommit, h.github.URL + path},
			"no commit":           {"acme/checkout", "production", "main", h.github.URL + path},
			"no environment":      {"acme/checkout", "a b", hubCommit, h.github.URL + path},
			"with a query":        {"acme/checkout", "production", hubCommit, h.github.URL + path + "?x=1"},
			"a path that goes up": {"acme/checkout", "production", hubCommit, h.github.URL + "/x/.." + path},
		} {
			if err := w.Protect(t.Context(), c.repository, 42, c.environment, c.commit, c.callback); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
		token := newHub(t, one, false)
		if err := token.writer(one, nil).Protect(t.Context(), "acme/checkout", 42, "production", hubCommit, token.github.URL+path); err == nil || !strings.Contains(err.Error(), "github.app") {
			t.Errorf("with a token: %v", err)
		}
		if err := (&App{}).Protect(t.Context(), "acme/checkout", 42, "production", hubCommit, ""); err == nil || !strings.Contains(err.Error(), "github.app") {
			t.Errorf("without write-back: %v", err)
		}
	})
}
