package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"crypto/sha256"
	"encoding/hex"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

// maxLinkTarget is the longest a symbolic link's target can be in bytes, as in Linux.
const maxLinkTarget = 4096

// Export puts the files of a commit that was fetched at dest: exactly what the commit holds, with executable bits and
// symbolic links, without .git, and without anything .gitattributes asks for (export-ignore, line endings, filters).
//
// dest appears whole or not at all. What was there before is replaced, so a second Export gives a clean copy again;
// its parent is created when absent. It fails with [ErrInvalid], [ErrCommitUnknown], [ErrTooLarge] or [ErrUnsupported].
func (s *Source) Export(ctx context.Context, repository, commit, dest string) error {
	at, err := s.locate(repository, commit)
	if err != nil {
		return err
	}
	mirror, err := s.need(ctx, at, commit)
	if err != nil {
		return err
	}
	if err := s.export(ctx, mirror, commit, dest); err != nil {
		return fmt.Errorf("export %s of %s: %w", commit, at, err)
	}
	return nil
}

func (s *Source) export(ctx context.Context, mirror, commit, dest string) error {
	dest, err := filepath.Abs(dest)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(dest))
	name := "export-" + hex.EncodeToString(sum[:16])
	held, err := s.locks.take(ctx, name)
	if err != nil {
		return err
	}
	defer held.release()

	files, err := s.list(ctx, mirror, commit)
	if err != nil {
		return err
	}
	// Beside dest, because a rename must not cross file systems. The names are fixed and under the lock, so whatever a
	// killed export left is removed by the next one.
	parent := filepath.Dir(dest)
	fresh, old := filepath.Join(parent, "."+name+".new"), filepath.Join(parent, "."+name+".old")
	if err := errors.Join(os.RemoveAll(fresh), os.RemoveAll(old), os.MkdirAll(fresh, 0o755)); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(fresh) }() // gone already when all went well
	if err := s.write(ctx, mirror, files, fresh); err != nil {
		return err
	}
	return replace(dest, fresh, old)
}

// replace puts fresh at dest, and removes what was there.
func replace(dest, fresh, old string) error {
	err := os.Rename(dest, old)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, dest); err != nil {
		return err
	}
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("remove the copy before: %w", err)
	}
	return nil
}

// write puts files into dir. Links come last, so that no file is ever written through one.
func (s *Source) write(ctx context.Context, mirror string, files []file, dir string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	objects, err := s.git.Objects(ctx, mirror)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := objects.Close(); err == nil {
			err = closeErr
		}
	}()
	links := map[string]string{}
	for _, f := range files {
		if f.mode == modeLink {
			target, err := readLink(objects, f)
			if err != nil {
				return err
			}
			links[f.path] = target
			continue
		}
		if err := writeFile(objects, root, f); err != nil {
			return err
		}
	}
	if err := checkLinks(links); err != nil {
		return err
	}
	for name, target := range links {
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.Symlink(target, name); err != nil {
			return err
		}
	}
	return nil
}

func readLink(objects *gitcmd.Objects, f file) (string, error) {
	if f.size == 0 || f.size > maxLinkTarget {
		return "", fmt.Errorf("%w: symbolic link %q has a target of %d bytes", ErrUnsupported, clip(f.path), f.size)
	}
	object, err := objects.Open(f.id)
	if err != nil {
		return "", err
	}
	target, err := io.ReadAll(object.Content)
	if err != nil {
		return "", fmt.Errorf("read link %q: %w", clip(f.path), err)
	}
	return string(target), nil
}

func writeFile(objects *gitcmd.Objects, root *os.Root, f file) error {
	object, err := objects.Open(f.id)
	if err != nil {
		return err
	}
	if err := root.MkdirAll(path.Dir(f.path), 0o755); err != nil {
		return err
	}
	perm := os.FileMode(0o644)
	if f.mode == modeExecutable {
		perm = 0o755
	}
	// O_EXCL: a hostile tree can name one path twice.
	out, err := root.OpenFile(f.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, object.Content)
	if err == nil && n != object.Size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = out.Chmod(perm) // whatever the umask is
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("write %q: %w", clip(f.path), err)
	}
	return nil
}
