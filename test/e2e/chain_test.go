package e2e

import (
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

// chain pushes to staging; production takes what has completed there, artifact for artifact.
func chain(t *testing.T, i *island.Island) {
	repo := i.Repo(t, tenant, "chain")
	staged := *repo
	staged.Lane.Environment = "staging"
	chained := func(m island.Manifest) string {
		return strings.Replace(in(m, unitB).In(repo.Lane), "environments:\n  production:\n", "environments:\n"+
			"  staging: {branch: main, units: [a], watch: 0s, ramp: "+island.QuickRamp+"}\n  production:\n    after: staging\n", 1)
	}
	repo.Write("skyisland.yaml", chained(island.Version("v1")))
	commit, output := repo.Push("v1")
	if strings.Contains(output, "production/1") {
		t.Errorf("the push asks for a release to production:\n%s", output)
	}
	first := staged.Find(commit).WaitEnd(release.Completed)
	promoted := repo.Find(commit).WaitEnd(release.Completed)

	wantTold(t, promoted, "web is not built: it is promoted from release "+staged.Lane.String()+"/1")
	if a, b := first.Moves[0].Candidate.Artifact, promoted.Moves[0].Candidate.Artifact; a != b {
		t.Errorf("production has artifact %s, staging %s", b, a)
	}
	if first.Requester.String() != promoted.Requester.String() {
		t.Errorf("%s asked for the promotion, %s for the release", promoted.Requester, first.Requester)
	}
	island.Serves(t, repo.Entry(unitB, "web"), "v1")
}

// tagged releases tags instead of pushes, and only those of the branch.
func tagged(t *testing.T, i *island.Island) {
	repo := i.Repo(t, tenant, "tagged")
	repo.Write("skyisland.yaml", in(island.Version("v1").With("tags: [v*]")).In(repo.Lane))
	commit, output := repo.Push("v1")
	if !strings.Contains(output, "branch main is not released by its pushes: production has tags v*") {
		t.Errorf("git push does not say why nothing is released:\n%s", output)
	}
	repo.Git("tag", "--annotate", "--message=The first", "v1.0.0")
	if output := repo.Git("push", "origin", "refs/tags/v1.0.0"); strings.Contains(output, "refused") {
		t.Errorf("the tag is refused:\n%s", output)
	}
	repo.Find(commit).WaitEnd(release.Completed)
	island.Serves(t, repo.Entry("", "web"), "v1")
}
