package activities_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/activities/activitiestest"
	"github.com/skyisland/skyisland/internal/release"
)

// kept is a store that looks at what it is given.
type kept struct{ look func(dir string) }

func (k kept) Put(ctx context.Context, dir string) (release.Digest, int64, error) {
	if k.look != nil {
		k.look(dir)
	}
	return activitiestest.Artifacts{}.Put(ctx, dir)
}

// shared is a publisher that remembers, and fails so often first.
type shared struct {
	digests  []release.Digest
	failures int
	err      error
}

func (s *shared) Share(_ context.Context, digest release.Digest) error {
	s.digests = append(s.digests, digest)
	if len(s.digests) <= s.failures {
		return s.err
	}
	return nil
}

func builder(t *testing.T, world *activitiestest.World) *activities.Build {
	t.Helper()
	return &activities.Build{
		Repositories: world.Source, Commands: world.Commands, Artifacts: kept{}, Images: world.Elsewhere, Runs: world.Elsewhere, Dir: t.TempDir(),
	}
}

func TestWhatIsBuiltHereIsShared(t *testing.T) {
	away := errors.New("no route to the registry")
	for name, tt := range map[string]struct {
		publisher *shared
		shares    int
		took      time.Duration
		end       string
	}{
		"at once":                     {&shared{}, 1, 0, "well"},
		"after the registry was away": {&shared{failures: 3, err: away}, 4, 7 * time.Second, "well"},
		"not while it stays away":     {&shared{failures: 100, err: away}, 6, 31 * time.Second, "again"},
		"never where it lets none in": {&shared{failures: 100, err: &activities.FinalError{Err: away}}, 1, 0, "final"},
	} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			world := activitiestest.New(1, "a")
			world.Source.Push("c", activitiestest.Commit{Folders: map[string]string{"web": "x"}})
			build := builder(t, world)
			build.Dir, build.Publisher = dir, tt.publisher
			in := activities.BuildInput{Release: id, Commit: "c", Component: release.Component{Name: "web", Path: "web"}}
			began := time.Now()
			result, err := do[activities.BuildResult](t, build, "Build", in)
			switch tt.end {
			case "well":
				if err != nil || tt.publisher.digests[0] != result.Artifact {
					t.Errorf("%s: built %s and shared %v, %v", name, result.Artifact, tt.publisher.digests, err)
				}
			case "again":
				again(t, err)
			default:
				causeOf(t, err, activities.TypeGate)
			}
			if got := time.Since(began); len(tt.publisher.digests) != tt.shares || got.Round(time.Second) != tt.took {
				t.Errorf("%s: shared %d times in %s, want %d in %s", name, len(tt.publisher.digests), got, tt.shares, tt.took)
			}
		})
	}
}

func TestAnImageIsResolvedAndTaken(t *testing.T) {
	world := activitiestest.New(1, "a")
	image := world.Elsewhere.Push("registry.example/web:v1", "program")
	build := builder(t, world)
	in := activities.ImageInput{Component: "web", Image: "registry.example/web:{tag}", Commit: "c", Ref: "refs/tags/v1"}
	resolved, err := do[activities.ImageResult](t, build, "ResolveImage", in)
	if err != nil || resolved.Image != image {
		t.Fatalf("%+v, %v; want %s", resolved, err, image)
	}
	var first release.Digest
	for range 2 {
		result, err := do[activities.BuildResult](t, build, "TakeImage", activities.TakeImageInput{Component: "web", Image: resolved.Image})
		if err != nil || result.Artifact.Check() != nil || first != "" && result.Artifact != first || result.Size != 7 {
			t.Errorf("%+v, %v after %s", result, err, first)
		}
		first = result.Artifact
	}
	if left := entries(t, build.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	in.Ref = "refs/heads/main"
	_, err = do[activities.ImageResult](t, build, "ResolveImage", in)
	if cause := causeOf(t, err, activities.TypeGate); !strings.Contains(cause.Message, "refs/heads/main is no tag") {
		t.Errorf("a branch: %+v", cause)
	}
	in.Image = "registry.example/web:missing"
	_, err = do[activities.ImageResult](t, build, "ResolveImage", in)
	if cause := causeOf(t, err, activities.TypeGate); cause.Kind != release.CauseBuild || !strings.Contains(cause.Message, "build of web: resolve image registry.example/web:missing") {
		t.Errorf("an image that is not there: %+v", cause)
	}
	world.Elsewhere.Fail(activitiestest.ErrAway)
	_, err = do[activities.ImageResult](t, build, "ResolveImage", in)
	again(t, err)
	_, err = do[activities.BuildResult](t, build, "TakeImage", activities.TakeImageInput{Component: "web", Image: resolved.Image})
	again(t, err)
	build.Images = nil
	_, err = do[activities.ImageResult](t, build, "ResolveImage", in)
	causeOf(t, err, activities.TypeGate)
}

func TestARunIsLookedFor(t *testing.T) {
	world := activitiestest.New(1, "a")
	build := builder(t, world)
	in := activities.CheckRunInput{Component: "web", Repository: "acme/web", Commit: "c", Workflow: "build.yml"}
	look := func() (activities.CheckRunResult, error) {
		return do[activities.CheckRunResult](t, build, "CheckRun", in)
	}
	if got, err := look(); err != nil || got.Found || !strings.Contains(got.Missing, "acme/web has no run of build.yml for commit c") {
		t.Errorf("no run: %+v, %v", got, err)
	}
	run := activities.WorkflowRun{ID: 7, URL: "https://github.com/acme/web/actions/runs/7", Status: "queued"}
	world.Elsewhere.Ran("build.yml", "c", run)
	if got, err := look(); err != nil || !got.Found || got.Run != run {
		t.Errorf("a run that is queued: %+v, %v", got, err)
	}
	for _, conclusion := range []string{"failure", "cancelled", "skipped", "neutral", "timed_out", ""} {
		run.Over, run.Status, run.Conclusion = true, "completed", conclusion
		world.Elsewhere.Ran("build.yml", "c", run)
		_, err := look()
		if cause := causeOf(t, err, activities.TypeGate); cause.Kind != release.CauseBuild || !strings.Contains(cause.Message, "ended with "+conclusion) || !slices.Equal(cause.Details, []string{run.URL}) {
			t.Errorf("%s: %+v", conclusion, cause)
		}
	}
	world.Elsewhere.Fail(&activities.FinalError{Err: errors.New("GitHub refuses")})
	_, err := look()
	causeOf(t, err, activities.TypeGate)
	world.Elsewhere.Fail(&activities.LaterError{Err: errors.New("rate limit"), After: 7 * time.Minute})
	_, err = look()
	again(t, err)
	var application *temporal.ApplicationError
	if !errors.As(err, &application) || application.NextRetryDelay() != 7*time.Minute {
		t.Errorf("a limit: %v, want the next attempt in 7m", err)
	}
	build.Runs = nil
	_, err = look()
	causeOf(t, err, activities.TypeGate)
}

func TestAnArtifactOfARunIsTaken(t *testing.T) {
	world := activitiestest.New(1, "a")
	world.Elsewhere.Upload(7, "web", "program")
	build := builder(t, world)
	in := activities.TakeArtifactInput{Component: "web", Repository: "acme/web", Run: 7, Artifact: "web", Program: "main"}
	looked := false
	build.Artifacts = kept{func(dir string) {
		looked = true
		if info, err := os.Stat(filepath.Join(dir, "main")); err != nil || info.Mode()&0o100 == 0 {
			t.Errorf("the program may not be executed: %v, %v", info, err)
		}
	}}
	result, err := do[activities.BuildResult](t, build, "TakeArtifact", in)
	if err != nil || !looked || release.Digest(result.From).Check() != nil {
		t.Errorf("%+v, %v; want the artifact, and the digest of what was downloaded", result, err)
	}
	// What cannot be made executable is for the start to complain of, and nothing outside is touched.
	for _, program := range []string{"sh", "/bin/sh", "../main", ""} {
		in.Program = program
		build.Artifacts = kept{}
		if _, err := do[activities.BuildResult](t, build, "TakeArtifact", in); err != nil {
			t.Errorf("program %q: %v", program, err)
		}
	}
	in.Artifact = "api"
	_, err = do[activities.BuildResult](t, build, "TakeArtifact", in)
	if cause := causeOf(t, err, activities.TypeGate); cause.Kind != release.CauseBuild {
		t.Errorf("an artifact that is not there: %+v", cause)
	}
	world.Elsewhere.Fail(activitiestest.ErrAway)
	_, err = do[activities.BuildResult](t, build, "TakeArtifact", in)
	again(t, err)
	if left := entries(t, build.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWhatIsTakenIsStatedWithWhatItWasTakenFrom(t *testing.T) {
	world, attester := activitiestest.New(1, "a"), &activitiestest.Attester{}
	image := world.Elsewhere.Push("registry.example/web:v1", "program")
	world.Elsewhere.Upload(7, "web", "program")
	world.Source.Push("c", activitiestest.Commit{})
	build := builder(t, world)
	build.Attester = attester
	of := activities.BuildInput{Repository: "https://github.com/acme/web", Commit: "c", Component: release.Component{Name: "web"}}
	if _, err := do[activities.BuildResult](t, build, "TakeImage", activities.TakeImageInput{Component: "web", Image: image, For: of}); err != nil {
		t.Fatal(err)
	}
	in := activities.TakeArtifactInput{Component: "web", Repository: of.Repository, Run: 7, Artifact: "web", Program: "main", For: of, URL: "https://github.com/acme/web/actions/runs/7"}
	if _, err := do[activities.BuildResult](t, build, "TakeArtifact", in); err != nil {
		t.Fatal(err)
	}
	made := attester.Made()
	if len(made) != 2 {
		t.Fatalf("%d statements, want 2", len(made))
	}
	if from := made[0].From; from == nil || from.URI != "oci://"+image || from.Digest.Check() != nil {
		t.Errorf("the image was %+v", from)
	}
	if from := made[1].From; from == nil || from.URI != in.URL+"#web" || from.Digest.Check() != nil {
		t.Errorf("the artifact was %+v", from)
	}
	// Without its statement it is no result.
	attester.Away(true)
	if _, err := do[activities.BuildResult](t, build, "TakeImage", activities.TakeImageInput{Component: "web", Image: image, For: of}); err == nil {
		t.Error("an image without a statement was taken")
	}
}
