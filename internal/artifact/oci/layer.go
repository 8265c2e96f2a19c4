package oci

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// How a layer says what it takes away of those below: a file of this prefix and a name, or this name for all that is in
// its folder. Other names of the double prefix are for a file system's own use.
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
	reserved = ".wh..wh."
)

// tree is a file system that layers are put over, and what is left of what may be put.
type tree struct {
	root    *os.Root
	bytes   int64
	entries int
}

// apply downloads a layer and puts it over the tree. The tree is as it was when the layer is not what its digests say.
func (s *session) apply(ctx context.Context, t *tree, layer v1.Descriptor, diff v1.Hash, temp string) error {
	file, err := os.CreateTemp(temp, "layer-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	defer file.Close()
	_, n, err := s.copyTo(ctx, file, "blobs", layer.Digest.String(), "", layer.Size)
	if err != nil {
		return err
	}
	if n != layer.Size {
		return fmt.Errorf("%w: %s has %d bytes, and %d are announced", ErrCorrupt, layer.Digest, n, layer.Size)
	}
	// Twice: what a layer takes away is of those below only, wherever in the layer it stands.
	var gone []string
	if err := t.read(ctx, file, layer, func(from io.Reader) error {
		hash := sha256.New()
		var err error
		if gone, err = t.whiteouts(io.TeeReader(from, hash)); err != nil {
			return err
		}
		if found := "sha256:" + hex.EncodeToString(hash.Sum(nil)); found != diff.String() {
			return fmt.Errorf("%w: unpacked it is %s, and its image says %s", ErrCorrupt, found, diff)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := t.takeAway(gone); err != nil {
		return err
	}
	return t.read(ctx, file, layer, t.write)
}

// read calls do with a layer's tar.
func (t *tree) read(ctx context.Context, file *os.File, layer v1.Descriptor, do func(io.Reader) error) error {
	opened, err := partial.CompressedToLayer(&packed{file: file, layer: layer})
	if err != nil {
		return err
	}
	from, err := opened.Uncompressed()
	if err != nil {
		return fmt.Errorf("%w: it cannot be unpacked: %w", ErrUnusable, err)
	}
	defer from.Close()
	// Entries are counted apart; what is between them, and behind the last, is not to be without end either.
	return do(&bounded{ctx: ctx, from: from, left: t.bytes + int64(t.entries)*blockBytes})
}

// blockBytes is how much an entry may take in a layer beside its content.
const blockBytes = 8 << 10

// whiteouts reads a layer to its end and returns what it takes away. It writes nothing.
func (t *tree) whiteouts(from io.Reader) ([]string, error) {
	var gone []string
	archive := tar.NewReader(from)
	left := t.entries
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, unreadable(err)
		}
		if left--; left < 0 {
			return nil, fmt.Errorf("%w: too many files", ErrUnusable)
		}
		name, err := inside(header.Name)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(path.Base(name), whiteout) {
			gone = append(gone, name)
		}
	}
	// The digest is of all of it.
	_, err := io.Copy(io.Discard, from)
	return gone, unreadable(err)
}

// takeAway removes what whiteouts name.
func (t *tree) takeAway(gone []string) error {
	for _, name := range gone {
		folder, base := path.Dir(name), path.Base(name)
		switch {
		case base == opaque:
			if err := t.empty(folder); err != nil {
				return err
			}
		case strings.HasPrefix(base, reserved):
		default:
			hidden := strings.TrimPrefix(base, whiteout)
			if hidden == "" || hidden == "." || hidden == ".." {
				return fmt.Errorf("%w: %q takes nothing away", ErrUnusable, name)
			}
			if err := t.root.RemoveAll(path.Join(folder, hidden)); err != nil {
				return blamed(name, err)
			}
		}
	}
	return nil
}

// empty removes all that is in a folder; one that is not there is empty.
func (t *tree) empty(folder string) error {
	entries, err := fs.ReadDir(t.root.FS(), folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return blamed(folder, err)
	}
	for _, entry := range entries {
		if err := t.root.RemoveAll(path.Join(folder, entry.Name())); err != nil {
			return blamed(folder, err)
		}
	}
	return nil
}

// write puts the entries of a layer over the tree.
func (t *tree) write(from io.Reader) error {
	archive := tar.NewReader(from)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		t.entries--
		t.bytes -= header.Size
		if t.entries < 0 || t.bytes < 0 {
			return fmt.Errorf("%w: it has more files or bytes than are unpacked", ErrUnusable)
		}
		name, err := inside(header.Name)
		if err != nil {
			return err
		}
		if name == "." || strings.HasPrefix(path.Base(name), whiteout) || header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := t.put(archive, header, name); err != nil {
			return blamed(name, err)
		}
	}
}

// put puts one entry where nothing is, or in the place of what is there. A folder over a folder leaves what is in it.
func (t *tree) put(from io.Reader, header *tar.Header, name string) error {
	there, err := t.root.Lstat(name)
	if err == nil && there.IsDir() && header.Typeflag == tar.TypeDir {
		return nil
	}
	if header.Typeflag == tar.TypeLink && path.Clean(header.Linkname) == name {
		return fmt.Errorf("%w: a file that is a link to itself", ErrUnusable)
	}
	if err == nil {
		if err := t.root.RemoveAll(name); err != nil {
			return err
		}
	}
	if err := t.folders(path.Dir(name)); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return t.root.Mkdir(name, 0o755)
	case tar.TypeReg, tar.TypeGNUSparse:
		return t.putFile(from, name, header.FileInfo().Mode())
	case tar.TypeSymlink:
		target, err := relative(name, header.Linkname)
		if err != nil {
			return err
		}
		return t.root.Symlink(target, name)
	case tar.TypeLink:
		return t.putLink(name, header.Linkname)
	default:
		return fmt.Errorf("%w: it is of kind %q, and only files, folders and links are taken", ErrUnusable, header.Typeflag)
	}
}

// folders makes a folder and those above it. Each that was not there counts as an entry: a layer of some bytes could name
// files in millions of them.
func (t *tree) folders(dir string) error {
	for at := dir; at != "."; at = path.Dir(at) {
		if _, err := t.root.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if t.entries--; t.entries < 0 {
			return fmt.Errorf("%w: it has more folders than are unpacked", ErrUnusable)
		}
	}
	return t.root.MkdirAll(dir, 0o755)
}

// longestPath is the most bytes of a path that Linux takes.
const longestPath = 4096

func (t *tree) putFile(from io.Reader, name string, mode fs.FileMode) error {
	perm := fs.FileMode(0o600)
	if mode&0o111 != 0 {
		perm = 0o700
	}
	// Exclusive: what was there is gone, and nothing is written through a link or into a file that has two names.
	file, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(file, from); err != nil {
		return unreadable(err)
	}
	return file.Close()
}

// putLink gives a file that is there another name.
func (t *tree) putLink(name, target string) error {
	target, err := inside(target)
	if err != nil {
		return err
	}
	info, err := t.root.Lstat(target)
	if err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%w: a hard link to %q, which is no file of the image", ErrUnusable, target)
	}
	return t.root.Link(target, name)
}

// inside is the path of an entry, if it is one inside the image.
func inside(name string) (string, error) {
	if len(name) > longestPath {
		return "", fmt.Errorf("%w: entry %.100q has a path of %d bytes, at most %d are taken", ErrUnusable, name, len(name), longestPath)
	}
	if !filepath.IsLocal(name) || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("%w: entry %q is no path inside it", ErrUnusable, name)
	}
	return path.Clean(name), nil
}

// relative is a link's target from where the link is. The root of an absolute one is the image's own.
func relative(name, target string) (string, error) {
	if path.IsAbs(target) {
		up := strings.Repeat("../", strings.Count(name, "/"))
		target = path.Clean(up + "./" + strings.TrimPrefix(path.Clean(target), "/"))
	}
	if target == "" || !filepath.IsLocal(path.Join(path.Dir(name), target)) {
		return "", fmt.Errorf("%w: a link to %.300q, which leaves it", ErrUnusable, target)
	}
	return target, nil
}

// blamed marks what the image is to blame for: a path over what is no folder, or that leaves the image by a link.
func blamed(name string, err error) error {
	for _, own := range []error{fs.ErrExist, fs.ErrNotExist, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, own) {
			return fmt.Errorf("%w: %s: %w", ErrUnusable, name, err)
		}
	}
	if strings.Contains(err.Error(), "escapes") {
		return fmt.Errorf("%w: %s: %w", ErrUnusable, name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// unreadable is the error of a layer that is no tar. Its bytes are those its digest names: it will be none next time.
func unreadable(err error) error {
	var disk *fs.PathError
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnusable) || errors.As(err, &disk) {
		return err
	}
	return fmt.Errorf("%w: it cannot be unpacked: %w", ErrUnusable, err)
}

// packed is a layer in a file.
type packed struct {
	file  *os.File
	layer v1.Descriptor
}

func (p *packed) Digest() (v1.Hash, error)            { return p.layer.Digest, nil }
func (p *packed) Size() (int64, error)                { return p.layer.Size, nil }
func (p *packed) MediaType() (types.MediaType, error) { return p.layer.MediaType, nil }

// Compressed is the file from its start. Closing it leaves the file open, for the next time.
func (p *packed) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(p.file, 0, p.layer.Size)), nil
}

// bounded ends reading with its context, and when more comes than may.
type bounded struct {
	ctx  context.Context
	from io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("%w: it has more bytes than are unpacked", ErrUnusable)
	}
	return n, err
}
