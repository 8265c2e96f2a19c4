package artifact

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := New(filepath.Join(t.TempDir(), "artifacts [of] ours*?"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// writeTree writes files in the order given: a path, then its content; a path that ends in * may be
// executed, a content that starts with -> makes a link.
func writeTree(t *testing.T, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		name, executable := strings.CutSuffix(pairs[i], "*")
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, link := strings.CutPrefix(pairs[i+1], "->"); link {
			if err := os.Symlink(target, full); err != nil {
				t.Fatal(err)
			}
			continue
		}
		mode := fs.FileMode(0o600)
		if executable {
			mode = 0o711
		}
		if err := os.WriteFile(full, []byte(pairs[i+1]), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func put(t *testing.T, s *Store, dir string, paths ...string) release.Digest {
	t.Helper()
	digest, size, err := s.Put(t.Context(), dir, paths)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Stat(t.Context(), digest)
	if err != nil || info.Size != size {
		t.Fatalf("Stat after Put: %+v, %v; want size %d", info, err, size)
	}
	return digest
}

// store puts raw bytes under their digest, as somebody with access to the disk could.
func store(t *testing.T, s *Store, content []byte) release.Digest {
	t.Helper()
	sum := sha256.Sum256(content)
	digest := release.Digest("sha256:" + hex.EncodeToString(sum[:]))
	if err := os.MkdirAll(filepath.Dir(s.path(digest)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(digest), content, 0o444); err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestEqualTreesHaveOneDigest(t *testing.T) {
	s := newStore(t)
	first := writeTree(t, "bin/serve*", "program", "a.txt", "a", "a/b", "b", "link", "->a/b", ".git/HEAD", "main")
	second := writeTree(t, "link", "->a/b", "a/b", "b", ".git/HEAD", "other", "a.txt", "a", "bin/serve*", "program")
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, name := range []string{"a.txt", "a", "bin/serve"} {
		if err := os.Chtimes(filepath.Join(second, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(second, "a.txt"), 0o664); err != nil {
		t.Fatal(err)
	}
	want := put(t, s, first)
	if got := put(t, s, second); got != want {
		t.Errorf("the same tree, written in another order and at another time, is %s and %s", want, got)
	}

	different := map[string]string{
		"content":    writeTree(t, "bin/serve*", "program", "a.txt", "A", "a/b", "b", "link", "->a/b"),
		"name":       writeTree(t, "bin/serve*", "program", "A.txt", "a", "a/b", "b", "link", "->a/b"),
		"executable": writeTree(t, "bin/serve", "program", "a.txt", "a", "a/b", "b", "link", "->a/b"),
		"link":       writeTree(t, "bin/serve*", "program", "a.txt", "a", "a/b", "b", "link", "->a.txt"),
	}
	for what, dir := range different {
		if put(t, s, dir) == want {
			t.Errorf("a tree with another %s has the same digest", what)
		}
	}
}

func TestExtractGivesBackWhatWasPut(t *testing.T) {
	s := newStore(t)
	digest := put(t, s, writeTree(t, "bin/serve*", "program", "data/a", "a", "data/link", "->../bin/serve", "not-taken", "x"), "bin", "data/a", "data/link")
	dest := filepath.Join(t.TempDir(), "deep", "root")
	for range 2 { // the second finds it done
		if err := s.Extract(t.Context(), digest, dest); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"bin/serve": "program", "data/a": "a", "data/link": "program"} {
		if got, err := os.ReadFile(filepath.Join(dest, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := os.Lstat(filepath.Join(dest, "not-taken")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path that was not named was stored: %v", err)
	}
	for name, want := range map[string]fs.FileMode{"bin/serve": 0o555, "data/a": 0o444} {
		info, err := os.Stat(filepath.Join(dest, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	if again := put(t, s, dest); again != digest {
		t.Errorf("what was extracted from %s is stored as %s", digest, again)
	}
	other := put(t, s, writeTree(t, "x", "x"))
	if err := s.Extract(t.Context(), other, dest); err == nil || !strings.Contains(err.Error(), string(digest)) {
		t.Errorf("extracting over another artifact: %v; want an error that names it", err)
	}
	if err := s.Extract(t.Context(), other, t.TempDir()); err == nil {
		t.Error("extracting over a folder that is no artifact: want an error")
	}
}

func TestPutRefuses(t *testing.T) {
	pipe := writeTree(t, "a", "a")
	if err := syscall.Mkfifo(filepath.Join(pipe, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name  string
		dir   string
		paths []string
		want  string
	}{
		{"an absolute link", writeTree(t, "l", "->/etc/passwd"), nil, "leaves the tree"},
		{"a link upwards out of the tree", writeTree(t, "a/l", "->../../x"), nil, "leaves the tree"},
		{"a link that leaves over another link", writeTree(t, "a/up", "->..", "l", "->a/up/.."), nil, "another link"},
		{"a pipe", pipe, nil, "named pipe"},
		{"a path out of the tree", writeTree(t, "a", "a"), []string{"../x"}, "inside the tree"},
		{"a path that is not there", writeTree(t, "a", "a"), []string{"bin/serve"}, "bin/serve"},
		{"a path below a link", writeTree(t, "a/b", "b", "l", "->a"), []string{"l/b"}, "is a link"},
		{"too many files", writeTree(t, "a", "", "b", "", "c", "", "d", ""), nil, "over 3 files"},
		{"too many bytes", writeTree(t, "a", "1234567890", "b", "1"), nil, "over 10 bytes"},
		{"no tree", filepath.Join(t.TempDir(), "missing"), nil, "missing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			s.Limits = Limits{Bytes: 10, Files: 3}
			_, _, err := s.Put(t.Context(), c.dir, c.paths)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			wantEmpty(t, s)
		})
	}
}

// wantEmpty fails when anything is visible in the store, finished or not.
func wantEmpty(t *testing.T, s *Store) {
	t.Helper()
	err := filepath.WalkDir(s.dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			t.Errorf("left behind: %s", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLinksInsideAreKeptAsTheyAre(t *testing.T) {
	s := newStore(t)
	digest := put(t, s, writeTree(t, "a/b", "b", "a/up", "->..", "dangling", "->nothing", "circle", "->circle", "folder", "->a"), "a", "dangling", "circle", "folder")
	dest := filepath.Join(t.TempDir(), "root")
	if err := s.Extract(t.Context(), digest, dest); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a/up": "..", "dangling": "nothing", "circle": "circle", "folder": "a"} {
		if got, err := os.Readlink(filepath.Join(dest, name)); err != nil || got != want {
			t.Errorf("%s points to %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestAFullDiskLeavesNothing(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	s := newStore(t)
	s.temp = func(dir, _ string) (*os.File, error) {
		name := filepath.Join(dir, "full")
		if err := os.Symlink("/dev/full", name); err != nil {
			return nil, err
		}
		return os.OpenFile(name, os.O_WRONLY, 0)
	}
	_, _, err := s.Put(t.Context(), writeTree(t, "a", "a"), nil)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want the disk's error", err)
	}
	wantEmpty(t, s)
}

func TestCorruptionIsFoundAndHealed(t *testing.T) {
	s := newStore(t)
	dir := writeTree(t, "a", "hello")
	digest := put(t, s, dir)
	if err := s.Verify(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(s.path(digest))
	if err != nil {
		t.Fatal(err)
	}
	content[bytes.Index(content, []byte("hello"))] ^= 1
	if err := os.Remove(s.path(digest)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(digest), content, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), digest); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Verify: %v, want ErrCorrupt", err)
	}
	dest := filepath.Join(t.TempDir(), "root")
	if err := s.Extract(t.Context(), digest, dest); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Extract: %v, want ErrCorrupt", err)
	}
	if _, err := os.Lstat(dest); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a corrupt artifact was extracted")
	}
	if again := put(t, s, dir); again != digest {
		t.Fatalf("got %s, want %s", again, digest)
	}
	if err := s.Verify(t.Context(), digest); err != nil {
		t.Errorf("after it was put again: %v", err)
	}
}

func TestHostileArchivesAreRefused(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644} }
	link := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	cases := []struct {
		name    string
		entries []tar.Header
	}{
		{"a file above", []tar.Header{file("../evil")}},
		{"a file far above", []tar.Header{file("a/../../evil")}},
		{"an absolute file", []tar.Header{file("/tmp/evil")}},
		{"a link above", []tar.Header{link("l", "../..")}},
		{"a file behind a link", []tar.Header{link("l", "/tmp"), file("l/evil")}},
		{"a link over a link", []tar.Header{link("a/up", ".."), link("l", "a/up/..")}},
		{"a hard link", []tar.Header{{Typeflag: tar.TypeLink, Name: "h", Linkname: "/etc/passwd"}}},
		{"a device", []tar.Header{{Typeflag: tar.TypeChar, Name: "d", Devmajor: 1, Devminor: 3}}},
		{"a file twice", []tar.Header{file("a"), file("a")}},
		{"the mark of an extracted folder", []tar.Header{file(marker)}},
		{"too many files", []tar.Header{file("a"), file("b"), file("c"), file("d"), file("e")}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			s.Limits.Files = 4
			var archive bytes.Buffer
			w := tar.NewWriter(&archive)
			for _, entry := range c.entries {
				if err := w.WriteHeader(&entry); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			digest := store(t, s, archive.Bytes())
			parent := t.TempDir()
			if err := s.Extract(t.Context(), digest, filepath.Join(parent, "in", "root")); err == nil {
				t.Error("extracted")
			}
			var found []string
			_ = filepath.WalkDir(parent, func(name string, entry fs.DirEntry, _ error) error {
				if entry != nil && !entry.IsDir() {
					found = append(found, name)
				}
				return nil
			})
			if len(found) > 0 {
				t.Errorf("left behind: %v", found)
			}
		})
	}
	s := newStore(t)
	digest := store(t, s, []byte("this is no archive"))
	if err := s.Extract(t.Context(), digest, filepath.Join(t.TempDir(), "root")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("what is no archive: %v, want ErrCorrupt", err)
	}
}

func TestConcurrentPutsAndExtractsAgree(t *testing.T) {
	s := newStore(t)
	dir := writeTree(t, "bin/serve*", strings.Repeat("program", 10_000), "a", "a")
	dest := filepath.Join(t.TempDir(), "root")
	want := put(t, newStore(t), dir)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, _, err := s.Put(context.Background(), dir, nil)
			if err != nil || got != want {
				t.Errorf("Put: %s, %v; want %s", got, err, want)
				return
			}
			if err := s.Extract(context.Background(), got, dest); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(filepath.Join(dest, "a")); err != nil || string(got) != "a" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
	for _, folder := range []string{s.tempDir(), filepath.Dir(dest)} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if entry.Name() != "root" {
				t.Errorf("left behind: %s in %s", entry.Name(), folder)
			}
		}
	}
}

func TestWhatIsNotStored(t *testing.T) {
	s := newStore(t)
	unknown := release.Digest("sha256:" + strings.Repeat("0", 64))
	if has, err := s.Has(t.Context(), unknown); has || err != nil {
		t.Errorf("Has: %v, %v", has, err)
	}
	if err := s.Verify(t.Context(), unknown); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("Verify: %v, want ErrNotFound", err)
	}
	if err := s.Extract(t.Context(), unknown, filepath.Join(t.TempDir(), "x")); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("Extract: %v, want ErrNotFound", err)
	}
	for _, bad := range []release.Digest{"", "sha256:../../../etc/passwd", "latest"} {
		if err := s.Verify(t.Context(), bad); err == nil || errors.Is(err, release.ErrNotFound) {
			t.Errorf("Verify(%q): %v, want an error about the digest", bad, err)
		}
		if err := s.Remove(t.Context(), bad); err == nil {
			t.Errorf("Remove(%q): want an error", bad)
		}
	}
}

func TestCollectKeepsWhatIsUsedOrNew(t *testing.T) {
	s := newStore(t)
	used := put(t, s, writeTree(t, "a", "used"))
	fresh := put(t, s, writeTree(t, "a", "fresh"))
	unused := put(t, s, writeTree(t, "a", "unused"))
	again := writeTree(t, "a", "put again")
	reused := put(t, s, again)
	old := time.Now().Add(-2 * time.Hour)
	for _, digest := range []release.Digest{used, unused, reused} {
		if err := os.Chtimes(s.path(digest), old, old); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, again)
	removed, err := s.Collect(t.Context(), map[release.Digest]bool{used: true}, time.Hour)
	if err != nil || len(removed) != 1 || removed[0].Digest != unused {
		t.Errorf("removed %v, %v; want only %s", removed, err, unused)
	}
	for digest, want := range map[release.Digest]bool{used: true, fresh: true, reused: true, unused: false} {
		if has, err := s.Has(t.Context(), digest); has != want || err != nil {
			t.Errorf("Has(%s): %v, %v; want %v", digest, has, err, want)
		}
	}
	for range 2 {
		if err := s.Remove(t.Context(), used); err != nil {
			t.Errorf("Remove: %v", err)
		}
	}
}

func TestNewRemovesOldLeftovers(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"put-old", "put-new"} {
		if err := os.WriteFile(filepath.Join(s.tempDir(), name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * leftover)
	if err := os.Chtimes(filepath.Join(s.tempDir(), "put-old"), old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := New(s.dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(s.tempDir())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if !slices.Equal(names, []string{"put-new"}) {
		t.Errorf("left: %v, want what is new", names)
	}
}

func TestPutEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newStore(t)
	if _, _, err := s.Put(ctx, writeTree(t, "a", "a"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	wantEmpty(t, s)
}
