package artifact

import (
	"archive/zip"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/skyisland/skyisland/internal/release"
)

// directoryBytes bounds the list of what is in a zip. It is held in memory, and no honest one with as many files as an
// artifact may have comes near.
const directoryBytes = 64 << 20

// ErrUnusable is returned for a tree or an archive that no artifact can be made of: trying again would not change it.
var ErrUnusable = errors.New("no artifact can be made of it")

// Unzip unpacks a zip of size bytes into the folder dir, which exists and is empty. Paths that leave the folder, names
// that are there twice, and whatever is neither file nor folder are refused, and so is more than the limits; all of it
// as [ErrUnusable]. What was unpacked until then stays for the caller to remove.
func Unzip(ctx context.Context, from io.ReaderAt, size int64, dir string, limits Limits) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unzip: %w", err)
	}
	defer root.Close()
	listed := &budget{from: from, left: directoryBytes}
	archive, err := zip.NewReader(listed, size)
	if errors.Is(err, errBudget) {
		return fmt.Errorf("unzip: %w: the list of its files has over %d bytes", ErrUnusable, directoryBytes)
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return fmt.Errorf("unzip: %w: %w", ErrUnusable, err)
	}
	listed.unbounded = true
	if len(archive.File) > limits.Files {
		return fmt.Errorf("unzip: %w: %d entries, at most %d are unpacked", ErrUnusable, len(archive.File), limits.Files)
	}
	left, folders := limits.Bytes, limits.Files
	for _, entry := range archive.File {
		if len(entry.Name) > longestPath {
			return fmt.Errorf("unzip: %.100q: %w: its path has %d bytes, at most %d are taken", entry.Name, ErrUnusable, len(entry.Name), longestPath)
		}
		// What the entries only imply counts too: an entry's name can be of thousands of folders.
		if folders -= missing(root, path.Dir(path.Clean(entry.Name))); folders < 0 {
			return fmt.Errorf("unzip: %w: over %d folders", ErrUnusable, limits.Files)
		}
		n, err := unzipEntry(ctx, root, entry, left)
		if err != nil {
			return fmt.Errorf("unzip: %.100q: %w", entry.Name, err)
		}
		if left -= n; left < 0 {
			return fmt.Errorf("unzip: %w: over %d bytes", ErrUnusable, limits.Bytes)
		}
	}
	return nil
}

// missing is how many folders have to be made for a folder to be there.
func missing(root *os.Root, dir string) int {
	n := 0
	for at := dir; at != "." && at != "/"; at = path.Dir(at) {
		if _, err := root.Lstat(at); !errors.Is(err, os.ErrNotExist) {
			break
		}
		n++
	}
	return n
}

// longestPath is the most bytes of a path that Linux takes.
const longestPath = 4096

// unzipEntry unpacks an entry and returns how many bytes it has, which is more than most for one that is cut off.
func unzipEntry(ctx context.Context, root *os.Root, entry *zip.File, most int64) (int64, error) {
	name := path.Clean(entry.Name)
	if !filepath.IsLocal(entry.Name) || strings.ContainsAny(entry.Name, "\\\x00") || name == "." {
		return 0, fmt.Errorf("%w: it is no path inside", ErrUnusable)
	}
	mode := entry.Mode()
	switch {
	case mode.IsDir():
		return 0, unusable(root.MkdirAll(name, 0o755))
	case !mode.IsRegular():
		return 0, fmt.Errorf("%w: only files and folders are unpacked", ErrUnusable)
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return 0, unusable(err)
	}
	content, err := entry.Open()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	defer content.Close()
	perm := os.FileMode(0o600)
	if mode&0o111 != 0 {
		perm = 0o700
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return 0, unusable(err)
	}
	defer file.Close()
	n, err := io.Copy(file, io.LimitReader(reader{ctx, content}, most+1))
	var garbled flate.CorruptInputError
	switch {
	case errors.Is(err, zip.ErrChecksum), errors.Is(err, zip.ErrFormat), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &garbled):
		return n, fmt.Errorf("%w: %w", ErrUnusable, err)
	case err != nil:
		return n, err
	}
	return n, file.Close()
}

// unusable marks what the archive is to blame for, such as a file where another entry wants a folder, or a name that no
// file has.
func unusable(err error) error {
	if errors.Is(err, os.ErrExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return err
}

// budget lets so many bytes be read, until it is unbounded.
type budget struct {
	from      io.ReaderAt
	left      int64
	unbounded bool
}

var errBudget = fmt.Errorf("%w to be read", release.ErrTooLarge)

func (b *budget) ReadAt(p []byte, at int64) (int, error) {
	if b.unbounded {
		return b.from.ReadAt(p, at)
	}
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errBudget
	}
	return b.from.ReadAt(p, at)
}
