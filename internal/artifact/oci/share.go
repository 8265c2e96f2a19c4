package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/skyisland/skyisland/internal/artifact"
	"github.com/skyisland/skyisland/internal/release"
)

// The media types of an artifact in a registry: an image manifest of the artifact type, with the empty configuration of
// the OCI and the artifact's tar as its one layer, whose digest is the artifact's.
const (
	ArtifactType = "application/vnd.skyisland.artifact.v1"
	LayerType    = "application/vnd.skyisland.artifact.v1.tar"
	emptyType    = "application/vnd.oci.empty.v1+json"
)

// Shelf is a repository that stores share artifacts through.
type Shelf struct {
	client     *Client
	repository string
	store      *artifact.Store
}

// Shelf is the repository, such as registry.example/skyisland, for a store.
func (c *Client) Shelf(repository string, store *artifact.Store) *Shelf {
	return &Shelf{client: c, repository: repository, store: store}
}

// Share puts a stored artifact into the repository. Sharing what is there already sends nothing twice. The tag it gets
// is made of its digest; nothing reads it: it keeps the registry from collecting what nobody names.
func (s *Shelf) Share(ctx context.Context, digest release.Digest) error {
	ctx, cancel := context.WithTimeout(ctx, s.client.options.Timeout)
	defer cancel()
	if err := s.share(ctx, digest); err != nil {
		return fmt.Errorf("share artifact %s in %s: %w", digest, s.repository, told(err))
	}
	return nil
}

func (s *Shelf) share(ctx context.Context, digest release.Digest) error {
	// What is sent is read twice, by a registry that forgets the first time: it is opened each time.
	from, size, err := s.store.Open(ctx, digest)
	if err != nil {
		return err
	}
	from.Close()
	session, err := s.client.open(ctx, s.repository, "push,pull")
	if err != nil {
		return err
	}
	options := []remote.Option{remote.WithTransport(session.through), remote.WithContext(ctx)}
	layer := &stored{ctx: ctx, store: s.store, digest: digest, size: size}
	empty := static.NewLayer([]byte("{}"), emptyType)
	for _, blob := range []v1.Layer{layer, empty} {
		if err := remote.WriteLayer(session.repo, blob, options...); err != nil {
			return err
		}
	}
	manifest, err := manifestOf(layer, empty)
	if err != nil {
		return err
	}
	return remote.Put(session.repo.Tag("sha256-"+digest.Hex()), manifest, options...)
}

// Fetch brings an artifact into the store, from the blob that its digest names. An artifact that the repository does
// not have is [release.ErrNotFound], and other bytes than the digest's are [ErrCorrupt].
func (s *Shelf) Fetch(ctx context.Context, digest release.Digest) error {
	ctx, cancel := context.WithTimeout(ctx, s.client.options.Timeout)
	defer cancel()
	err := digest.Check()
	if err == nil {
		err = s.fetch(ctx, digest)
	}
	if err != nil {
		return fmt.Errorf("fetch artifact %s from %s: %w", digest, s.repository, err)
	}
	return nil
}

func (s *Shelf) fetch(ctx context.Context, digest release.Digest) error {
	session, err := s.client.open(ctx, s.repository, "pull")
	if err != nil {
		return err
	}
	answer, err := session.get(ctx, "blobs", string(digest), "")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	err = s.store.Receive(ctx, digest, answer.Body)
	if isCorrupt(err) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// stored is an artifact as a layer. It has the context of the call that sends it, because the library asks for its
// content without one.
type stored struct {
	ctx    context.Context
	store  *artifact.Store
	digest release.Digest
	size   int64
}

func (l *stored) Digest() (v1.Hash, error)             { return v1.NewHash(string(l.digest)) }
func (l *stored) DiffID() (v1.Hash, error)             { return l.Digest() }
func (l *stored) Size() (int64, error)                 { return l.size, nil }
func (l *stored) MediaType() (types.MediaType, error)  { return LayerType, nil }
func (l *stored) Uncompressed() (io.ReadCloser, error) { return l.Compressed() }

func (l *stored) Compressed() (io.ReadCloser, error) {
	from, _, err := l.store.Open(l.ctx, l.digest)
	return from, err
}

// manifest is a manifest that is written already.
type manifest []byte

// RawManifest is its bytes.
func (m manifest) RawManifest() ([]byte, error) { return m, nil }

// MediaType is that of an image, because not every registry takes another.
func (m manifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// manifestOf is the manifest of an artifact. Nothing in it changes from one time to the next.
func manifestOf(layer, config v1.Layer) (manifest, error) {
	document := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: ArtifactType}
	described := []*v1.Descriptor{&document.Config, {}}
	for i, blob := range []v1.Layer{config, layer} {
		var err error
		if described[i].MediaType, err = blob.MediaType(); err != nil {
			return nil, err
		}
		if described[i].Size, err = blob.Size(); err != nil {
			return nil, err
		}
		if described[i].Digest, err = blob.Digest(); err != nil {
			return nil, err
		}
	}
	document.Layers = []v1.Descriptor{*described[1]}
	return json.Marshal(document)
}
