package oci

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/skyisland/skyisland/internal/release"
)

// manifestTypes are the manifests that are read.
var manifestTypes = strings.Join([]string{
	string(types.OCIImageIndex), string(types.DockerManifestList), string(types.OCIManifestSchema1), string(types.DockerManifestSchema2),
}, ", ")

// get asks the registry for a manifest or a blob; the body is the caller's to read, to close, and not to believe.
func (s *session) get(ctx context.Context, kind, which, accept string) (*http.Response, error) {
	at := url.URL{Scheme: s.repo.Scheme(), Host: s.repo.RegistryStr(), Path: "/v2/" + s.repo.RepositoryStr() + "/" + kind + "/" + which}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	client := http.Client{Transport: s.through}
	answer, err := client.Do(request)
	if err != nil {
		return nil, told(withoutQuery(err))
	}
	if err := transport.CheckError(answer, http.StatusOK); err != nil {
		answer.Body.Close()
		return nil, told(err)
	}
	return answer, nil
}

// withoutQuery is an error of the HTTP client without the query of its address: where a registry points to its storage, that
// lets in whoever has it.
func withoutQuery(err error) error {
	var failed *url.Error
	if !errors.As(err, &failed) {
		return err
	}
	at, wrong := url.Parse(failed.URL)
	if wrong != nil {
		return failed.Err
	}
	return fmt.Errorf("%s %s://%s%s: %w", strings.ToUpper(failed.Op), at.Scheme, at.Host, at.Path, failed.Err)
}

// copyTo copies a manifest or a blob of at most so many bytes, and compares it with its digest; of a tag it takes what
// comes. It returns the digest and size of what came.
func (s *session) copyTo(ctx context.Context, to io.Writer, kind, which, accept string, most int64) (release.Digest, int64, error) {
	// No tag has a colon: what has one is to be a digest, or nothing could be compared.
	wanted := release.Digest(which)
	pinned := strings.Contains(which, ":")
	if pinned && wanted.Check() != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrUnusable, wanted.Check())
	}
	answer, err := s.get(ctx, kind, which, accept)
	if err != nil {
		return "", 0, err
	}
	defer answer.Body.Close()
	if answer.ContentLength > most {
		return "", 0, fmt.Errorf("%w: %s has %d bytes, at most %d are taken", ErrUnusable, which, answer.ContentLength, most)
	}
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, hash), io.LimitReader(answer.Body, most+1))
	if err != nil {
		return "", n, fmt.Errorf("read %s: %w", which, err)
	}
	if n > most {
		return "", n, fmt.Errorf("%w: %s has over %d bytes", ErrUnusable, which, most)
	}
	found := release.Digest("sha256:" + hex.EncodeToString(hash.Sum(nil)))
	if pinned && found != wanted {
		return "", n, fmt.Errorf("%w: %s asked for, %s came", ErrCorrupt, wanted, found)
	}
	return found, n, nil
}

// document reads a manifest, by digest or by tag, or a blob that is one.
func (s *session) document(ctx context.Context, kind, which, accept string) ([]byte, release.Digest, error) {
	var out bytes.Buffer
	digest, _, err := s.copyTo(ctx, &out, kind, which, accept, documentBytes)
	return out.Bytes(), digest, err
}
