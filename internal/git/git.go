// Package git gives the exact files of a commit, wherever the repository lives.
//
// Each repository has one bare mirror on disk. A commit already there costs no network, because what a commit ID names
// never changes: only a commit not seen before makes git fetch. The system's git does the work, cut off from the
// configuration of machine and user (see package gitcmd).
//
// Which caller may read which repository is not decided here: every caller of one [Source] shares its mirrors.
package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

// What callers branch on.
var (
	// ErrInvalid is a repository, commit or path that cannot be one. Trying again does not help.
	ErrInvalid = errors.New("invalid")
	// ErrCommitUnknown is a commit which the repository does not have, also after fetching.
	ErrCommitUnknown = errors.New("commit is not in the repository")
	// ErrFileUnknown is a path at which the commit has no regular file.
	ErrFileUnknown = errors.New("file is not in the commit")
	// ErrUnreachable is a repository that could not be fetched now. Trying again may help.
	ErrUnreachable = errors.New("repository cannot be reached")
	// ErrTooLarge is content over a limit of [Options]. Trying again does not help.
	ErrTooLarge = errors.New("too large")
	// ErrUnsupported is a tree that cannot be exported faithfully and safely: it has a submodule, or a symbolic link
	// or path that leads out of it. Trying again does not help.
	ErrUnsupported = errors.New("unsupported content")
)

// Commit is what a commit says about itself.
type Commit = gitcmd.Commit

// Person is who a commit says made it. Nothing proves it.
type Person = gitcmd.Person

// Options bound what a [Source] does. Zero fields take the default named with them.
type Options struct {
	// FetchTimeout is how long one fetch from a repository may take. 10 minutes.
	FetchTimeout time.Duration
	// MirrorBytes is how large one mirror may grow on disk. A fetch that goes over is stopped. 4 GiB.
	MirrorBytes int64
	// ExportBytes is the largest total size of the files of one exported commit. 1 GiB.
	ExportBytes int64
	// ExportFiles is the largest number of files of one exported commit. 50,000.
	ExportFiles int
}

func (o Options) withDefaults() Options {
	o.FetchTimeout = cmp.Or(o.FetchTimeout, 10*time.Minute)
	o.MirrorBytes = cmp.Or(o.MirrorBytes, 4<<30)
	o.ExportBytes = cmp.Or(o.ExportBytes, 1<<30)
	o.ExportFiles = cmp.Or(o.ExportFiles, 50_000)
	return o
}

// Source reads commits of any number of repositories. It is safe for concurrent use, and several processes may use
// one directory.
type Source struct {
	git   *gitcmd.Git
	dir   string
	opts  Options
	locks *locks
}

// New opens the mirrors kept under dir, which is created when absent. It fails when the machine has no git.
func New(dir string, opts Options) (*Source, error) {
	if opts.FetchTimeout < 0 || opts.MirrorBytes < 0 || opts.ExportBytes < 0 || opts.ExportFiles < 0 {
		return nil, fmt.Errorf("git options: %w: a limit is below zero", ErrInvalid)
	}
	git, err := gitcmd.Find()
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("git directory %s: %w", dir, err)
	}
	for _, sub := range []string{"mirrors", "locks"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("make git directory: %w", err)
		}
	}
	return &Source{
		git:   git,
		dir:   dir,
		opts:  opts.withDefaults(),
		locks: newLocks(filepath.Join(dir, "locks")),
	}, nil
}

// locate checks the two things every call names.
func (s *Source) locate(repository, commit string) (address, error) {
	at, err := parseAddress(repository)
	if err != nil {
		return address{}, err
	}
	if !gitcmd.ValidID(commit) {
		return address{}, fmt.Errorf("commit %q: %w: it must be 40 or 64 lower-case hexadecimal digits", clip(commit), ErrInvalid)
	}
	return at, nil
}

func (s *Source) mirror(at address) string {
	return filepath.Join(s.dir, "mirrors", at.key()+".git")
}

// has reports whether a mirror holds a commit. A mirror that does not exist holds none.
func (s *Source) has(ctx context.Context, mirror, commit string) (bool, error) {
	if _, err := os.Stat(filepath.Join(mirror, "HEAD")); errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	err := s.git.Run(ctx, gitcmd.Command{Dir: mirror, Args: []string{"cat-file", "-e", commit + "^{commit}"}})
	var exit *gitcmd.ExitError
	if errors.As(err, &exit) {
		return false, nil
	}
	return err == nil, err
}

// need is has for the calls that only read: without the commit they cannot go on.
func (s *Source) need(ctx context.Context, at address, commit string) (mirror string, err error) {
	mirror = s.mirror(at)
	ok, err := s.has(ctx, mirror, commit)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fmt.Errorf("commit %s of %s: %w (it was not fetched)", commit, at, ErrCommitUnknown)
	}
	return mirror, nil
}

// clip shortens text from outside for an error.
func clip(text string) string {
	const most = 200
	text = strings.ToValidUTF8(text, "?")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
