package artifact

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// tarOf is the tar of a stored artifact.
func tarOf(t *testing.T, s *Store, digest release.Digest) []byte {
	t.Helper()
	from, size, err := s.Open(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	out, err := io.ReadAll(from)
	if err != nil || int64(len(out)) != size {
		t.Fatalf("read %d bytes of %d: %v", len(out), size, err)
	}
	return out
}

func TestAnArtifactMovesFromOneStoreToAnother(t *testing.T) {
	one, other := newStore(t), newStore(t)
	digest := put(t, one, writeTree(t, "bin/api*", "program", "README", "hello"))
	content := tarOf(t, one, digest)
	if err := other.Receive(t.Context(), digest, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "root")
	if err := other.Extract(t.Context(), digest, dest); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dest, "bin/api")); err != nil || string(got) != "program" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWhatIsReceivedIsWhatTheDigestNames(t *testing.T) {
	one, other := newStore(t), newStore(t)
	digest := put(t, one, writeTree(t, "README", "hello"))
	content := tarOf(t, one, digest)
	flipped := bytes.Clone(content)
	flipped[600] ^= 1
	for name, bad := range map[string][]byte{"flipped": flipped, "cut off": content[:len(content)-512], "longer": append(bytes.Clone(content), 0), "empty": nil} {
		if err := other.Receive(t.Context(), digest, bytes.NewReader(bad)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want corrupt", name, err)
		}
	}
	other.Limits = Limits{Bytes: 100, Files: 1}
	if err := other.Receive(t.Context(), digest, io.MultiReader(bytes.NewReader(content), zeros{})); !errors.Is(err, release.ErrTooLarge) {
		t.Errorf("without end: %v, want too large", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := other.Receive(ctx, digest, bytes.NewReader(content)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := other.Receive(t.Context(), "latest", bytes.NewReader(content)); err == nil {
		t.Error("a name that is no digest was taken")
	}
	wantEmpty(t, other)
	if _, _, err := other.Open(t.Context(), digest); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("what was refused is there: %v", err)
	}
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// zipped is a zip of names with their contents; a name that ends in * may be executed.
func zipped(t *testing.T, pairs ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i := 0; i < len(pairs); i += 2 {
		name, executable := strings.CutSuffix(pairs[i], "*")
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		header.SetMode(0o644)
		if executable {
			header.SetMode(0o755)
		}
		if target, link := strings.CutPrefix(pairs[i+1], "->"); link {
			header.SetMode(fs.ModeSymlink | 0o777)
			pairs[i+1] = target
		}
		to, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(to, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unzip(t *testing.T, content []byte, limits Limits) (string, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "into")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, Unzip(t.Context(), bytes.NewReader(content), int64(len(content)), dir, limits)
}

func TestAZipIsUnpacked(t *testing.T) {
	dir, err := unzip(t, zipped(t, "bin/api*", "program", "share/", "", "share/page.html", strings.Repeat("x", 100_000)), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "bin/api")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("bin/api may not be executed: %v, %v", info, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "share/page.html")); err != nil || info.Size() != 100_000 || info.Mode()&0o111 != 0 {
		t.Errorf("share/page.html: %v, %v", info, err)
	}
}

func TestHostileZipsAreRefused(t *testing.T) {
	small := Limits{Bytes: 1000, Files: 3}
	broken := zipped(t, "a", "hello")
	broken[35] ^= 0xff
	// Seven, as the last three bits of the first byte of a stream, is a kind of block that there is not.
	garbled := zipped(t, "a", "hello")
	garbled[31] |= 7
	for name, content := range map[string][]byte{
		"a path above":           zipped(t, "../evil", "x"),
		"a path above inside":    zipped(t, "a/../../evil", "x"),
		"an absolute path":       zipped(t, "/etc/evil", "x"),
		"a path of Windows":      zipped(t, `..\evil`, "x"),
		"nothing of a path":      zipped(t, ".", "x"),
		"a link":                 zipped(t, "link", "->/etc"),
		"a file twice":           zipped(t, "a", "x", "a", "y"),
		"a file as a folder":     zipped(t, "a", "x", "a/b", "y"),
		"too many files":         zipped(t, "a", "", "b", "", "c", "", "d", ""),
		"too many folders":       zipped(t, "a/b/c/d/e", "x"),
		"a path without end":     zipped(t, strings.Repeat("a/", 3000)+"b", "x"),
		"a bomb":                 zipped(t, "a", strings.Repeat("\x00", 1_000_000)),
		"several small ones":     zipped(t, "a", strings.Repeat("x", 600), "b", strings.Repeat("x", 600)),
		"no zip":                 []byte("this is no zip"),
		"a checksum that is off": broken,
		"a stream that is none":  garbled,
		"a name without end":     zipped(t, strings.Repeat("n", 300), "x"),
		"a name of 64 KiB":       zipped(t, strings.Repeat("n", 65535), "x"),
		"a folder without end":   zipped(t, strings.Repeat("n", 300)+"/a", "x"),
	} {
		dir, err := unzip(t, content, small)
		if !errors.Is(err, ErrUnusable) || len(err.Error()) > 5000 {
			t.Errorf("%s: %.500v, want a refusal in some words", name, err)
		}
		if entries, _ := os.ReadDir(filepath.Dir(dir)); len(entries) != 1 {
			t.Errorf("%s: something is beside the folder: %v", name, entries)
		}
	}
}

func TestTheListOfAZipIsBounded(t *testing.T) {
	b := &budget{from: strings.NewReader(strings.Repeat("x", 100)), left: 10}
	if _, err := b.ReadAt(make([]byte, 8), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ReadAt(make([]byte, 8), 8); !errors.Is(err, errBudget) {
		t.Errorf("more was read than there is a budget for: %v", err)
	}
}
