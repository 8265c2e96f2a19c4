package actions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/skyisland/skyisland/internal/release"
)

// artifact is one that a run has uploaded. The library's own does not know digests.
type artifact struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Size    int64  `json:"size_in_bytes"`
	Expired bool   `json:"expired"`
	// Digest is that of the zip; older servers do not say it.
	Digest release.Digest `json:"digest"`
}

// mostArtifacts is how many artifacts of a run are looked at.
const mostArtifacts = 100

// Download writes the zip of an artifact that a run has uploaded, and returns the zip's digest and size in bytes. Where
// GitHub says a digest, other bytes are [ErrCorrupt]; an artifact that is not there, or no longer, is
// [release.ErrNotFound] with those that are, and one that is too large is [ErrUnusable].
func (a *Actions) Download(ctx context.Context, repository string, run int64, name string, to io.Writer) (release.Digest, int64, error) {
	digest, n, err := a.download(ctx, repository, run, name, to)
	if err != nil {
		return "", 0, fmt.Errorf("download artifact %q of run %d: %w", name, run, err)
	}
	return digest, n, nil
}

func (a *Actions) download(ctx context.Context, repository string, run int64, name string, to io.Writer) (release.Digest, int64, error) {
	client, owner, repo, err := a.find(ctx, repository)
	if err != nil {
		return "", 0, err
	}
	asking, cancel := context.WithTimeout(ctx, a.options.Timeout)
	defer cancel()
	found, err := a.artifact(asking, client, owner, repo, run, name)
	if err != nil {
		return "", 0, err
	}
	if found.Size > a.options.Most {
		return "", 0, fmt.Errorf("%w: it has %d bytes, at most %d are taken", ErrUnusable, found.Size, a.options.Most)
	}
	at, answer, err := client.Actions.DownloadArtifact(asking, owner, repo, found.ID, mostRedirects)
	if err != nil {
		return "", 0, a.told(answered(answer, err))
	}
	if err := safe(at); err != nil {
		return "", 0, err
	}
	ctx, stop := context.WithTimeout(ctx, a.options.Download)
	defer stop()
	return a.fetch(ctx, at, found.Digest, to)
}

// answered is what the library makes of other answers than one that points to a file: here it has words for none. An
// address that cannot be read is not shown.
func answered(answer *github.Response, err error) error {
	if answer == nil || answer.Response == nil || answer.StatusCode == http.StatusFound {
		return withoutAddress(err)
	}
	meant := github.CheckResponse(answer.Response)
	if meant == nil {
		return err
	}
	var refused *github.ErrorResponse
	if errors.As(meant, &refused) && refused.Message == "" {
		// The library has closed the body unread, so whose words they were is not to be told.
		refused.Message = answer.Status
	}
	return meant
}

// artifact is the newest of a name that a run has uploaded: an attempt that is repeated uploads again.
func (a *Actions) artifact(ctx context.Context, client *github.Client, owner, repo string, run int64, name string) (artifact, error) {
	var listed struct {
		Artifacts []artifact `json:"artifacts"`
	}
	at := fmt.Sprintf("repos/%s/%s/actions/runs/%d/artifacts?per_page=%d&name=%s", owner, repo, run, mostArtifacts, url.QueryEscape(name))
	request, err := client.NewRequest(http.MethodGet, at, nil)
	if err != nil {
		return artifact{}, err
	}
	if _, err := client.Do(ctx, request, &listed); err != nil {
		return artifact{}, a.told(err)
	}
	var newest artifact
	var others []string
	expired := false
	for _, one := range listed.Artifacts {
		switch {
		case one.Name != name:
			others = append(others, fmt.Sprintf("%q", one.Name))
		case one.Expired:
			expired = true
		case one.ID > newest.ID:
			newest = one
		}
	}
	switch {
	case newest.ID != 0:
		return newest, nil
	case expired:
		return artifact{}, fmt.Errorf("it has expired: run the workflow again: %w", release.ErrNotFound)
	case len(others) > 0:
		return artifact{}, fmt.Errorf("the run has only %s: %w", strings.Join(others, ", "), release.ErrNotFound)
	default:
		return artifact{}, fmt.Errorf("the run has uploaded none of that name: %w", release.ErrNotFound)
	}
}

// fetch reads a file from where GitHub keeps it. The address lets in whoever has it, so no error shows it.
func (a *Actions) fetch(ctx context.Context, at *url.URL, wanted release.Digest, to io.Writer) (release.Digest, int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return "", 0, fmt.Errorf("the address of the file at %s cannot be asked for", at.Host)
	}
	answer, err := a.files.Do(request)
	if err != nil {
		return "", 0, fmt.Errorf("ask %s for the file: %w", at.Host, withoutAddress(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", 0, fmt.Errorf("%s answers %s", at.Host, answer.Status)
	}
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, hash), io.LimitReader(answer.Body, a.options.Most+1))
	if err != nil {
		return "", 0, fmt.Errorf("read the file from %s: %w", at.Host, err)
	}
	if n > a.options.Most {
		return "", 0, fmt.Errorf("%w: it has over %d bytes", ErrUnusable, a.options.Most)
	}
	digest := release.Digest("sha256:" + hex.EncodeToString(hash.Sum(nil)))
	if wanted != "" && digest != wanted {
		return "", 0, fmt.Errorf("%w: %s announced, %s came", ErrCorrupt, wanted, digest)
	}
	return digest, n, nil
}

// withoutAddress is the reason alone of an error of the HTTP client.
func withoutAddress(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// safe refuses an address that would be read in plain text from another machine.
func safe(at *url.URL) error {
	ip := net.ParseIP(at.Hostname())
	if at.Scheme == "https" || at.Scheme == "http" && (at.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("GitHub keeps the file at %s://%s, and only https is read", at.Scheme, at.Host)
}
