package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// remote is the rules of a server.
type remote struct {
	Server

	// tag is what the server called the bundle that it gave last, in force or refused, and next is that bundle.
	tag  string
	next []byte
	// unkept is the bundle in force until it is stored.
	unkept []byte
}

// look asks the server, which need not send the bundle that it gave last again.
func (r *remote) look(ctx context.Context) (*finding, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("policy server: %w", err)
	}
	if r.tag != "" {
		request.Header.Set("If-None-Match", r.tag)
	}
	if r.Token != "" {
		request.Header.Set("Authorization", "Bearer "+r.Token)
	}
	answer, err := r.Client.Do(request)
	if asked := (*url.Error)(nil); errors.As(err, &asked) {
		// It names the whole address, also one that we were sent on to; its query may be signed.
		err = asked.Err
	}
	if err != nil {
		return nil, &awayError{cause: fmt.Errorf("policy server: %w", err)}
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case http.StatusNotModified:
		return nil, nil //nolint:nilnil // nothing new is an answer
	case http.StatusOK:
	default:
		return nil, &awayError{fmt.Errorf("policy server: it answers %s", answer.Status), retryAfter(answer.Header, time.Now())}
	}
	bundle, err := io.ReadAll(io.LimitReader(answer.Body, maxBundle+1))
	if err != nil {
		return nil, &awayError{cause: fmt.Errorf("policy server: read the bundle: %w", err)}
	}
	r.tag, r.next = answer.Header.Get("ETag"), bundle
	return &finding{sum: sha256.Sum256(bundle), tag: r.tag, open: func() (content, error) {
		there, err := unpack(bundle, r.Signature)
		if err != nil {
			return content{}, fmt.Errorf("policy server: %w", err)
		}
		return there, nil
	}}, nil
}

func (r *remote) again() { r.tag = "" }

func (r *remote) pace() *pace {
	if r.Poll == 0 {
		return &pace{each: defaultPoll}
	}
	return &pace{each: r.Poll}
}

func (r *remote) taken() { r.unkept = r.next }

// keep stores the bundle for a start without the server, whole or not at all.
func (r *remote) keep() error {
	if r.unkept == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(r.Cache), 0o700); err != nil {
		return fmt.Errorf("keep the bundle: %w", err)
	}
	temporary := r.Cache + ".new"
	if err := writeSynced(temporary, r.unkept); err != nil {
		return fmt.Errorf("keep the bundle: %w", err)
	}
	if err := os.Rename(temporary, r.Cache); err != nil {
		return fmt.Errorf("keep the bundle: %w", err)
	}
	r.unkept = nil
	return nil
}

// writeSynced writes a file that is on the disk when it returns, so that a name given to it later is never of half a file.
func writeSynced(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// kept is the last good bundle.
func (r *remote) kept() (content, error) {
	bundle, err := os.ReadFile(r.Cache)
	if errors.Is(err, fs.ErrNotExist) {
		return content{}, fmt.Errorf("no bundle is kept in %s from an earlier start", r.Cache)
	}
	if err != nil {
		return content{}, fmt.Errorf("read the kept bundle: %w", err)
	}
	there, err := unpack(bundle, r.Signature)
	if err != nil {
		return content{}, fmt.Errorf("read the kept bundle %s: %w", r.Cache, err)
	}
	return there, nil
}
