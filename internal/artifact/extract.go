package artifact

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// Extract unpacks an artifact as the folder dest, whose parent is created when needed. Either all of
// it appears or nothing. A dest that holds the artifact already is left alone; one that holds
// anything else is an error. Files cannot be written to, since several instances share them.
// It fails with [release.ErrNotFound] or [ErrCorrupt], and in both cases leaves no dest behind.
func (s *Store) Extract(ctx context.Context, digest release.Digest, dest string) error {
	done, err := extracted(digest, dest)
	if done || err != nil {
		return err
	}
	file, err := s.open(ctx, digest)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := s.extract(ctx, file, digest, dest); err != nil {
		return fmt.Errorf("extract artifact %s: %w", digest, err)
	}
	return nil
}

// extracted says whether dest is the artifact's folder already.
func extracted(digest release.Digest, dest string) (bool, error) {
	found, err := os.ReadFile(filepath.Join(dest, marker))
	if err == nil {
		if strings.TrimSpace(string(found)) == string(digest) {
			return true, nil
		}
		return false, fmt.Errorf("extract artifact %s: %s holds artifact %s", digest, dest, strings.TrimSpace(string(found)))
	}
	if _, err := os.Lstat(dest); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("extract artifact %s: %w", digest, err)
	}
	return false, fmt.Errorf("extract artifact %s: %s exists and is no extracted artifact", digest, dest)
}

func (s *Store) extract(ctx context.Context, from io.Reader, digest release.Digest, dest string) error {
	parent := filepath.Dir(dest)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	// Beside its destination, because a rename does not cross file systems.
	temp, err := os.MkdirTemp(parent, ".extract-*")
	if err != nil {
		return err
	}
	// After the rename there is nothing of this name.
	defer func() { _ = os.RemoveAll(temp) }()
	if err := s.unpack(ctx, from, temp); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(temp, marker), []byte(digest+"\n"), 0o444); err != nil {
		return err
	}
	if err := os.Chmod(temp, 0o755); err != nil { //nolint:gosec // the same
		return err
	}
	if err := os.Rename(temp, dest); err != nil {
		// Somebody else may have been faster with the same.
		if done, _ := extracted(digest, dest); done {
			return nil
		}
		return err
	}
	return syncDir(parent)
}

// unpack writes the entries of an archive into an empty folder. The bytes are the digest's, but a
// digest proves who was named, not that the content is well meant, so every entry is checked.
func (s *Store) unpack(ctx context.Context, from io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	archive := tar.NewReader(reader{ctx, from})
	var links []*tar.Header
	left := s.Limits
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		left.Files--
		left.Bytes -= header.Size
		if left.Files < 0 || left.Bytes < 0 {
			return fmt.Errorf("%w: over %d files or %d bytes", ErrCorrupt, s.Limits.Files, s.Limits.Bytes)
		}
		name := path.Clean(header.Name)
		if !filepath.IsLocal(header.Name) || name == "." || name == marker {
			return fmt.Errorf("%w: entry %q is no path inside the artifact", ErrCorrupt, header.Name)
		}
		switch header.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeReg:
			err = unpackFile(archive, root, name, header.FileInfo().Mode())
		case tar.TypeSymlink:
			links = append(links, header)
		default:
			err = fmt.Errorf("%w: entry is of kind %q", ErrCorrupt, header.Typeflag)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return unpackLinks(root, links)
}

func unpackFile(from io.Reader, root *os.Root, name string, mode fs.FileMode) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	// Exclusive, so that an archive that names a file twice is refused.
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(file, from); err != nil {
		return err
	}
	if err := file.Chmod(mode.Perm() & 0o555); err != nil {
		return err
	}
	return file.Close()
}

// unpackLinks comes last, so that nothing is ever written through a link.
func unpackLinks(root *os.Root, links []*tar.Header) error {
	for _, link := range links {
		name := path.Clean(link.Name)
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := root.Symlink(link.Linkname, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, link := range links {
		name := path.Clean(link.Name)
		if err := checkLink(root, name, link.Linkname); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrCorrupt, name, err)
		}
	}
	return nil
}
