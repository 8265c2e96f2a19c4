package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/artifact"
	"github.com/skyisland/skyisland/internal/build"
	"github.com/skyisland/skyisland/internal/git"
	"github.com/skyisland/skyisland/internal/git/gittest"
	"github.com/skyisland/skyisland/internal/provenance"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// A commit of a real repository, built by a real command, packed into the real store: the statement is about the archive on
// the disk, and about the manifest as it is in the commit, whatever the command did to the one in the working copy.
func TestWhatIsStatedIsTheArchiveOnTheDisk(t *testing.T) {
	repo := gittest.New(t)
	const manifest = "application: hello\n"
	repo.Write(activities.ManifestFile, manifest)
	repo.Write("web/main.txt", "hello")
	commit := repo.Commit("first")
	source, err := git.New(t.TempDir(), git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	artifacts, err := artifact.New(filepath.Join(dir, "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	runner, err := build.New(build.Options{Home: filepath.Join(dir, "home"), Temp: filepath.Join(dir, "tmp")})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	a := stating(t, s, filepath.Join(dir, "provenance"))

	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(&activities.Build{
		Repositories: repositories{source}, Commands: commands{runner: runner, logs: filepath.Join(dir, "logs")},
		Artifacts: artifactStore{artifacts}, Attester: a, Dir: filepath.Join(dir, "work"),
	}, activity.RegisterOptions{})
	command := release.Command{
		Run:     []string{"sh", "-c", "mkdir bin && cp main.txt bin/web && echo changed > ../skyisland.yaml"},
		Timeout: release.Duration(60e9), Output: 1 << 20,
	}
	id := laneNumber(7)
	value, err := env.ExecuteActivity("Build", activities.BuildInput{
		Release: id, Repository: repo.Dir, Ref: "refs/heads/main", Commit: commit,
		Component: release.Component{Name: "web", Path: "web", Build: release.Build{Run: command.Run, Timeout: command.Timeout, Output: command.Output}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var result activities.BuildResult
	if err := value.Get(&result); err != nil {
		t.Fatal(err)
	}

	hex64 := func(data []byte) string { sum := sha256.Sum256(data); return hex.EncodeToString(sum[:]) }
	archive, err := os.ReadFile(filepath.Join(dir, "artifacts", "sha256", result.Artifact.Hex()[:2], result.Artifact.Hex()))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := s.Statements(t.Context(), result.Artifact, nil, 9)
	if err != nil || len(stored) != 1 || stored[0].Release != id {
		t.Fatalf("stored %+v, %v; want the statement of the build", stored, err)
	}
	verified, err := provenance.Verify(stored[0].Envelope, []provenance.PublicKey{a.keys.Public()}, hex64(archive))
	if err != nil {
		t.Fatal(err)
	}
	var told provenance.Parameters
	if err := json.Unmarshal(verified.Statement.Predicate.BuildDefinition.ExternalParameters, &told); err != nil {
		t.Fatal(err)
	}
	if told.Repository != repo.Dir || told.Commit != commit || told.Ref != "refs/heads/main" || told.Component != "web" || !slices.Equal(told.Build, command.Run) {
		t.Errorf("stated %+v", told)
	}
	if told.Manifest.Path != activities.ManifestFile || told.Manifest.Digest["sha256"] != hex64([]byte(manifest)) {
		t.Errorf("the manifest is stated as %+v, want the commit's", told.Manifest)
	}
	if got := origin(t, a, repo.Dir, commit, result.Artifact); !got.Verified || got.Commit != commit {
		t.Errorf("the rules are told %+v", got)
	}
}
