package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

// maxLog is the most commits one [Source.Log] returns.
const maxLog = 1000

// ReadFile returns a file of a commit that was fetched, at most limit bytes. path is relative to the root, with
// slashes. It fails with [ErrInvalid], [ErrCommitUnknown], [ErrFileUnknown] or [ErrTooLarge].
func (s *Source) ReadFile(ctx context.Context, repository, commit, path string, limit int64) (content []byte, err error) {
	at, err := s.locate(repository, commit)
	if err != nil {
		return nil, err
	}
	if !fs.ValidPath(path) || path == "." || strings.ContainsAny(path, "\x00\n") {
		return nil, fmt.Errorf("path %q: %w: it must be relative to the root, without . and .. parts", clip(path), ErrInvalid)
	}
	mirror, err := s.need(ctx, at, commit)
	if err != nil {
		return nil, err
	}
	found, err := s.lookUp(ctx, mirror, commit, path)
	if err != nil {
		return nil, fmt.Errorf("read %s of %s at %s: %w", clip(path), at, commit, err)
	}
	if found.size > limit {
		return nil, fmt.Errorf("read %s of %s at %s: %w: it has %d bytes, %d are allowed",
			clip(path), at, commit, ErrTooLarge, found.size, limit)
	}
	objects, err := s.git.Objects(ctx, mirror)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := objects.Close(); err == nil && closeErr != nil {
			content, err = nil, closeErr
		}
	}()
	object, err := objects.Open(found.id)
	if err != nil {
		return nil, err
	}
	content = make([]byte, object.Size)
	if _, err := io.ReadFull(object.Content, content); err != nil {
		return nil, fmt.Errorf("read %s of %s at %s: %w", clip(path), at, commit, err)
	}
	return content, nil
}

// lookUp finds the regular file at path.
func (s *Source) lookUp(ctx context.Context, mirror, commit, path string) (file, error) {
	const oneEntry = 16 << 10
	out, err := s.git.Output(ctx, gitcmd.Command{
		Dir: mirror, Args: []string{"ls-tree", "-z", "-l", "--full-tree", commit, "--", path},
	}, oneEntry)
	if err != nil {
		return file{}, err
	}
	record, _, found := strings.Cut(string(out), "\x00")
	if !found {
		return file{}, ErrFileUnknown
	}
	entry, err := parseEntry(record)
	if err != nil {
		return file{}, err
	}
	if entry.mode != modeFile && entry.mode != modeExecutable {
		return file{}, fmt.Errorf("%w: there is a %s at that path", ErrFileUnknown, entry.mode)
	}
	return entry, nil
}

// Commit returns what a commit that was fetched says about itself. It fails with [ErrInvalid] or [ErrCommitUnknown].
func (s *Source) Commit(ctx context.Context, repository, commit string) (Commit, error) {
	at, err := s.locate(repository, commit)
	if err != nil {
		return Commit{}, err
	}
	mirror, err := s.need(ctx, at, commit)
	if err != nil {
		return Commit{}, err
	}
	commits, err := s.git.Commits(ctx, mirror, commit)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit %s of %s: %w", commit, at, err)
	}
	return commits[0], nil
}

// Log lists what to has and from has not, newest first, at most limit (1 to 1000). With an empty from it is the
// history of to. Both were fetched; otherwise it fails with [ErrCommitUnknown].
func (s *Source) Log(ctx context.Context, repository, from, to string, limit int) ([]Commit, error) {
	at, err := s.locate(repository, to)
	if err != nil {
		return nil, err
	}
	if limit < 1 || limit > maxLog {
		return nil, fmt.Errorf("log of %s: %w: limit %d must be 1 to %d", at, ErrInvalid, limit, maxLog)
	}
	mirror, err := s.need(ctx, at, to)
	if err != nil {
		return nil, err
	}
	var exclude []string
	if from != "" {
		if _, err := s.locate(repository, from); err != nil {
			return nil, err
		}
		if _, err := s.need(ctx, at, from); err != nil {
			return nil, err
		}
		exclude = []string{from}
	}
	commits, err := s.git.History(ctx, mirror, to, exclude, limit)
	if errors.Is(err, gitcmd.ErrObjectMissing) {
		err = fmt.Errorf("%w: %w", ErrCommitUnknown, err)
	}
	if err != nil {
		return nil, fmt.Errorf("log of %s up to %s: %w", at, to, err)
	}
	return commits, nil
}
