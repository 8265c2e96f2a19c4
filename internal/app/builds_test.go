package app

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/artifact"
	"github.com/skyisland/skyisland/internal/artifact/oci"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/github"
	"github.com/skyisland/skyisland/internal/github/actions/actionstest"
	"github.com/skyisland/skyisland/internal/release"
)

// registryOf serves a registry in this process and returns its host and port.
func registryOf(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// machine is what one machine has of the program: its artifacts, and the activities that build.
func machine(t *testing.T, c config.Config) (shelf, *activities.Build) {
	t.Helper()
	c.Data = t.TempDir()
	local, err := artifact.New(filepath.Join(c.Data, "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	s := newShelf(c, local)
	return s, (&App{config: c, github: atGitHub(t, c.GitHub)}).builds(nil, nil, s)
}

// perform runs an activity as a worker does.
func perform[R any](t *testing.T, build *activities.Build, name string, in any) (R, error) {
	t.Helper()
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(build, activity.RegisterOptions{})
	var out R
	value, err := env.ExecuteActivity(name, in)
	if err == nil {
		err = value.Get(&out)
	}
	return out, err
}

// pushed puts an image with one program into a registry.
func pushed(t *testing.T, tagged, program string) {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "app/api", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, program); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, static.NewLayer(layer.Bytes(), types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	said, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	said = said.DeepCopy()
	said.OS, said.Architecture = "linux", goruntime.GOARCH
	if image, err = mutate.ConfigFile(image, said); err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(tagged)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
}

// An image is taken on one machine and its artifact unpacked on another, where only the registry is common.
func TestWhatOneMachineTakesAnotherRuns(t *testing.T) {
	at := registryOf(t)
	pushed(t, at+"/acme/api:v1", "program")
	shared := config.Config{Registry: config.Registry{Repository: at + "/skyisland"}}
	_, build := machine(t, shared)
	resolved, err := perform[activities.ImageResult](t, build, "ResolveImage", activities.ImageInput{Component: "api", Image: at + "/acme/api:{tag}", Ref: "refs/tags/v1"})
	if err != nil {
		t.Fatal(err)
	}
	result, err := perform[activities.BuildResult](t, build, "TakeImage", activities.TakeImageInput{Component: "api", Image: resolved.Image})
	if err != nil {
		t.Fatal(err)
	}
	other, _ := machine(t, shared)
	dest := filepath.Join(t.TempDir(), "root")
	if err := other.Extract(t.Context(), result.Artifact, dest); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dest, "app/api"))
	if info, statErr := os.Stat(filepath.Join(dest, "app/api")); err != nil || statErr != nil || string(got) != "program" || info.Mode()&0o100 == 0 {
		t.Errorf("%q, %v, %v", got, err, info)
	}
	alone, _ := machine(t, config.Config{})
	if err := alone.Extract(t.Context(), result.Artifact, filepath.Join(t.TempDir(), "root")); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("a machine that shares nothing: %v", err)
	}
	nothing := release.Digest("sha256:" + strings.Repeat("0", 64))
	if err := other.Extract(t.Context(), nothing, filepath.Join(t.TempDir(), "root")); !errors.Is(err, release.ErrNotFound) || !strings.Contains(err.Error(), "/skyisland") {
		t.Errorf("what nobody has: %v, want it said where it was looked for", err)
	}
}

func TestAnArtifactThatHasBecomeCorruptIsFetchedAgain(t *testing.T) {
	shared := config.Config{Registry: config.Registry{Repository: registryOf(t) + "/skyisland"}}
	one, build := machine(t, shared)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "api"), []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	digest, _, err := build.Artifacts.Put(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := build.Publisher.Share(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	stored, err := filepath.Glob(filepath.Join(filepath.Dir(build.Dir), "artifacts/sha256/*/"+digest.Hex()))
	if err != nil || len(stored) != 1 {
		t.Fatalf("%v, %v", stored, err)
	}
	if err := os.Chmod(stored[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stored[0], []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := one.Extract(t.Context(), digest, filepath.Join(t.TempDir(), "root")); err != nil {
		t.Error(err)
	}
}

func TestTheUnitsOfAMachineFetchAnArtifactOnce(t *testing.T) {
	var fetched atomic.Int32
	blobs := registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			fetched.Add(1)
		}
		blobs.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	shared := config.Config{Registry: config.Registry{Repository: strings.TrimPrefix(server.URL, "http://") + "/skyisland"}}
	_, build := machine(t, shared)
	digest, _, err := build.Artifacts.Put(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := build.Publisher.Share(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	other, _ := machine(t, shared)
	dir := t.TempDir()
	var units sync.WaitGroup
	for _, unit := range []string{"a", "b", "c", "d"} {
		units.Go(func() {
			if err := other.Extract(t.Context(), digest, filepath.Join(dir, unit)); err != nil {
				t.Error(err)
			}
		})
	}
	units.Wait()
	if got := fetched.Load(); got != 1 {
		t.Errorf("the artifact was fetched %d times, want once", got)
	}
	other.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := other.Extract(ctx, release.Digest("sha256:"+strings.Repeat("0", 64)), filepath.Join(dir, "e")); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait for the turn that is called off: %v", err)
	}
}

func TestWhatTryingAgainDoesNotMendIsFinal(t *testing.T) {
	at := registryOf(t)
	_, build := machine(t, config.Config{})
	_, err := perform[activities.ImageResult](t, build, "ResolveImage", activities.ImageInput{Component: "api", Image: at + "/acme/api:missing"})
	if cause, ok := activities.CauseOf(err); !ok || cause.Kind != release.CauseBuild || !strings.Contains(cause.Message, "acme/api:missing") {
		t.Errorf("an image that is not there: %v", err)
	}
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var stays *activities.FinalError
	if _, _, err := build.Artifacts.Put(t.Context(), dir); !errors.As(err, &stays) {
		t.Errorf("a tree that cannot be packed: %v", err)
	}
	_, err = perform[activities.CheckRunResult](t, build, "CheckRun", activities.CheckRunInput{Component: "api", Repository: "https://gitlab.com/acme/api", Commit: "c", Workflow: "build.yml"})
	if cause, ok := activities.CauseOf(err); !ok || !strings.Contains(cause.Message, "GitHub Actions build where github.token or github.app is set") {
		t.Errorf("an installation that is nobody at GitHub: %v", err)
	}
}

func TestCredentialsAreForWhatTheConfigurationNames(t *testing.T) {
	c := config.Config{
		Registry: config.Registry{Repository: "registry.example/skyisland", Access: config.Access{User: "pusher", Password: "p"}},
		Images: []config.ImageAccess{
			{Prefix: "registry.example", Access: config.Access{User: "reader", Password: "r"}},
			{Prefix: "registry.example/acme/", Access: config.Access{Token: "t"}},
			{Prefix: "10.0.0.5:5000", Access: config.Access{Insecure: true}},
		},
	}
	for repository, want := range map[string]oci.Credentials{
		"registry.example/skyisland":     {User: "pusher", Password: "p"},
		"registry.example/skyisland2":    {User: "reader", Password: "r"},
		"registry.example/acme/api":      {Token: "t"},
		"registry.example/acme2/api":     {User: "reader", Password: "r"},
		"registry.example.evil.com/acme": {},
		"registry.example:8443/acme":     {},
		"evil.com/registry.example/acme": {},
		"10.0.0.5:5000/api":              {Insecure: true},
		"10.0.0.5:50001/api":             {},
		"docker.io/library/nginx":        {},
	} {
		if got := credentials(c)(repository); got != want {
			t.Errorf("%s: %+v, want %+v", repository, got, want)
		}
	}
}

// atGitHub is somebody at GitHub.
func atGitHub(t *testing.T, c config.GitHub) *github.Connection {
	t.Helper()
	connection, err := connectGitHub(c)
	if err != nil {
		t.Fatal(err)
	}
	return connection
}

func TestARepositoryOfGitHubIsFound(t *testing.T) {
	for _, tt := range []struct {
		api, repository, want string
	}{
		{"", "https://github.com/acme/api.git", "acme/api"},
		{"", "https://GitHub.com/acme/api", "acme/api"},
		{"", "git@github.com:acme/api.git", "acme/api"},
		{"", "ssh://git@github.com:22/acme/api", "acme/api"},
		{"", "acme/api", ""},
		{"https://api.github.com/", "https://github.com/acme/api", "acme/api"},
		{"https://github.example/api/v3", "https://github.example/acme/api", "acme/api"},
		{"https://github.example/api/v3", "https://github.com/acme/api", ""},
		{"", "https://gitlab.com/acme/api", ""},
		{"", "https://github.com.evil.com/acme/api", ""},
		{"", "https://github.com/acme", ""},
		{"", "https://github.com/acme/api/more", ""},
		{"", "http://127.0.0.1:7781/hello.git", ""},
		{"", "/srv/git/acme/api", ""},
		{"", "", ""},
	} {
		client, owner, name, err := findGitHub(atGitHub(t, config.GitHub{API: tt.api, Token: "t"}))(t.Context(), tt.repository)
		got := ""
		if err == nil {
			got = owner + "/" + name
		}
		if got != tt.want || (err != nil) != (tt.want == "") || err != nil && !errors.Is(err, errNotGitHub) {
			t.Errorf("%s at %q: %q, %v; want %q", tt.repository, tt.api, got, err, tt.want)
		}
		if want := "https://github.example/api/v3/"; err == nil && strings.HasPrefix(tt.api, "https://github.example") && client.BaseURL.String() != want {
			t.Errorf("asks %s, want %s", client.BaseURL, want)
		}
	}
	_, _, _, err := findGitHub(atGitHub(t, config.GitHub{Token: "t"}))(t.Context(), "https://ada:secret@gitlab.com/acme/api")
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("an address with a password: %v", err)
	}
	if _, _, _, err := findGitHub(nil)(t.Context(), "https://github.com/acme/api"); !errors.Is(err, errNoGitHub) {
		t.Errorf("an installation that is nobody there: %v", err)
	}
}

func zipOf(t *testing.T, file, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	to, err := w.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(to, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAnArtifactOfGitHubActionsIsTaken(t *testing.T) {
	hub := actionstest.New("acme/api", "a-token")
	t.Cleanup(hub.Close)
	const commit = "0123456789abcdef0123456789abcdef01234567"
	hub.Put(actionstest.Run{ID: 5, RunNumber: 1, HeadSHA: commit, Event: "push", Status: "completed", Conclusion: "success", Workflow: "build.yml"})
	hub.Upload(
		actionstest.Artifact{ID: 1, Run: 5, Name: "api", Content: zipOf(t, "bin/api", "program")},
		actionstest.Artifact{ID: 2, Run: 5, Name: "hostile", Content: zipOf(t, "../api", "program")},
		actionstest.Artifact{ID: 3, Run: 5, Name: "no zip", Content: []byte("program")},
	)
	_, build := machine(t, config.Config{GitHub: config.GitHub{Token: "a-token", API: hub.API.URL, Host: "github.com"}})
	found, err := perform[activities.CheckRunResult](t, build, "CheckRun", activities.CheckRunInput{Component: "api", Repository: "https://github.com/acme/api", Commit: commit, Workflow: "build.yml"})
	if err != nil || !found.Found || !found.Run.Over || found.Run.ID != 5 {
		t.Fatalf("%+v, %v", found, err)
	}
	in := activities.TakeArtifactInput{Component: "api", Repository: "https://github.com/acme/api", Run: 5, Artifact: "api", Program: "bin/api"}
	result, err := perform[activities.BuildResult](t, build, "TakeArtifact", in)
	if err != nil || result.Artifact.Check() != nil || release.Digest(result.From).Check() != nil {
		t.Fatalf("%+v, %v", result, err)
	}
	for _, name := range []string{"hostile", "no zip", "missing"} {
		in.Artifact = name
		_, err := perform[activities.BuildResult](t, build, "TakeArtifact", in)
		if cause, ok := activities.CauseOf(err); !ok || cause.Kind != release.CauseBuild || !strings.Contains(cause.Message, name) {
			t.Errorf("%s: %v, want a final end that names it", name, err)
		}
	}
	if left, err := os.ReadDir(build.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	missing, err := perform[activities.CheckRunResult](t, build, "CheckRun", activities.CheckRunInput{Component: "api", Repository: "https://github.com/acme/api", Commit: strings.Repeat("f", 40), Workflow: "build.yml"})
	if err != nil || missing.Found || !strings.Contains(missing.Missing, "no run of build.yml") {
		t.Errorf("a commit without a run: %+v, %v", missing, err)
	}
	hub.Refuse(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "90")
		http.Error(w, `{"message": "You have exceeded a secondary rate limit"}`, http.StatusTooManyRequests)
		return true
	})
	_, err = perform[activities.CheckRunResult](t, build, "CheckRun", activities.CheckRunInput{Component: "api", Repository: "https://github.com/acme/api", Commit: commit, Workflow: "build.yml"})
	if _, stays := activities.CauseOf(err); err == nil || stays {
		t.Errorf("a limit: %v, want an error that is tried again", err)
	}
}

func TestReleasesThatAreNotBuiltYetAreTold(t *testing.T) {
	ids := make([]release.ID, 4)
	for i := range ids {
		ids[i] = release.ID{Lane: release.Lane{Tenant: "t", Application: "a", Environment: "e"}, Number: i + 1}
	}
	answers := map[int]error{2: release.ErrFinished, 3: errors.New("no route to Temporal")}
	var heard []int
	all := waiting{
		building: func(_ context.Context, repository, commit string) ([]release.ID, error) {
			if repository != "acme/api" || commit != "c" {
				return nil, errors.New("asked for something else")
			}
			return ids, nil
		},
		built: func(_ context.Context, id release.ID, notice release.BuiltNotice) error {
			if notice != (release.BuiltNotice{Repository: "acme/api", Commit: "c"}) {
				t.Errorf("told %+v", notice)
			}
			heard = append(heard, id.Number)
			return answers[id.Number]
		},
	}
	which, err := all.Built(t.Context(), "acme/api", "https://github.com/acme/api.git", "c")
	if !slices.Equal(heard, []int{1, 2, 3, 4}) || !errors.Is(err, answers[3]) || errors.Is(err, release.ErrFinished) {
		t.Errorf("told %v, %v; want all, and the error that telling again may mend", heard, err)
	}
	if !slices.Equal(which, []release.ID{ids[0], ids[3]}) {
		t.Errorf("told %v, want those that are still there", which)
	}
	answers = nil
	if _, err := all.Built(t.Context(), "acme/api", "https://github.com/acme/api.git", "c"); err != nil {
		t.Error(err)
	}
	if _, err := all.Built(t.Context(), "acme/api", "https://github.com/acme/api.git", "d"); err == nil {
		t.Error("a store that is away was no error")
	}
}

func TestALimitIsPassedOn(t *testing.T) {
	hub := actionstest.New("acme/api", "a-token")
	t.Cleanup(hub.Close)
	hub.Refuse(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "90")
		http.Error(w, `{"message": "slow down", "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`, http.StatusForbidden)
		return true
	})
	_, build := machine(t, config.Config{GitHub: config.GitHub{Token: "a-token", API: hub.API.URL, Host: "github.com"}})
	_, err := build.Runs.Latest(t.Context(), "https://github.com/acme/api", "build.yml", "c")
	var later *activities.LaterError
	if !errors.As(err, &later) || later.After != 90*time.Second {
		t.Errorf("%v, want a pause of 90s", err)
	}
}
