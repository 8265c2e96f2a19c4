package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/skyisland/skyisland/internal/release"
)

// layered is an image in which every layer takes something from those below.
func layered(t *testing.T) v1.Image {
	t.Helper()
	return image(t, "amd64",
		[]entry{
			{name: "./"}, {name: "./bin/"}, {name: "bin/busybox", content: "box", mode: 0o4755}, {name: "bin/sh", kind: tar.TypeSymlink, link: "/bin/busybox"},
			{name: "etc/motd", content: "hello"}, {name: "etc/old", content: "old"}, {name: "etc/mtab", kind: tar.TypeSymlink, link: "/proc/mounts"},
			{name: "cache/a", content: "a"}, {name: "cache/b", content: "b"}, {name: "lib", kind: tar.TypeSymlink, link: "usr/lib"}, {name: "usr/lib/one", content: "1"},
			{name: "swap/inside", content: "x"}, {name: "keep/kept", content: "k"},
		},
		[]entry{
			// The file stands before the whiteout of its name, which is for the layer below only.
			{name: "etc/old", content: "new"}, {name: "etc/.wh.old"}, {name: "etc/.wh.motd"},
			{name: "cache/c", content: "c"}, {name: "cache/.wh..wh..opq"}, {name: ".wh..wh.plnk/"},
			{name: "lib/two", content: "2"}, {name: "bin/box", kind: tar.TypeLink, link: "bin/busybox"},
			{name: ".wh.swap"}, {name: "swap", content: "a file now"},
		},
		[]entry{{name: "bin/busybox", content: "new box", mode: 0o755}, {name: "keep/"}, {name: "nothing/.wh..wh..opq"}, {name: ".wh.never-was"}},
	)
}

const flattened = `bin/
bin/box* box
bin/busybox* new box
bin/sh -> ../bin/busybox
cache/
cache/c c
etc/
etc/mtab -> ../proc/mounts
etc/old new
keep/
keep/kept k
lib -> usr/lib
swap a file now
usr/
usr/lib/
usr/lib/one 1
usr/lib/two 2
`

func TestAnImageIsFlattened(t *testing.T) {
	registry := serve(t)
	named := push(t, registry, "acme/api:1", layered(t))
	dir, err := flatten(t, client(nil), named)
	if err != nil {
		t.Fatal(err)
	}
	if got := listing(t, dir); got != flattened {
		t.Errorf("got:\n%s\nwant:\n%s", got, flattened)
	}
}

func TestLayersAreCompressedInSeveralWays(t *testing.T) {
	registry := serve(t)
	made := image(t, "amd64", []entry{{name: "gzip", content: "1"}})
	content := tarred(t, entry{name: "zstd", content: "2"})
	packed, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithCompression(compression.ZStd), tarball.WithMediaType(types.OCILayerZStd))
	if err != nil {
		t.Fatal(err)
	}
	if made, err = mutate.AppendLayers(made, packed, static.NewLayer(tarred(t, entry{name: "none", content: "3"}), types.OCIUncompressedLayer)); err != nil {
		t.Fatal(err)
	}
	dir, err := flatten(t, client(nil), push(t, registry, "acme/api:1", made))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := listing(t, dir), "gzip 1\nnone 3\nzstd 2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheSameImageIsTheSameArtifact(t *testing.T) {
	registry := serve(t)
	named := push(t, registry, "acme/api:1", layered(t))
	var digests []release.Digest
	for range 2 {
		dir, err := flatten(t, client(nil), named)
		if err != nil {
			t.Fatal(err)
		}
		store := newStore(t)
		digest, _, err := store.Put(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Extract(t.Context(), digest, filepath.Join(t.TempDir(), "root")); err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("one image is %s and %s", digests[0], digests[1])
	}
}

func TestATagIsResolvedOnce(t *testing.T) {
	registry := serve(t)
	first := push(t, registry, "acme/api:1", image(t, "amd64", []entry{{name: "api", content: "first"}}))
	resolved, err := client(nil).Resolve(t.Context(), registry.repository("acme/api:1"))
	if err != nil || resolved != first {
		t.Fatalf("%q, %v; want %q", resolved, err, first)
	}
	push(t, registry, "acme/api:1", image(t, "amd64", []entry{{name: "api", content: "second"}}))
	registry.then(nil)
	dir, err := flatten(t, client(nil), resolved)
	if err != nil {
		t.Fatal(err)
	}
	if got := listing(t, dir); got != "api first\n" {
		t.Errorf("the tag has moved and so did what was resolved: %q", got)
	}
	if tags := registry.asked("GET /v2/acme/api/manifests/1"); len(tags) > 0 {
		t.Errorf("the tag was read again: %v", tags)
	}
	registry.then(nil)
	if again, err := client(nil).Resolve(t.Context(), first); err != nil || again != first || len(registry.asked("")) > 0 {
		t.Errorf("a digest is %q, %v, and the registry was asked %v", again, err, registry.asked(""))
	}
	if _, err := client(nil).Resolve(t.Context(), registry.repository("acme/api:missing")); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("a tag that is not there: %v", err)
	}
	if _, err := client(nil).Resolve(t.Context(), registry.repository("acme/api")); err == nil {
		t.Error("an image without a tag was resolved")
	}
}

func TestWhatATagMeansIsWhatComesAndNotWhatIsSaid(t *testing.T) {
	registry := serve(t)
	named := push(t, registry, "acme/api:1", image(t, "amd64", []entry{{name: "api", content: "first"}}))
	registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		changing("/manifests/", func(b []byte) []byte { return b })(lying{w}, r, next)
	})
	if resolved, err := client(nil).Resolve(t.Context(), registry.repository("acme/api:1")); err != nil || resolved != named {
		t.Errorf("%q, %v; want %q", resolved, err, named)
	}
}

// lying says another digest than that of what it sends.
type lying struct{ http.ResponseWriter }

func (l lying) WriteHeader(code int) {
	l.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
	l.ResponseWriter.WriteHeader(code)
}

func TestOfSeveralPlatformsOursIsTaken(t *testing.T) {
	registry := serve(t)
	index := v1.ImageIndex(empty.Index)
	for _, architecture := range []string{"arm64", "amd64"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image(t, architecture, []entry{{name: "api", content: "for " + architecture}}),
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	// What builders say of an image stands in its index as an image for nobody.
	index = mutate.AppendManifests(index, mutate.IndexAddendum{
		Add: image(t, "unknown", []entry{{name: "in-toto.json", content: "{}"}}), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}},
	})
	named := push(t, registry, "acme/api:1", index)
	for _, architecture := range []string{"arm64", "amd64"} {
		dir, err := flatten(t, client(func(o *Options) { o.Architecture = architecture }), named)
		if err != nil {
			t.Fatal(err)
		}
		if got := listing(t, dir); got != "api for "+architecture+"\n" {
			t.Errorf("on %s: %q", architecture, got)
		}
	}
	_, err := flatten(t, client(func(o *Options) { o.Architecture = "riscv64" }), named)
	if !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "none for linux/riscv64, only for linux/arm64, linux/amd64") {
		t.Errorf("on riscv64: %v", err)
	}
	single := push(t, registry, "acme/api:arm", image(t, "arm64", []entry{{name: "api", content: "x"}}))
	if _, err := flatten(t, client(nil), single); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "it is for linux/arm64, and linux/amd64 is wanted") {
		t.Errorf("an image for another platform: %v", err)
	}
}

func TestHostileImagesAreRefused(t *testing.T) {
	registry := serve(t)
	link := func(name, to string) entry { return entry{name: name, kind: tar.TypeSymlink, link: to} }
	for name, layers := range map[string][][]entry{
		"a path above":                      {{{name: "../evil", content: "x"}}},
		"a path above inside":               {{{name: "a/../../evil", content: "x"}}},
		"an absolute path":                  {{{name: "/evil", content: "x"}}},
		"a link above":                      {{link("up", "../evil")}},
		"a link above by an absolute path":  {{link("up", "/../../evil"), link("a/b", "../../evil")}},
		"a file through a link that leaves": {{link("a/deep", "."), link("a/deep/up", "../.."), {name: "a/deep/up/evil", content: "x"}}},
		"a whiteout above":                  {{{name: "../.wh.evil"}}},
		"a whiteout of above":               {{{name: "a/x", content: "x"}}, {{name: "a/.wh..."}, {name: "a/.wh..", content: ""}}},
		"a whiteout of nothing":             {{{name: ".wh."}}},
		"a hard link to the outside":        {{{name: "passwd", kind: tar.TypeLink, link: "/etc/passwd"}}},
		"a hard link above":                 {{{name: "passwd", kind: tar.TypeLink, link: "../passwd"}}},
		"a hard link to what is not there":  {{{name: "a", kind: tar.TypeLink, link: "b"}}},
		"a hard link to itself":             {{{name: "a", content: "x"}, {name: "a", kind: tar.TypeLink, link: "a"}}},
		"a hard link to a link":             {{link("l", "a"), {name: "b", kind: tar.TypeLink, link: "l"}}},
		"a device":                          {{{name: "dev/sda", kind: tar.TypeBlock}}},
		"a pipe":                            {{{name: "pipe", kind: tar.TypeFifo}}},
		"a file where a folder is meant":    {{{name: "a", content: "x"}, {name: "a/b", content: "x"}}},
		"a circle of links":                 {{link("a", "b"), link("b", "a"), {name: "a/x", content: "x"}}},
		"too many files":                    {{{name: "a"}, {name: "b"}, {name: "c"}}, {{name: "d"}, {name: "e"}, {name: "f"}}},
		"too many folders":                  {{{name: strings.Repeat("a/", 6) + "b", content: "x"}}},
		"a path without end":                {{{name: strings.Repeat("a/../", 1000) + "b", content: "x"}}},
		"too many bytes":                    {{{name: "a", content: strings.Repeat("x", 60_000)}}, {{name: "a", content: strings.Repeat("x", 60_000)}}},
		"too many layers":                   {{{name: "a"}}, {{name: "a"}}, {{name: "a"}}, {{name: "a"}}},
	} {
		named := push(t, registry, "acme/hostile:1", image(t, "amd64", layers...))
		c := client(func(o *Options) { o.Limits = Limits{Download: 1 << 20, Bytes: 100_000, Entries: 5, Layers: 3} })
		dir, err := flatten(t, c, named)
		if !errors.Is(err, ErrUnusable) {
			t.Errorf("%s: %v, want a refusal\n%s", name, err, listing(t, dir))
		}
		if beside, _ := os.ReadDir(filepath.Dir(dir)); len(beside) != 1 {
			t.Errorf("%s: something is beside the tree: %v", name, beside)
		}
	}
}

func TestABombIsNotUnpacked(t *testing.T) {
	registry := serve(t)
	// A layer that is small on the way, and 64 MiB behind the last of its files.
	bomb := append(tarred(t, entry{name: "a", content: "x"}), make([]byte, 64<<20)...)
	layer := static.NewLayer(bomb, types.OCIUncompressedLayer)
	made, err := mutate.AppendLayers(image(t, "amd64", []entry{{name: "b"}}), layer)
	if err != nil {
		t.Fatal(err)
	}
	c := client(func(o *Options) { o.Limits = Limits{Download: 1 << 30, Bytes: 1 << 20, Entries: 100, Layers: 3} })
	if _, err := flatten(t, c, push(t, registry, "acme/bomb:1", made)); !errors.Is(err, ErrUnusable) {
		t.Errorf("%v, want a refusal", err)
	}
	small := client(func(o *Options) { o.Limits = Limits{Download: 1 << 20, Bytes: 1 << 40, Entries: 100, Layers: 3} })
	registry.then(nil)
	if _, err := flatten(t, small, push(t, registry, "acme/bomb:1", made)); !errors.Is(err, ErrUnusable) || len(registry.asked("GET /v2/acme/bomb/blobs")) > 1 {
		t.Errorf("%v, want it refused before it is downloaded: %v", err, registry.asked("GET"))
	}
}

func TestWhatIsNoImageIsSaid(t *testing.T) {
	registry := serve(t)
	store := newStore(t)
	digest := put(t, store, "program")
	if err := client(nil).Shelf(registry.repository("skyisland"), store).Share(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	resolved, err := client(nil).Resolve(t.Context(), registry.repository("skyisland:sha256-"+digest.Hex()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flatten(t, client(nil), resolved); !errors.Is(err, ErrUnusable) {
		t.Errorf("an artifact of ours taken for an image: %v", err)
	}
	foreign, err := mutate.AppendLayers(image(t, "amd64", []entry{{name: "a"}}), static.NewLayer(tarred(t, entry{name: "b"}), types.OCIRestrictedLayer))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flatten(t, client(nil), push(t, registry, "acme/foreign:1", foreign)); !errors.Is(err, ErrUnusable) {
		t.Errorf("a layer that is elsewhere: %v", err)
	}
	broken, err := mutate.AppendLayers(image(t, "amd64", []entry{{name: "a"}}), static.NewLayer([]byte("this is no tar, however long it may be read"), types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flatten(t, client(nil), push(t, registry, "acme/broken:1", broken)); !errors.Is(err, ErrUnusable) {
		t.Errorf("a layer that is no tar: %v", err)
	}
	if _, err := flatten(t, client(nil), registry.repository("acme/api:1")); err == nil || !strings.Contains(err.Error(), "is not a digest") {
		t.Errorf("by a tag: %v", err)
	}
}

// What is named by no digest could not be compared with one.
func TestAManifestNamesEverythingByDigest(t *testing.T) {
	registry := serve(t)
	for name, text := range map[string]string{
		"no configuration": `{"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2},
			"layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": 2}]}`,
		"another algorithm": `{"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": "md5:00"},
			"layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": 2}]}`,
		"a path": `{"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2, "digest": "sha256:../../x",
			"platform": {"os": "linux", "architecture": "amd64"}}]}`,
		"an index without digests": `{"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2,
			"platform": {"os": "linux", "architecture": "amd64"}}]}`,
		"no JSON":   `<html>`,
		"no layers": `{"schemaVersion": 2}`,
	} {
		registry.then(changing("/manifests/", func([]byte) []byte { return []byte(text) }))
		sum := sha256.Sum256([]byte(text))
		push(t, registry, "acme/api:1", image(t, "amd64", []entry{{name: "a"}}))
		resolved, err := client(nil).Resolve(t.Context(), registry.repository("acme/api:1"))
		if want := registry.repository("acme/api@sha256:") + hex.EncodeToString(sum[:]); err != nil || resolved != want {
			t.Fatalf("%s: %q, %v; want %q", name, resolved, err, want)
		}
		registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				next.ServeHTTP(w, r)
				return
			}
			_, _ = w.Write([]byte(text))
		})
		if _, err := flatten(t, client(nil), resolved); !errors.Is(err, ErrUnusable) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
		if blobs := registry.asked("GET /v2/acme/api/blobs"); len(blobs) > 0 {
			t.Errorf("%s: asked for %v", name, blobs)
		}
	}
}

func TestEveryByteOfAnImageIsCompared(t *testing.T) {
	registry := serve(t)
	made := layered(t)
	named := push(t, registry, "acme/api:1", made)
	config, err := made.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	layers, err := made.Layers()
	if err != nil {
		t.Fatal(err)
	}
	last, err := layers[2].Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"/manifests/", config.String(), last.String()} {
		registry.then(changing(part, flip))
		if _, err := flatten(t, client(nil), named); !errors.Is(err, ErrCorrupt) {
			t.Errorf("other bytes for %s: %v", part, err)
		}
	}
	registry.then(changing(last.String(), func(b []byte) []byte { return b[:len(b)-1] }))
	if _, err := flatten(t, client(nil), named); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a layer that ends early: %v", err)
	}
	registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, last.String()) {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		next.ServeHTTP(w, r)
	})
	if _, err := flatten(t, client(nil), named); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("a layer that is missing: %v", err)
	}
	registry.then(nil)
	other, err := made.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	other = other.DeepCopy()
	other.RootFS.DiffIDs[2] = other.RootFS.DiffIDs[1]
	lied, err := mutate.ConfigFile(made, other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flatten(t, client(nil), push(t, registry, "acme/lied:1", lied)); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "layer 3 of 3") {
		t.Errorf("a layer that is another when it is unpacked: %v", err)
	}
}
