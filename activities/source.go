package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"

	"github.com/skyisland/skyisland/internal/release"
)

// ManifestFile is the manifest's place in a repository.
const ManifestFile = "skyisland.yaml"

// ManifestLimit bounds a manifest, in bytes.
const ManifestLimit = 256 << 10

// Repositories is what these activities need of git. An unknown commit or file is [release.ErrNotFound],
// and so is a file over the limit, which is [release.ErrTooLarge] too.
type Repositories interface {
	// Fetch makes sure that the commit is here.
	Fetch(ctx context.Context, repository, commit string) error
	ReadFile(ctx context.Context, repository, commit, path string, limit int64) ([]byte, error)
	// Export writes a clean working copy of the commit to the folder dest, which does not exist yet.
	Export(ctx context.Context, repository, commit, dest string) error
	// Log are the commits that lead to one of them and not to the other, newest first, and no more than most.
	// Without from they are all that lead to it.
	Log(ctx context.Context, repository, from, to string, most int) ([]release.Commit, error)
	// Changed are the paths of the files that differ between two commits that are here.
	Changed(ctx context.Context, repository, from, to string) ([]string, error)
}

// CommitsShown is how many changes people are shown at most, AuthorsRead of how many the authors are told to the rules.
const (
	CommitsShown = 20
	AuthorsRead  = 500
)

// Source holds the activities that read the repository.
type Source struct {
	Repositories Repositories
	// Manifest resolves a manifest for an environment; its error is [release.Problems].
	Manifest func(file string, data []byte, environment string) (release.Spec, error)
	// Units are the units the installation has, in order.
	Units []string
	// Under makes what says whether a file is in a folder, or is as one of some patterns or in a folder that is. Without it
	// every component is built.
	Under func(folder string, patterns []string) func(file string) bool
	// Author is who an author's address belongs to; nil knows nobody.
	Author func(email string) release.Actor
}

// ResolveInput names the commit and the lane it is for.
type ResolveInput struct {
	Request release.Request
	// Since are the commits of what is stable; empty before a first release.
	Since []string
	// Built are the commits from which the components that are stable were built.
	Built map[string]string
}

// ResolveResult is the manifest, resolved.
type ResolveResult struct {
	Spec release.Spec
	// Commits are the changes since what is stable, newest first, at most [CommitsShown]. They are for people: empty
	// when the repository does not say, for example because what is stable was of a branch that is gone.
	Commits []release.Commit
	// Authors are who wrote them, and those before them up to [AuthorsRead] commits, each once.
	Authors []release.Actor
	// Untouched are the components of which nothing that they are built from has changed since; see
	// [release.Component].Paths.
	Untouched []string
}

// Resolve fetches the commit and resolves its manifest for the lane. It fails finally as
// [TypeSource] when there is no such commit and as [TypeManifest] with every problem when the
// manifest cannot be used.
func (s *Source) Resolve(ctx context.Context, in ResolveInput) (ResolveResult, error) {
	_, stop := beat(ctx)
	defer stop()
	req := in.Request
	if err := s.Repositories.Fetch(ctx, req.Repository, req.Commit); err != nil {
		return ResolveResult{}, sourceError(err, "fetch commit "+req.Commit)
	}
	data, err := s.Repositories.ReadFile(ctx, req.Repository, req.Commit, ManifestFile, ManifestLimit)
	if errors.Is(err, release.ErrNotFound) {
		return ResolveResult{}, manifestError(release.Problems{ManifestAway(err)})
	}
	if err != nil {
		return ResolveResult{}, sourceError(err, "read "+ManifestFile)
	}
	spec, err := s.Manifest(ManifestFile, data, req.Lane.Environment)
	if err != nil {
		return ResolveResult{}, manifestError(err)
	}
	if problems := append(s.check(&spec, req.Lane), imageProblems(spec, req)...); len(problems) > 0 {
		return ResolveResult{}, manifestError(problems)
	}
	commits := s.commits(ctx, in)
	return ResolveResult{
		Spec: spec, Commits: commits[:min(len(commits), CommitsShown)], Authors: s.authors(commits), Untouched: s.untouched(ctx, in, spec),
	}, nil
}

// authors are who wrote the commits, each once, in the order of their last one.
func (s *Source) authors(commits []release.Commit) (out []release.Actor) {
	for _, commit := range commits {
		email := commit.Author
		if _, after, found := strings.Cut(commit.Author, "<"); found {
			email = strings.TrimSuffix(after, ">")
		}
		author := release.Actor{Name: email, Source: "git"}
		if s.Author != nil {
			author = s.Author(email)
		}
		if !slices.ContainsFunc(out, author.Same) {
			out = append(out, author)
		}
	}
	return out
}

// commits are the changes since the newest of what is stable: the one that has the fewest before it.
func (s *Source) commits(ctx context.Context, in ResolveInput) (fewest []release.Commit) {
	since := in.Since
	if len(since) == 0 {
		since = []string{""}
	}
	found := false
	for _, from := range since {
		commits, err := s.Repositories.Log(ctx, in.Request.Repository, from, in.Request.Commit, AuthorsRead)
		if err == nil && (!found || len(commits) < len(fewest)) {
			fewest, found = commits, true
		}
	}
	return fewest
}

// ManifestAway is the problem of a commit without a manifest that can be read, given why: [release.ErrNotFound],
// which is also [release.ErrTooLarge] for one over [ManifestLimit].
func ManifestAway(err error) release.Problem {
	if errors.Is(err, release.ErrTooLarge) {
		return release.Problem{
			File: ManifestFile, Message: fmt.Sprintf("the file has more than %d bytes, the most that is read", ManifestLimit),
			Fix: "leave out what is a default, or release fewer components together",
		}
	}
	return release.Problem{
		File: ManifestFile, Message: "the commit has no such file",
		Fix: "add one to the root of the repository: skyisland init writes it",
	}
}

// check compares the manifest with the lane and with what the installation has.
func (s *Source) check(spec *release.Spec, lane release.Lane) release.Problems {
	var problems release.Problems
	if spec.Lane != lane {
		problems = append(problems, release.Problem{
			File:    ManifestFile,
			Message: fmt.Sprintf("the manifest is of %s, the repository belongs to %s", spec.Lane, lane),
			Fix:     fmt.Sprintf("set tenant: %s and application: %s", lane.Tenant, lane.Application),
		})
	}
	if len(spec.Units) == 0 {
		spec.Units = slices.Clone(s.Units)
	}
	for _, unit := range spec.Units {
		if !slices.Contains(s.Units, unit) {
			problems = append(problems, release.Problem{
				File: ManifestFile, Path: "environments." + lane.Environment + ".units",
				Message: fmt.Sprintf("there is no unit %q", unit),
				Fix:     "use one of " + strings.Join(s.Units, ", "),
			})
		}
	}
	return problems
}

func manifestError(err error) error {
	var problems release.Problems
	if !errors.As(err, &problems) {
		problems = release.Problems{{File: ManifestFile, Message: err.Error()}}
	}
	return temporal.NewNonRetryableApplicationError(problems.Error(), TypeManifest, nil, problems)
}

func sourceError(err error, doing string) error {
	if errors.Is(err, release.ErrNotFound) {
		return temporal.NewNonRetryableApplicationError(doing+": "+err.Error(), TypeSource, nil)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
