package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

// The bounds of what a repository says of itself, in bytes: 16 MiB are some 200,000 refs, or as many changed files.
const (
	refsLimit    = 16 << 20
	changesLimit = 16 << 20
)

// Refs are the branches and tags that a repository has now, as its host says, by full name such as refs/heads/main, each
// with its commit: of an annotated tag that is the commit it marks. A pattern is one of git ls-remote; none is all.
//
// It fails with [ErrInvalid], [ErrUnreachable] or [ErrTooLarge].
func (s *Source) Refs(ctx context.Context, repository string, patterns ...string) (map[string]string, error) {
	at, err := parseAddress(repository)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.FetchTimeout, errFetchTimeout)
	defer cancel()
	out, err := s.git.Output(ctx, gitcmd.Command{
		Args: append([]string{"ls-remote", "--quiet", "--heads", "--tags", "--", at.url}, patterns...), Config: at.config(),
	}, refsLimit)
	if errors.Is(err, gitcmd.ErrOutputTooLarge) {
		return nil, fmt.Errorf("list the refs of %s: %w: over %d bytes", at, ErrTooLarge, refsLimit)
	}
	if err != nil {
		return nil, fetchError(at, err)
	}
	refs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		id, name, found := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !found || !gitcmd.ValidID(id) {
			return nil, fmt.Errorf("list the refs of %s: %w: git printed %q", at, ErrUnreachable, clip(line))
		}
		// What an annotated tag marks comes after the tag itself, and takes its place.
		refs[strings.TrimSuffix(name, "^{}")] = id
	}
	return refs, nil
}

// Contains says whether the history of a commit has another one in it, or is it. Both were fetched; otherwise it fails
// with [ErrCommitUnknown].
func (s *Source) Contains(ctx context.Context, repository, commit, other string) (bool, error) {
	at, err := s.locate(repository, commit)
	if err != nil {
		return false, err
	}
	if _, err := s.locate(repository, other); err != nil {
		return false, err
	}
	for _, id := range []string{commit, other} {
		if _, err := s.need(ctx, at, id); err != nil {
			return false, err
		}
	}
	contains, err := s.git.IsAncestor(ctx, s.mirror(at), other, commit)
	if err != nil {
		return false, fmt.Errorf("compare %s and %s of %s: %w", commit, other, at, err)
	}
	return contains, nil
}

// Changed are the paths of the files that differ between two commits that were fetched, sorted; a file that was moved is
// there with both paths. It fails with [ErrCommitUnknown] or [ErrTooLarge].
func (s *Source) Changed(ctx context.Context, repository, from, to string) ([]string, error) {
	at, err := s.locate(repository, from)
	if err != nil {
		return nil, err
	}
	if _, err := s.locate(repository, to); err != nil {
		return nil, err
	}
	for _, id := range []string{from, to} {
		if _, err := s.need(ctx, at, id); err != nil {
			return nil, err
		}
	}
	out, err := s.git.Output(ctx, gitcmd.Command{
		Dir: s.mirror(at), Args: []string{"diff-tree", "-r", "-z", "--name-only", "--no-renames", "--end-of-options", from, to},
	}, changesLimit)
	if errors.Is(err, gitcmd.ErrOutputTooLarge) {
		return nil, fmt.Errorf("changes of %s from %s to %s: %w: over %d bytes", at, from, to, ErrTooLarge, changesLimit)
	}
	if err != nil {
		return nil, fmt.Errorf("changes of %s from %s to %s: %w", at, from, to, err)
	}
	paths := map[string]bool{}
	for path := range bytes.SplitSeq(out, []byte{0}) {
		if len(path) > 0 {
			paths[string(path)] = true
		}
	}
	return slices.Sorted(maps.Keys(paths)), nil
}
