package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Server is an OPA bundle server: it gives the rules as a tarball, and says by its ETag whether they changed.
type Server struct {
	// URL is the bundle's address: https, or http on this machine.
	URL string
	// Token is sent as a bearer token; empty is none. It is never logged.
	Token string
	// Cache is the file that keeps the last good bundle, for a start when the server is away.
	Cache string
	// Client asks; nil is one with a time-out of 10 seconds.
	Client *http.Client
}

// String tells no secrets.
func (s Server) String() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return "a bundle server"
	}
	// A query may be signed.
	u.RawQuery = ""
	return u.Redacted()
}

// GoString tells no secrets.
func (s Server) GoString() string { return s.String() }

// Bounds of a bundle: what a server may send, and what it may unpack to.
const (
	maxBundle      = 16 << 20
	maxBundleFiles = 10_000
	maxUnpacked    = maxRules + maxBundleFiles*1024
	serverTimeout  = 10 * time.Second
)

// check says what is wrong with the address of a server.
func (s Server) check() error {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("policy server: url is not an address: write https://host/bundles/skyisland.tar.gz")
	}
	if u.Scheme == "http" && !here(u) {
		return errors.New("policy server: http is for this machine only: whoever can change the answer can change the rules; write https")
	}
	if s.Cache == "" {
		return errors.New("policy server: cache is missing: name the file that keeps the last good bundle")
	}
	return nil
}

// here says whether an address is on this machine.
func here(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// maxRedirects is how often a server may send us on: to its store, and there to the nearest copy.
const maxRedirects = 3

// careful is a client that is not sent on to where somebody could read the token or change the rules. The address in the
// error is without its query, which may be signed.
func careful(client http.Client) *http.Client {
	client.CheckRedirect = func(next *http.Request, before []*http.Request) error {
		if len(before) > maxRedirects {
			return fmt.Errorf("it sends us on more than %d times", maxRedirects)
		}
		from := before[len(before)-1].URL
		if next.URL.Scheme != "https" && (from.Scheme == "https" || next.URL.Scheme != "http" || !here(next.URL)) {
			return fmt.Errorf("it sends us on to %s://%s, which is not https", next.URL.Scheme, next.URL.Host)
		}
		return nil
	}
	return &client
}

// remote is the rules of a server.
type remote struct {
	Server

	// etag and force are of the bundle in force, the next ones of the bundle that was looked at last.
	etag, nextTag string
	force         [sha256.Size]byte
	next          []byte
	// unkept is the bundle in force until it is stored.
	unkept []byte
}

// look asks the server, without the bundle when it has not changed.
func (r *remote) look(ctx context.Context) (map[string][]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("policy server: %w", err)
	}
	if r.etag != "" {
		request.Header.Set("If-None-Match", r.etag)
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
		return nil, fmt.Errorf("policy server: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case http.StatusNotModified:
		return nil, nil //nolint:nilnil // nothing new is an answer
	case http.StatusOK:
	default:
		return nil, fmt.Errorf("policy server: it answers %s", answer.Status)
	}
	bundle, err := io.ReadAll(io.LimitReader(answer.Body, maxBundle+1))
	if err != nil {
		return nil, fmt.Errorf("policy server: read the bundle: %w", err)
	}
	if len(bundle) > maxBundle {
		return nil, fmt.Errorf("policy server: the bundle has more than %d bytes", maxBundle)
	}
	if sha256.Sum256(bundle) == r.force {
		// A server without ETags, or one that made a new one for the same.
		r.etag = answer.Header.Get("ETag")
		return nil, nil //nolint:nilnil // nothing new is an answer
	}
	files, err := unpack(bundle)
	if err != nil {
		return nil, fmt.Errorf("policy server: %w", err)
	}
	r.next, r.nextTag = bundle, answer.Header.Get("ETag")
	return files, nil
}

func (r *remote) taken() {
	r.etag, r.force, r.unkept, r.next = r.nextTag, sha256.Sum256(r.next), r.next, nil
}

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

// kept are the rules of the last good bundle.
func (r *remote) kept() (map[string][]byte, error) {
	bundle, err := os.ReadFile(r.Cache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no bundle is kept in %s from an earlier start", r.Cache)
	}
	if err != nil {
		return nil, fmt.Errorf("read the kept bundle: %w", err)
	}
	files, err := unpack(bundle)
	if err != nil {
		return nil, fmt.Errorf("read the kept bundle %s: %w", r.Cache, err)
	}
	return files, nil
}

// unpack reads a bundle: a gzipped tarball of Rego, in memory. Data belongs into the data file: two places that say when
// nothing is promoted would hide one another.
func unpack(bundle []byte) (map[string][]byte, error) {
	zipped, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		return nil, fmt.Errorf("the bundle is no gzipped tarball: %w", err)
	}
	bounded := &io.LimitedReader{R: zipped, N: maxUnpacked + 1}
	archive := tar.NewReader(bounded)
	files, size := map[string][]byte{}, 0
	for count := 0; ; count++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the bundle cannot be unpacked: %w", err)
		}
		name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
		if count > maxBundleFiles {
			return nil, fmt.Errorf("the bundle has more than %d files", maxBundleFiles)
		}
		data := slices.Contains([]string{"data.json", "data.yaml", "data.yml"}, path.Base(name))
		if header.Typeflag != tar.TypeReg || !isRule(name) && !data {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(archive, int64(maxRules-size)+1))
		if err != nil {
			return nil, fmt.Errorf("the bundle cannot be unpacked: %s: %w", name, err)
		}
		if size += len(text); size > maxRules {
			return nil, fmt.Errorf("the bundle has more than %d bytes", maxRules)
		}
		if data {
			var some map[string]any
			if err := json.Unmarshal(text, &some); err != nil || len(some) > 0 {
				return nil, fmt.Errorf("the bundle has data in %s: data belongs into policy.data", name)
			}
			continue
		}
		if _, twice := files[name]; twice {
			return nil, fmt.Errorf("the bundle has %s twice: which of them counts?", name)
		}
		files[name] = text
	}
	// To the end, where the checksum is: what was damaged on the way may still look like rules.
	if _, err := io.Copy(io.Discard, bounded); err != nil {
		return nil, fmt.Errorf("the bundle is damaged: %w", err)
	}
	if bounded.N <= 0 {
		// A reader that is at its bound looks like one at its end, and a rule that is lost may be a denial.
		return nil, fmt.Errorf("the bundle unpacks to more than %d bytes", maxUnpacked)
	}
	if len(files) == 0 {
		return nil, errors.New("the bundle has no rules: there is no *.rego file in it")
	}
	return files, nil
}
