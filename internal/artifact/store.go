// Package artifact keeps what builds produce, named by its content: the same tree has the same
// digest on every machine, what is stored never changes, and nothing is used before its bytes have
// been found to be those its name says.
//
// An artifact is an uncompressed tar in which everything that differs between two equal trees is
// left out: times, owners, the order of a directory, all modes but "may be executed".
package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// ErrCorrupt is returned when stored bytes are not those their digest names, or an artifact holds
// what no artifact may hold, such as a path that leaves it.
var ErrCorrupt = errors.New("artifact is corrupt")

// Limits bound what one artifact may be, so that a build that went wrong cannot fill the disk.
type Limits struct {
	// Bytes is the most that all files together may have, Files the most files, directories and
	// links. Both are at least 1.
	Bytes int64
	Files int
}

// DefaultLimits are 1 GiB and 100,000 entries: a large service with its dependencies fits.
func DefaultLimits() Limits { return Limits{Bytes: 1 << 30, Files: 100_000} }

// leftover is the age from which an unfinished file belongs to a process that is no more.
const leftover = 24 * time.Hour

// Store is a directory of artifacts. It is safe for concurrent use, by several processes as well.
type Store struct {
	// Limits hold for what is put and what is extracted. Set them before the first use.
	Limits Limits

	dir string
	// temp creates an unfinished file; tests replace it with one on a full disk.
	temp func(dir, pattern string) (*os.File, error)
}

// Info describes a stored artifact.
type Info struct {
	Digest release.Digest
	// Size is the size of the tar in bytes.
	Size int64
	// Stored is when it was last put.
	Stored time.Time
}

// New opens the store in dir, which is created when it does not exist, and removes what processes
// that ended in the middle of their work left unfinished.
func New(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open artifact store: %w", err)
	}
	s := &Store{Limits: DefaultLimits(), dir: dir, temp: os.CreateTemp}
	for _, folder := range []string{s.tempDir(), filepath.Join(dir, "sha256")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, fmt.Errorf("open artifact store: %w", err)
		}
	}
	unfinished, err := os.ReadDir(s.tempDir())
	if err != nil {
		return nil, fmt.Errorf("open artifact store: %w", err)
	}
	for _, entry := range unfinished {
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < leftover {
			continue // gone meanwhile, or somebody is at work on it
		}
		if err := os.RemoveAll(filepath.Join(s.tempDir(), entry.Name())); err != nil {
			return nil, fmt.Errorf("open artifact store: remove what was left unfinished: %w", err)
		}
	}
	return s, nil
}

func (s *Store) tempDir() string { return filepath.Join(s.dir, "tmp") }

// path is where the artifact of a checked digest is. The two digits keep directories small.
func (s *Store) path(digest release.Digest) string {
	return filepath.Join(s.dir, "sha256", digest.Hex()[:2], digest.Hex())
}

// Put stores the named paths of a directory tree, with everything below them, and returns the
// digest and the size of the tar in bytes. Paths are relative to source; none means all of it.
// Folders named .git are left out. Links that leave the tree, devices, sockets and pipes are
// refused, and so is a tree over the [Limits], all as [ErrUnusable]. Putting what is there already changes nothing; a
// stored copy that has become corrupt is replaced.
func (s *Store) Put(ctx context.Context, source string, paths []string) (release.Digest, int64, error) {
	digest, size, err := s.put(ctx, source, paths)
	if err != nil {
		return "", 0, fmt.Errorf("store artifact from %s: %w", source, err)
	}
	return digest, size, nil
}

func (s *Store) put(ctx context.Context, source string, paths []string) (release.Digest, int64, error) {
	file, removed, err := s.unfinished()
	if err != nil {
		return "", 0, err
	}
	defer removed()
	hash := sha256.New()
	counted := &counter{to: io.MultiWriter(file, hash)}
	if err := pack(ctx, counted, source, paths, s.Limits); err != nil {
		return "", 0, err
	}
	digest := release.Digest("sha256:" + hex.EncodeToString(hash.Sum(nil)))
	if err := s.keep(ctx, file, digest); err != nil {
		return "", 0, err
	}
	return digest, counted.n, nil
}

// unfinished is a new file beside what is stored, and how it goes when it has been given no name.
func (s *Store) unfinished() (file *os.File, removed func(), err error) {
	if file, err = s.temp(s.tempDir(), "put-*"); err != nil {
		return nil, nil, err
	}
	return file, func() {
		file.Close()
		// After the rename there is nothing of this name, and the error says so.
		_ = os.Remove(file.Name())
	}, nil
}

// keep gives a finished file its name. What is visible under a name is always complete: the bytes
// are on the disk before the rename.
func (s *Store) keep(ctx context.Context, file *os.File, digest release.Digest) error {
	if err := s.Verify(ctx, digest); err == nil {
		// It counts as stored now, so that [Store.Collect] leaves it to whoever put it last.
		now := time.Now()
		return os.Chtimes(s.path(digest), now, now)
	} else if !errors.Is(err, release.ErrNotFound) && !errors.Is(err, ErrCorrupt) {
		return err
	}
	if err := file.Chmod(0o444); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	folder := filepath.Dir(s.path(digest))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), s.path(digest)); err != nil {
		return err
	}
	return syncDir(folder)
}

// Stat describes a stored artifact without reading it. An unknown one is [release.ErrNotFound].
func (s *Store) Stat(ctx context.Context, digest release.Digest) (Info, error) {
	if err := errors.Join(ctx.Err(), digest.Check()); err != nil {
		return Info{}, fmt.Errorf("look artifact up: %w", err)
	}
	info, err := os.Stat(s.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		err = release.ErrNotFound
	}
	if err != nil {
		return Info{}, fmt.Errorf("look artifact %s up: %w", digest, err)
	}
	return Info{Digest: digest, Size: info.Size(), Stored: info.ModTime()}, nil
}

// Has says whether an artifact is stored. It does not look at the content; see [Store.Verify].
func (s *Store) Has(ctx context.Context, digest release.Digest) (bool, error) {
	_, err := s.Stat(ctx, digest)
	if errors.Is(err, release.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Verify reads the whole artifact and compares it with its name. It fails with
// [release.ErrNotFound] or [ErrCorrupt].
func (s *Store) Verify(ctx context.Context, digest release.Digest) error {
	file, err := s.open(ctx, digest)
	if err != nil {
		return err
	}
	return file.Close()
}

// open returns a file whose content has been found to be the digest's, at its start. The file stays
// what it is while it is open, whatever happens to its name.
func (s *Store) open(ctx context.Context, digest release.Digest) (*os.File, error) {
	if err := digest.Check(); err != nil {
		return nil, fmt.Errorf("read artifact: %w", err)
	}
	file, err := os.Open(s.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		err = release.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read artifact %s: %w", digest, err)
	}
	hash := sha256.New()
	_, err = io.Copy(hash, reader{ctx, file})
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if found := hex.EncodeToString(hash.Sum(nil)); err == nil && found != digest.Hex() {
		err = fmt.Errorf("%w: its content is sha256:%s", ErrCorrupt, found)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("read artifact %s: %w", digest, err)
	}
	return file, nil
}

func syncDir(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// counter counts what is written.
type counter struct {
	to io.Writer
	n  int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

// reader ends reading with its context. It lives no longer than the call that makes it.
type reader struct {
	ctx  context.Context
	from io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}
