package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/github/githubtest"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

const (
	// hubOwner has installed the App of the island.
	hubOwner = "acme"
	hubAppID = 7
)

// hub is a GitHub of the test's own, with an App for the island.
type hub struct {
	*githubtest.Server

	key *rsa.PrivateKey
}

func newHub(t *testing.T) *hub {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{githubtest.New(githubtest.Options{AppID: hubAppID, AppKey: &key.PublicKey, Installed: []string{hubOwner}}), key}
	t.Cleanup(h.Close)
	return h
}

// files is the configuration of an island that is the App, and is told of pushes by GitLab too.
func (h *hub) files() map[string]string {
	return map[string]string{
		"app.pem":      string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(h.key)})),
		"config.yaml":  fmt.Sprintf("github:\n  api: %s\n  app: {id: %d, key: \"file:app.pem\"}\ngitlab: {secret: \"file:gitlab-token\"}\n", h.URL, hubAppID),
		"gitlab-token": gitlabToken,
	}
}

// told pushes to a repository at GitHub, which is away until the release has completed, then brings a bad version, and
// presses the button that runs it again. Everything is on the commits in the end, once.
func (h *hub) told(t *testing.T, i *island.Island) {
	repo := host(t, i, hubOwner+"/told", "told")
	away := h.Break(githubtest.Outage())
	first := repo.publish(island.Version("v1"), "told-1")
	h.Add(first.fullName, first.commit)
	h.push(t, i, first)
	repo.Find(first.commit).WaitEnd(release.Completed)
	away()
	h.shows(t, first, 1, "success")

	load := island.StartLoad(t, repo.Entry("", "web"), 60, http.Header{"X-Real": {"yes"}})
	second := repo.publish(island.Version("v2", "FAIL_HEADER", "X-Real"), "told-2")
	h.With(second.fullName, func(r *githubtest.Repository) { r.Commits[second.commit] = true })
	h.push(t, i, second)
	caused(t, repo.Find(second.commit).WaitEnd(release.RolledBack), release.CauseEvidence)
	load.Stop()
	h.shows(t, second, 1, "failure")
	h.eventually(t, second, "a comment", func(r *githubtest.Repository) error {
		if len(r.Comments) != 1 || r.Comments[0].CommitID != second.commit || !strings.Contains(r.Comments[0].Body, "rolled back") {
			return fmt.Errorf("the comments are %+v, want one at %s", r.Comments, second.commit)
		}
		return nil
	})
	h.rerun(t, i, repo, second)
}

func (h *hub) push(t *testing.T, i *island.Island, d delivery) {
	t.Helper()
	if status, answer := d.send(t, i); status != http.StatusAccepted || answer.Outcome == intake.Refused {
		t.Fatalf("status %d, %+v", status, answer)
	}
}

// rerun presses the button of a commit's check run.
func (h *hub) rerun(t *testing.T, i *island.Island, repo *hosted, d delivery) {
	t.Helper()
	var run githubtest.CheckRun
	h.With(d.fullName, func(r *githubtest.Repository) {
		run = *r.CheckRuns[slices.IndexFunc(r.CheckRuns, func(run *githubtest.CheckRun) bool { return run.HeadSHA == d.commit })]
	})
	repo.Idle()
	d.id += "-again"
	status, answer := d.post(t, i, "check_run", map[string]any{
		"action": "rerequested", "check_run": map[string]any{"external_id": run.ExternalID, "head_sha": run.HeadSHA},
	})
	if status != http.StatusAccepted || answer.Outcome != intake.Started {
		t.Fatalf("status %d, %+v", status, answer)
	}
	// Nobody asks for anything now, so nothing speaks against the version.
	again := repo.At(3)
	again.WaitWeight(half)
	again.Instruct(dispatch.Abort)
	again.WaitEnd(release.RolledBack)
	h.shows(t, d, 2, "cancelled")
}

// shows waits until GitHub has all that belongs to the releases of a commit, the last of which ended in a conclusion.
func (h *hub) shows(t *testing.T, d delivery, releases int, conclusion string) {
	t.Helper()
	h.eventually(t, d, conclusion, func(r *githubtest.Repository) error { return shown(r, d.commit, releases, conclusion) })
}

// eventually waits until a commit has something at GitHub.
func (h *hub) eventually(t *testing.T, d delivery, what string, condition func(r *githubtest.Repository) error) {
	t.Helper()
	island.Eventually(t, "commit "+d.commit+" with "+what+" at GitHub", func() (wrong error) {
		h.With(d.fullName, func(r *githubtest.Repository) { wrong = condition(r) })
		return wrong
	})
}

func shown(r *githubtest.Repository, commit string, releases int, conclusion string) error {
	of := func(run *githubtest.CheckRun) bool { return run.HeadSHA == commit }
	runs := slices.DeleteFunc(slices.Clone(r.CheckRuns), func(run *githubtest.CheckRun) bool { return !of(run) })
	if len(runs) != releases || runs[releases-1].Conclusion != conclusion {
		return fmt.Errorf("%d check runs, want %d and the last with %s: %+v", len(runs), releases, conclusion, runs)
	}
	deployments := slices.DeleteFunc(slices.Clone(r.Deployments), func(one *githubtest.Deployment) bool { return one.SHA != commit })
	if want := map[string]string{"success": "success", "failure": "failure", "cancelled": "inactive"}[conclusion]; len(deployments) != releases || deployments[releases-1].State() != want {
		return fmt.Errorf("%d deployments, want %d and the last %s: %+v", len(deployments), releases, want, deployments)
	}
	standing := r.Standing(commit)
	rollout := "skyisland/told/production/rollout"
	if want := map[string]string{"success": "success", "failure": "failure", "cancelled": "error"}[conclusion]; standing[rollout].State != want {
		return fmt.Errorf("%s is %q, want %s, of %v", rollout, standing[rollout].State, want, slices.Sorted(maps.Keys(standing)))
	}
	return nil
}
