package oci

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/skyisland/skyisland/internal/artifact"
	"github.com/skyisland/skyisland/internal/release"
)

// served is a registry in this process, with somebody before it who may do as he likes.
type served struct {
	*httptest.Server

	mu       sync.Mutex
	before   func(w http.ResponseWriter, r *http.Request, next http.Handler)
	requests []string
}

func serve(t *testing.T) *served {
	t.Helper()
	s := &served{}
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	next := registry.New(registry.Logger(quiet))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		before := s.before
		s.mu.Unlock()
		if before != nil {
			before(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// then puts somebody before the registry; nil takes him away.
func (s *served) then(before func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.requests = before, nil
}

// asked are the requests since the last [served.then] that begin with a prefix.
func (s *served) asked(prefix string) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if strings.HasPrefix(r, prefix) {
			out = append(out, r)
		}
	}
	return out
}

func (s *served) repository(name string) string {
	return strings.TrimPrefix(s.URL, "http://") + "/" + name
}

// changing answers as the registry does, with what change makes of the bodies of the paths with a part.
func changing(part string, change func([]byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, part) {
			next.ServeHTTP(w, r)
			return
		}
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		for key, values := range recorded.Header() {
			if key != "Content-Length" {
				w.Header()[key] = values
			}
		}
		w.WriteHeader(recorded.Code)
		_, _ = w.Write(change(recorded.Body.Bytes()))
	}
}

func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)/2] ^= 1
	return b
}

func client(edit func(*Options)) *Client {
	o := Options{Timeout: time.Minute, Pause: time.Millisecond, Architecture: "amd64"}
	if edit != nil {
		edit(&o)
	}
	return New(o)
}

func newStore(t *testing.T) *artifact.Store {
	t.Helper()
	s, err := artifact.New(filepath.Join(t.TempDir(), "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put stores a tree of one program.
func put(t *testing.T, s *artifact.Store, program string) release.Digest {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "api"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	digest, _, err := s.Put(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// entry is one entry of a layer. One without a kind is a file, or a folder when its name ends in /.
type entry struct {
	name, content, link string
	kind                byte
	mode                int64
}

func tarred(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: e.mode, Size: int64(len(e.content)), ModTime: time.Unix(1e9, 0), Uid: 1000}
		if header.Mode == 0 {
			header.Mode = 0o644
		}
		if header.Typeflag == 0 {
			header.Typeflag = tar.TypeReg
			if strings.HasSuffix(e.name, "/") {
				header.Typeflag = tar.TypeDir
			}
		}
		if header.Typeflag != tar.TypeReg {
			header.Size = 0
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, e.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// image is an image for a platform, of a layer for each list of entries.
func image(t *testing.T, architecture string, layers ...[]entry) v1.Image {
	t.Helper()
	out := empty.Image
	for _, entries := range layers {
		content := tarred(t, entries...)
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
		if err != nil {
			t.Fatal(err)
		}
		if out, err = mutate.AppendLayers(out, layer); err != nil {
			t.Fatal(err)
		}
	}
	config, err := out.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	if out, err = mutate.ConfigFile(out, config); err != nil {
		t.Fatal(err)
	}
	return out
}

// push puts an image, or an index, under a tag, and returns its name by digest.
func push(t *testing.T, s *served, tagged string, what remote.Taggable) string {
	t.Helper()
	ref, err := name.ParseReference(s.repository(tagged))
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Push(ref, what); err != nil {
		t.Fatal(err)
	}
	digest, err := what.(interface{ Digest() (v1.Hash, error) }).Digest()
	if err != nil {
		t.Fatal(err)
	}
	return ref.Context().Name() + "@" + digest.String()
}

// flatten is [Client.Flatten] into a folder of its own.
func flatten(t *testing.T, c *Client, image string) (string, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	err := c.Flatten(t.Context(), image, dir, temp)
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return dir, err
}

// listing is a tree as lines: a path, and what is there.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			out.WriteString(name + "/\n")
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			out.WriteString(name + " -> " + target + "\n")
			return err
		default:
			content, err := os.ReadFile(path)
			if info.Mode()&0o111 != 0 {
				name += "*"
			}
			out.WriteString(name + " " + string(content) + "\n")
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
