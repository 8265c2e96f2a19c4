package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

// Fetch makes sure that commit of repository is in its mirror. It asks the network only when it is not.
//
// It fails with [ErrInvalid], [ErrCommitUnknown], [ErrUnreachable] or [ErrTooLarge]; no error holds the credentials
// of a URL.
func (s *Source) Fetch(ctx context.Context, repository, commit string) error {
	at, err := s.locate(repository, commit)
	if err != nil {
		return err
	}
	mirror := s.mirror(at)
	if ok, err := s.has(ctx, mirror, commit); ok || err != nil {
		return err
	}
	held, err := s.locks.take(ctx, at.key())
	if err != nil {
		return fmt.Errorf("fetch %s: %w", at, err)
	}
	defer held.release()
	if ok, err := s.has(ctx, mirror, commit); ok || err != nil { // somebody else fetched it meanwhile
		return err
	}
	if err := s.prepareMirror(ctx, mirror); err != nil {
		return fmt.Errorf("fetch %s: %w", at, err)
	}
	return s.fetchCommit(ctx, at, mirror, commit, held.file)
}

// fetchCommit asks for all branches and tags first, which later commits build on, and then for the commit itself,
// which may have been forced away from its branch.
func (s *Source) fetchCommit(ctx context.Context, at address, mirror, commit string, hold *os.File) error {
	err := s.fetchRefs(ctx, at, mirror, hold, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
	if err != nil {
		return fetchError(at, err)
	}
	if ok, err := s.has(ctx, mirror, commit); ok || err != nil {
		return err
	}
	err = s.fetchRefs(ctx, at, mirror, hold, "+"+commit+":refs/kept/"+commit)
	var exit *gitcmd.ExitError
	if errors.As(err, &exit) && refusedCommit(exit.Stderr) {
		return fmt.Errorf("commit %s of %s: %w", commit, at, ErrCommitUnknown)
	}
	if err != nil {
		return fetchError(at, err)
	}
	ok, err := s.has(ctx, mirror, commit)
	if err == nil && !ok { // an object that exists, and is no commit
		return fmt.Errorf("commit %s of %s: %w", commit, at, ErrCommitUnknown)
	}
	return err
}

// refusedCommit recognises how servers say that they do not have, or do not give, a commit.
func refusedCommit(stderr string) bool {
	for _, said := range []string{
		"not our ref", "does not allow request for unadvertised object", "couldn't find remote ref",
		"no such remote ref", "does not point to a valid object", "did not send all necessary objects",
	} {
		if strings.Contains(strings.ToLower(stderr), strings.ToLower(said)) {
			return true
		}
	}
	return false
}

func fetchError(at address, err error) error {
	var exit *gitcmd.ExitError
	if errors.As(err, &exit) || errors.Is(err, errFetchTimeout) {
		return fmt.Errorf("fetch %s: %w: %w", at, ErrUnreachable, err)
	}
	return fmt.Errorf("fetch %s: %w", at, err)
}

var errFetchTimeout = errors.New("fetching took too long")

func (s *Source) fetchRefs(ctx context.Context, at address, mirror string, hold *os.File, refspecs ...string) error {
	ctx, cancelTimeout := context.WithTimeoutCause(ctx, s.opts.FetchTimeout, errFetchTimeout)
	defer cancelTimeout()
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchSize(ctx, mirror, s.opts.MirrorBytes, cancel)
	}()
	defer func() { cancel(nil); <-watched }()

	args := []string{
		"fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head",
		"--no-auto-maintenance", "--no-recurse-submodules",
	}
	if strings.Contains(refspecs[0], "*") {
		// A branch a that became a/b could not be stored beside the old one.
		args = append(args, "--prune")
	}
	args = append(append(args, "--", at.url), refspecs...)
	err := s.git.Run(ctx, gitcmd.Command{
		Dir:  mirror,
		Args: args,
		// Packs appear whole; unpacked objects would appear commit first, and a kill would leave it without its files.
		Config: append(at.config(), "fetch.unpackLimit=1", "transfer.unpackLimit=1"),
		Hold:   hold,
	})
	if err != nil {
		return err
	}
	// A fetch that was quicker than the watcher counts as well.
	if size := diskSize(mirror); size > s.opts.MirrorBytes {
		return sizeError(s.opts.MirrorBytes)
	}
	return nil
}

// watchSize ends the fetch when the mirror outgrows its limit, because git has no such limit of its own.
func watchSize(ctx context.Context, dir string, limit int64, cancel context.CancelCauseFunc) {
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if diskSize(dir) > limit {
				cancel(sizeError(limit))
				return
			}
		}
	}
}

func sizeError(limit int64) error {
	return fmt.Errorf("repository is %w: over %d bytes", ErrTooLarge, limit)
}

// diskSize adds up the files under dir. What vanishes while it looks, as git's temporary files do, counts as nothing.
func diskSize(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what vanished counts as nothing
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

// prepareMirror creates the mirror, or clears what a killed fetch left in it. The caller holds its lock, and a git that
// survived its parent would still hold it too: so no lock file in there has an owner.
func (s *Source) prepareMirror(ctx context.Context, mirror string) error {
	if _, err := os.Stat(filepath.Join(mirror, "HEAD")); err == nil {
		return clearLeftovers(mirror)
	}
	made := mirror + ".new"
	if err := errors.Join(os.RemoveAll(made), os.RemoveAll(mirror)); err != nil {
		return fmt.Errorf("clear mirror: %w", err)
	}
	err := s.git.Run(ctx, gitcmd.Command{Args: []string{"init", "--quiet", "--bare", "--template=", "--", made}})
	if err != nil {
		return fmt.Errorf("make mirror: %w", err)
	}
	if err := os.Rename(made, mirror); err != nil {
		return fmt.Errorf("make mirror: %w", err)
	}
	return nil
}

// clearLeftovers stays within the mirror, whatever links are in it.
func clearLeftovers(mirror string) error {
	root, err := os.OpenRoot(mirror)
	if err != nil {
		return fmt.Errorf("clear what a killed fetch left: %w", err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inPack := path.Base(path.Dir(name)) == "pack"
		if strings.HasSuffix(name, ".lock") || inPack && strings.HasPrefix(entry.Name(), "tmp_") {
			if err := root.Remove(name); err != nil {
				return fmt.Errorf("clear what a killed fetch left: %w", err)
			}
		}
		return nil
	})
}
