package activities_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/activities/activitiestest"
	"github.com/skyisland/skyisland/internal/release"
)

// built runs the build of one component, and gives what it was told beside the result.
func built(t *testing.T, world *activitiestest.World, attester activities.Attester) (activities.BuildResult, error) {
	t.Helper()
	world.Source.Push("c", activitiestest.Commit{Folders: map[string]string{"web": "x"}})
	return do[activities.BuildResult](t, &activities.Build{
		Repositories: world.Source, Commands: world.Commands, Artifacts: activitiestest.Artifacts{}, Attester: attester, Dir: t.TempDir(),
	}, "Build", activities.BuildInput{
		Release: id, Repository: "https://git.example/x.git", Ref: "refs/heads/main", Commit: "c",
		Component: release.Component{Name: "web", Path: "web", Build: release.Build{Run: []string{"make"}}},
	})
}

func TestEveryBuildIsStated(t *testing.T) {
	world, attester := activitiestest.New(1, "a"), &activitiestest.Attester{}
	begin := time.Now().UTC()
	result, err := built(t, world, attester)
	if err != nil {
		t.Fatal(err)
	}
	// The second build finds its artifact stored, and is stated as well.
	if again, err := built(t, world, attester); err != nil || again.Artifact != result.Artifact {
		t.Fatalf("got %+v, %v; want the same artifact again", again, err)
	}
	made := attester.Made()
	if len(made) != 2 {
		t.Fatalf("%d statements, want one for each build", len(made))
	}
	got := made[0]
	// The manifest of a commit is its name here.
	manifest := release.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("c"))))
	if got.Release != id || got.Repository != "https://git.example/x.git" || got.Ref != "refs/heads/main" || got.Commit != "c" ||
		got.Component.Name != "web" || got.Artifact != result.Artifact || got.Manifest != manifest {
		t.Errorf("stated %+v, want what was built, and the manifest %s", got, manifest)
	}
	if got.Started.Before(begin) || got.Finished.Before(got.Started) || got.Finished.Location() != time.UTC || got.Started.Location() != time.UTC {
		t.Errorf("stated from %s to %s, want the time of the build in UTC", got.Started, got.Finished)
	}
	if strings.Count(got.Attempt, "/") < 3 || !strings.HasSuffix(got.Attempt, "/1") {
		t.Errorf("the attempt is called %q, want its workflow, run, activity and number", got.Attempt)
	}
}

func TestAnArtifactWithoutItsStatementIsNoResult(t *testing.T) {
	world, attester := activitiestest.New(1, "a"), &activitiestest.Attester{}
	attester.Away(true)
	result, err := built(t, world, attester)
	again(t, err)
	if result.Artifact != "" {
		t.Errorf("got %+v, want no artifact", result)
	}
	attester.Away(false)
	if _, err := built(t, world, attester); err != nil || len(attester.Made()) != 1 {
		t.Errorf("got %v and %d statements, want one once it can be kept", err, len(attester.Made()))
	}
	world.Commands.Fail("web/build", "exit status 1")
	if _, err := built(t, world, attester); err == nil || len(attester.Made()) != 1 {
		t.Errorf("got %v and %d statements, want none of a build that failed", err, len(attester.Made()))
	}
}

func TestTheRulesAreToldWhereCandidatesComeFrom(t *testing.T) {
	world, attester := activitiestest.New(1, "a"), &activitiestest.Attester{}
	result, err := built(t, world, attester)
	if err != nil {
		t.Fatal(err)
	}
	unknown := release.Digest("sha256:" + strings.Repeat("0", 64))
	plan := &release.Plan{Release: id, Moves: []release.Move{
		{Component: "web", Candidate: release.Revision{Artifact: result.Artifact}},
		{Component: "api", Candidate: release.Revision{Artifact: unknown}},
	}}
	policy := &activities.Policy{Rules: world.Rules, Ledger: world.Ledger, Registry: world.Registry, Origins: attester}
	ask := func(question release.Question) error {
		_, err := do[activities.DecideResult](t, policy, "Decide", activities.DecideInput{Question: question})
		return err
	}
	// What the question says of itself does not count.
	forged := &release.Facts{Foreseen: true, Provenance: []release.Provenance{{Component: "api", Artifact: unknown, Verified: true}}}
	for _, question := range []release.Question{
		{Gate: release.GateDeploy, Plan: plan, Facts: forged},
		{Gate: release.GateDeploy},
		{Gate: release.GatePress, Plan: plan, Facts: forged},
	} {
		if err := ask(question); err != nil {
			t.Fatal(err)
		}
	}
	attester.Away(true)
	again(t, ask(release.Question{Gate: release.GateDeploy, Plan: plan}))
	asked := world.Ledger.Asked()
	if len(asked) != 3 {
		t.Fatalf("%d decisions are recorded, want none where nobody could look", len(asked))
	}
	got := asked[0].Question.Facts
	if len(got.Provenance) != 2 || !got.Provenance[0].Verified || got.Provenance[1].Verified || got.Provenance[1].Problem == "" || got.Foreseen {
		t.Errorf("the rules are told %+v, want that one is known and the other is not", got)
	}
	for _, other := range asked[1:] {
		if len(other.Question.Facts.Provenance) > 0 || other.Question.Facts.Foreseen {
			t.Errorf("at %s the rules are told %+v, want nothing", other.Question.Gate, other.Question.Facts)
		}
	}
	if !slices.ContainsFunc(asked, func(a activitiestest.Asked) bool { return a.Question.Gate == release.GatePress }) {
		t.Error("the other gate was not asked")
	}
}
