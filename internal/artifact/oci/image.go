package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/skyisland/skyisland/internal/artifact"
	"github.com/skyisland/skyisland/internal/release"
)

func isCorrupt(err error) bool { return errors.Is(err, artifact.ErrCorrupt) }

// cut takes an image as [release.ExpandImage] writes it apart: its repository, and its tag or digest.
func cut(image string) (repository, which string, err error) {
	if repository, which, found := strings.Cut(image, "@"); found {
		return repository, which, release.Digest(which).Check()
	}
	i := strings.LastIndex(image, ":")
	if i < strings.LastIndex(image, "/") || i < 0 {
		return "", "", fmt.Errorf("%q says no tag and no digest", image)
	}
	return image[:i], image[i+1:], nil
}

// Resolve is an image by its digest: registry/repository@sha256:…, which is the only name it has from then on. One that
// says a digest is that already, and no registry is asked. A tag that is not there is [release.ErrNotFound].
func (c *Client) Resolve(ctx context.Context, image string) (string, error) {
	repository, which, err := cut(image)
	if err != nil {
		return "", err
	}
	if strings.Contains(image, "@") {
		return image, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	session, err := c.open(ctx, repository, "pull")
	if err != nil {
		return "", fmt.Errorf("resolve image %s: %w", image, err)
	}
	// The digest is of what came and not what a header says it is.
	_, digest, err := session.document(ctx, "manifests", which, manifestTypes)
	if err != nil {
		return "", fmt.Errorf("resolve image %s: %w", image, err)
	}
	return repository + "@" + string(digest), nil
}

// Flatten writes the file system of an image, named by its digest, into the folder dir, which exists and is empty: its
// layers one over the other, what a later one takes away left out. Of an image for several platforms it takes that for
// Linux on the client's architecture. The same digest gives the same tree, but for owners, times and modes: only what
// may be executed is kept. Temporary files are made in temp.
//
// It fails with [ErrUnusable] for an image that is too large, is for another platform, or holds what no artifact may
// hold, such as a path that leaves it; with [release.ErrNotFound], [ErrRefused] and [ErrCorrupt] as the registry does.
func (c *Client) Flatten(ctx context.Context, image, dir, temp string) error {
	if err := c.flatten(ctx, image, dir, temp); err != nil {
		return fmt.Errorf("take image %s: %w", image, err)
	}
	return nil
}

func (c *Client) flatten(ctx context.Context, image, dir, temp string) error {
	repository, which, err := cut(image)
	if err == nil {
		err = release.Digest(which).Check()
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	session, err := c.open(ctx, repository, "pull")
	if err != nil {
		return err
	}
	manifest, err := session.manifest(ctx, which)
	if err != nil {
		return err
	}
	config, err := session.config(ctx, manifest)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	tree := &tree{root: root, bytes: c.options.Limits.Bytes, entries: c.options.Limits.Entries}
	for i, layer := range manifest.Layers {
		if err := session.apply(ctx, tree, layer, config.RootFS.DiffIDs[i], temp); err != nil {
			return fmt.Errorf("layer %d of %d: %w", i+1, len(manifest.Layers), err)
		}
	}
	return nil
}

// manifest reads the manifest of an image; for one of several platforms it goes on to that of ours.
func (s *session) manifest(ctx context.Context, digest string) (*v1.Manifest, error) {
	text, _, err := s.document(ctx, "manifests", digest, manifestTypes)
	if err != nil {
		return nil, err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("%w: its manifest cannot be read: %w", ErrUnusable, err)
	}
	if len(index.Manifests) > 0 {
		ours, err := s.client.ours(index.Manifests)
		if err != nil {
			return nil, err
		}
		if text, _, err = s.document(ctx, "manifests", ours, manifestTypes); err != nil {
			return nil, err
		}
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, fmt.Errorf("%w: its manifest cannot be read: %w", ErrUnusable, err)
	}
	return &manifest, s.client.checkLayers(manifest)
}

// ours is the digest of the image for our platform; of several variants it takes the first.
func (c *Client) ours(all []v1.Descriptor) (string, error) {
	var there []string
	for _, one := range all {
		if one.Platform == nil || !one.MediaType.IsImage() {
			continue
		}
		if one.Platform.OS == "linux" && one.Platform.Architecture == c.options.Architecture {
			return one.Digest.String(), nil
		}
		there = append(there, one.Platform.String())
	}
	return "", fmt.Errorf("%w: there is none for linux/%s, only for %s", ErrUnusable, c.options.Architecture, strings.Join(there, ", "))
}

func (c *Client) checkLayers(manifest v1.Manifest) error {
	if len(manifest.Layers) == 0 || len(manifest.Layers) > c.options.Limits.Layers {
		return fmt.Errorf("%w: it has %d layers, and 1 to %d are taken", ErrUnusable, len(manifest.Layers), c.options.Limits.Layers)
	}
	left := c.options.Limits.Download
	for i, layer := range manifest.Layers {
		if !layer.MediaType.IsLayer() || !layer.MediaType.IsDistributable() {
			return fmt.Errorf("%w: layer %d is of the type %q, which is no file system", ErrUnusable, i+1, layer.MediaType)
		}
		if left -= layer.Size; layer.Size < 0 || left < 0 {
			return fmt.Errorf("%w: its layers have over %d bytes", ErrUnusable, c.options.Limits.Download)
		}
	}
	return nil
}

// config reads an image's configuration, which says for what it is and what its layers are unpacked.
func (s *session) config(ctx context.Context, manifest *v1.Manifest) (*v1.ConfigFile, error) {
	if !manifest.Config.MediaType.IsConfig() {
		return nil, fmt.Errorf("%w: its configuration is of the type %q, which is no image's", ErrUnusable, manifest.Config.MediaType)
	}
	text, _, err := s.document(ctx, "blobs", manifest.Config.Digest.String(), "")
	if err != nil {
		return nil, err
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("%w: its configuration cannot be read: %w", ErrUnusable, err)
	}
	if config.OS != "linux" || config.Architecture != s.client.options.Architecture {
		return nil, fmt.Errorf("%w: it is for %s/%s, and linux/%s is wanted", ErrUnusable, config.OS, config.Architecture, s.client.options.Architecture)
	}
	if len(config.RootFS.DiffIDs) != len(manifest.Layers) {
		return nil, fmt.Errorf("%w: %d layers and %d of them described", ErrUnusable, len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	return &config, nil
}
