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
	"slices"
	"strings"
	"syscall"
)

// marker names the artifact a folder was extracted from. It is never packed, so that a folder that
// was extracted has the digest it came from.
const marker = ".skyisland-artifact"

// pack writes the deterministic tar of a tree.
func pack(ctx context.Context, to io.Writer, source string, paths []string, limits Limits) error {
	// A root refuses to follow a link out of the tree, also when somebody swaps a folder for a link
	// while it is being read.
	root, err := os.OpenRoot(source)
	if err != nil {
		return err
	}
	defer root.Close()

	tree := &tree{root: root, limits: limits, entries: map[string]fs.FileInfo{}}
	if len(paths) == 0 {
		paths = []string{"."}
	}
	for _, p := range paths {
		if err := tree.add(ctx, p); err != nil {
			return err
		}
	}
	archive := tar.NewWriter(to)
	for _, name := range tree.names() {
		if err := tree.write(ctx, archive, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return archive.Close()
}

// tree is what will be packed, by slash-separated path.
type tree struct {
	root    *os.Root
	limits  Limits
	entries map[string]fs.FileInfo
	bytes   int64
}

// names are the paths in the order of the archive: sorted, so that a folder precedes its content.
func (t *tree) names() []string {
	names := make([]string, 0, len(t.entries))
	for name := range t.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// add takes a path, the folders above it and everything below it.
func (t *tree) add(ctx context.Context, name string) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("path %q: want a path inside the tree, without .. at its start", name)
	}
	name = filepath.ToSlash(filepath.Clean(name))
	for above := path.Dir(name); above != "."; above = path.Dir(above) {
		info, err := t.root.Lstat(above)
		if err != nil {
			return fmt.Errorf("path %q: %w", name, err)
		}
		if !info.IsDir() {
			return fmt.Errorf("path %q: %s is a link and not a folder: name the folder it points to", name, above)
		}
		if err := t.note(above, info); err != nil {
			return err
		}
	}
	// A walk would look at its first path through a link.
	if info, err := t.root.Lstat(name); err != nil {
		return fmt.Errorf("path %q: %w", name, err)
	} else if !info.IsDir() {
		return t.note(name, info)
	}
	return fs.WalkDir(t.root.FS(), name, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		case path.Base(name) == ".git":
			// What git keeps beside the files differs between two copies of one commit. In a
			// submodule or a second working tree it is a file.
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case name == "." || name == marker:
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return t.note(name, info)
	})
}

// note counts an entry and refuses what cannot be packed.
func (t *tree) note(name string, info fs.FileInfo) error {
	if _, again := t.entries[name]; again {
		return nil
	}
	switch {
	case info.IsDir(), info.Mode().Type() == fs.ModeSymlink:
	case info.Mode().IsRegular():
		t.bytes += info.Size()
	default:
		return fmt.Errorf("%w: %s is a %s: only files, folders and links can be stored", ErrUnusable, name, kind(info.Mode()))
	}
	t.entries[name] = info
	if len(t.entries) > t.limits.Files {
		return fmt.Errorf("%w: over %d files: store less, or raise the limit of files in an artifact", ErrUnusable, t.limits.Files)
	}
	if t.bytes > t.limits.Bytes {
		return fmt.Errorf("%w: over %d bytes at %s: store less, or raise the limit of an artifact's size", ErrUnusable, t.limits.Bytes, name)
	}
	return nil
}

func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeDevice != 0:
		return "device"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	default:
		return "file of an unknown kind"
	}
}

// write appends one entry. Times and owners stay zero.
func (t *tree) write(ctx context.Context, archive *tar.Writer, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info := t.entries[name]
	switch info.Mode().Type() {
	case fs.ModeDir:
		return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
	case fs.ModeSymlink:
		target, err := t.root.Readlink(name)
		if err != nil {
			return err
		}
		if err := checkLink(t.root, name, target); err != nil {
			return err
		}
		return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
	default:
		return t.writeFile(ctx, archive, name, info)
	}
}

func (t *tree) writeFile(ctx context.Context, archive *tar.Writer, name string, info fs.FileInfo) error {
	file, err := t.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	now, err := file.Stat()
	if err != nil {
		return err
	}
	if !now.Mode().IsRegular() || now.Size() != info.Size() {
		return errChanged
	}
	mode := int64(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: info.Size()}); err != nil {
		return err
	}
	// The archive refuses more than was announced, and its next header less.
	n, err := io.Copy(archive, reader{ctx, file})
	if errors.Is(err, tar.ErrWriteTooLong) || (err == nil && n != info.Size()) {
		return errChanged
	}
	return err
}

var errChanged = errors.New("changed while it was read: store a tree after its build has ended")

// checkLink says whether a link stays in its tree: by its text, and, since links lead over other
// links, by following it.
func checkLink(root *os.Root, name, target string) error {
	if path.IsAbs(target) || !filepath.IsLocal(path.Join(path.Dir(name), target)) {
		return fmt.Errorf("%w: link to %q leaves the tree: want a relative link to something inside", ErrUnusable, target)
	}
	_, err := root.Stat(name)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENOTDIR):
		return nil // a link to nothing, or in a circle, leads nowhere outside
	case strings.Contains(err.Error(), "escapes"):
		return fmt.Errorf("%w: link to %q leaves the tree by way of another link: want a link to something inside", ErrUnusable, target)
	default:
		return err
	}
}
