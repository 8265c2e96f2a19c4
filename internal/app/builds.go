package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	api "github.com/google/go-github/v60/github"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/artifact"
	"github.com/skyisland/skyisland/internal/artifact/oci"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/github"
	"github.com/skyisland/skyisland/internal/github/actions"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// shelf is the artifacts of this machine, and those of others where they are shared.
type shelf struct {
	local *artifact.Store
	// client speaks with registries, also where nothing is shared.
	client *oci.Client
	// shared is nil where artifacts stay on this machine.
	shared *oci.Shelf
	// turn lets one fetch at a time: the units of a machine want the same artifact at the same moment.
	turn chan struct{}
}

func newShelf(c config.Config, local *artifact.Store) shelf {
	out := shelf{local: local, client: oci.New(oci.Options{Credentials: credentials(c)}), turn: make(chan struct{}, 1)}
	if repository := c.Registry.Repository; repository != "" {
		out.shared = out.client.Shelf(repository, local)
	}
	return out
}

// Extract unpacks an artifact. One that this machine does not have, or no longer as it was, is fetched first.
func (s shelf) Extract(ctx context.Context, digest release.Digest, dest string) error {
	err := s.local.Extract(ctx, digest, dest)
	if s.shared == nil || !errors.Is(err, release.ErrNotFound) && !errors.Is(err, artifact.ErrCorrupt) {
		return err
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// Whoever had the turn before may have brought it.
	if s.local.Verify(ctx, digest) != nil {
		if fetched := s.shared.Fetch(ctx, digest); fetched != nil {
			return errors.Join(err, fetched)
		}
	}
	return s.local.Extract(ctx, digest, dest)
}

// credentials are those of the configuration: of the repository that artifacts are in, and of the longest prefix that a
// repository has otherwise. A manifest says which image is asked for, so nothing is shown to a registry that the
// configuration does not name.
func credentials(c config.Config) func(repository string) oci.Credentials {
	access := func(a config.Access) oci.Credentials {
		return oci.Credentials{User: a.User, Password: a.Password.Reveal(), Token: a.Token.Reveal(), Keychain: a.Keychain, Insecure: a.Insecure}
	}
	return func(repository string) oci.Credentials {
		if repository == c.Registry.Repository {
			return access(c.Registry.Access)
		}
		found, longest := oci.Credentials{}, -1
		for _, image := range c.Images {
			prefix := strings.TrimSuffix(image.Prefix, "/")
			if len(prefix) > longest && strings.HasPrefix(repository+"/", prefix+"/") {
				found, longest = access(image.Access), len(prefix)
			}
		}
		return found
	}
}

// builds are the activities that turn a commit into artifacts.
func (a *App) builds(source activities.Repositories, run activities.CommandRunner, s shelf) *activities.Build {
	out := &activities.Build{
		Repositories: source, Commands: run, Artifacts: artifactStore{s.local}, Dir: a.path("work"),
		Images: images{s.client}, Runs: workflowRuns{actions.New(findGitHub(a.github), actions.Options{Most: s.local.Limits.Bytes}), s.local.Limits},
	}
	if a.attestations != nil {
		out.Attester = a.attestations
	}
	if s.shared != nil {
		out.Publisher = publisher{s.shared}
	}
	return out
}

// publisher shares artifacts.
type publisher struct{ shelf *oci.Shelf }

// Share puts an artifact where other machines find it.
func (p publisher) Share(ctx context.Context, digest release.Digest) error {
	return final(p.shelf.Share(ctx, digest))
}

// final marks the errors that the next attempt would end with too.
func final(err error) error {
	for _, stays := range []error{
		release.ErrNotFound, release.ErrTooLarge, artifact.ErrUnusable, oci.ErrRefused, oci.ErrUnusable, actions.ErrRefused, actions.ErrUnusable, errNotGitHub, errNoGitHub,
	} {
		if errors.Is(err, stays) {
			return &activities.FinalError{Err: err}
		}
	}
	var limited *actions.LimitedError
	if errors.As(err, &limited) {
		return &activities.LaterError{Err: err, After: limited.After}
	}
	return err
}

// images are those of registries.
type images struct{ client *oci.Client }

// Resolve is an image by its digest.
func (i images) Resolve(ctx context.Context, image string) (string, error) {
	resolved, err := i.client.Resolve(ctx, image)
	return resolved, final(err)
}

// Flatten writes an image's file system.
func (i images) Flatten(ctx context.Context, image, dir, temp string) error {
	return final(i.client.Flatten(ctx, image, dir, temp))
}

// workflowRuns are those of GitHub Actions.
type workflowRuns struct {
	actions *actions.Actions
	limits  artifact.Limits
}

// Latest is the newest run for a commit.
func (w workflowRuns) Latest(ctx context.Context, repository, workflow, commit string) (activities.WorkflowRun, error) {
	run, err := w.actions.Latest(ctx, repository, workflow, commit)
	if errors.Is(err, release.ErrNotFound) {
		// It may still come.
		return activities.WorkflowRun{}, err
	}
	return activities.WorkflowRun{ID: run.ID, URL: run.URL, Over: run.Over(), Status: run.Status, Conclusion: run.Conclusion}, final(err)
}

// Unpack writes what is in the zip of an artifact.
func (w workflowRuns) Unpack(ctx context.Context, repository string, run int64, name, dir, temp string) (release.Digest, error) {
	file, err := os.CreateTemp(temp, "artifact-*.zip")
	if err != nil {
		return "", fmt.Errorf("download artifact %q: %w", name, err)
	}
	defer file.Close()
	digest, size, err := w.actions.Download(ctx, repository, run, name, file)
	if err != nil {
		return "", final(err)
	}
	if err := artifact.Unzip(ctx, file, size, dir, w.limits); err != nil {
		return "", final(fmt.Errorf("artifact %q of run %d: %w", name, run, err))
	}
	return digest, nil
}

// errNotGitHub is a repository that GitHub Actions do not build.
var errNotGitHub = errors.New("GitHub Actions build what is on GitHub")

// errNoGitHub is an installation that is nobody there.
var errNoGitHub = errors.New("GitHub Actions build where github.token or github.app is set")

// findGitHub is GitHub, as whoever we are there, in the words of actions. A repository of another host is refused: one of
// the same name may be somebody else's.
func findGitHub(connection *github.Connection) actions.Find {
	return func(ctx context.Context, repository string) (*api.Client, string, string, error) {
		if connection == nil {
			return nil, "", "", errNoGitHub
		}
		r, ours := connection.Repository(repository)
		if !ours {
			return nil, "", "", fmt.Errorf("%w: %s is not there", errNotGitHub, shown(repository))
		}
		client, err := connection.Client(ctx, r)
		return client, r.Owner, r.Name, err
	}
}

// waiting are the releases that wait for a build elsewhere.
type waiting struct {
	building func(ctx context.Context, repository, commit string) ([]release.ID, error)
	built    func(ctx context.Context, id release.ID, notice release.BuiltNotice) error
}

// newWaiting finds releases in the store, and tells them by dispatch.
func newWaiting(s *store.Store, d *dispatch.Dispatcher) waiting { return waiting{s.Building, d.Built} }

// Built tells the releases of a commit that are not built yet that a build of it has ended, well or not, so that they
// look at once, and says which they are. The repository is named as its host names it, such as acme/api; an image, which
// has no address to clone, is of whichever repository has the commit. Being told twice, or in vain, does no harm; an error
// is one after which telling again helps.
func (w waiting) Built(ctx context.Context, repository, cloneURL, commit string) ([]release.ID, error) {
	of := repository
	if cloneURL == "" {
		of = ""
	}
	found, err := w.building(ctx, of, commit)
	if err != nil {
		return nil, err
	}
	var heard []release.ID
	var faults []error
	for _, id := range found {
		err := w.built(ctx, id, release.BuiltNotice{Repository: repository, Commit: commit})
		switch {
		case err == nil:
			heard = append(heard, id)
		case !errors.Is(err, release.ErrNotFound) && !errors.Is(err, release.ErrFinished):
			faults = append(faults, err)
		}
	}
	return heard, errors.Join(faults...)
}
