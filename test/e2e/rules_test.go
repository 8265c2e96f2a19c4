package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

// freeze: the window is open from the start and is lifted by taking it out of the file.
func freeze(t *testing.T, i *island.Island) {
	repo := i.Repo(t, tenant, "frozen")
	held := repo.Release(in(island.Version("v1")))
	status := held.Wait("a wait for the freeze", func(s release.Status) bool { return s.Waiting != nil && strings.Contains(s.Waiting.For, "freeze") })
	if !strings.Contains(status.Waiting.For, "the test of freezes") || status.Waiting.Until.IsZero() || len(i.Instances(repo.Lane)) > 0 {
		t.Errorf("frozen:\n%s", island.Tell(status))
	}

	i.WritePolicyData(policyData(false))

	held.WaitEnd(release.Completed)
	island.Serves(t, repo.Entry("", "web"), "v1")
	decisions, err := i.API.Decisions(t.Context(), held.ID)
	if err != nil {
		t.Fatal(err)
	}
	denied := slices.ContainsFunc(decisions, func(d api.Decision) bool {
		return slices.ContainsFunc(d.Deny, func(d release.Denial) bool { return d.Code == "freeze.open" })
	})
	if !denied {
		t.Errorf("no decision of %d tells of the freeze", len(decisions))
	}
}

// denial: the rules' no ends the release with their words.
func denial(t *testing.T, i *island.Island) {
	repo := i.Repo(t, tenant, "denied")

	status := repo.Release(in(island.Version("v1"))).WaitEnd(release.Refused)

	caused(t, status, release.CausePolicy, "may not ask for releases of e2e/denied")
	decisions, err := i.API.Decisions(t.Context(), status.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(decisions) != 1 || decisions[0].Allow || len(decisions[0].Deny) != 1 || decisions[0].Deny[0].Code != "requester.not_allowed" {
		t.Errorf("the decisions are %+v", decisions)
	}
}
