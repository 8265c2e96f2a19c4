package oci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/skyisland/skyisland/internal/release"
)

var (
	// ErrRefused is returned when a registry does not let us in: with these credentials, or without any.
	ErrRefused = errors.New("the registry refuses")
	// ErrCorrupt is returned when a registry serves other bytes than the digest names.
	ErrCorrupt = errors.New("the registry serves other bytes")
	// ErrUnusable is returned for an image that no artifact can be made of, however often one tries.
	ErrUnusable = errors.New("no artifact can be made of the image")
	// errPlain is an address that would be spoken to without encryption.
	errPlain = errors.New("plain HTTP is spoken on this machine only, unless the configuration says insecure")
)

// Credentials say how a registry is spoken with. The zero value is anonymous, over TLS.
type Credentials struct {
	User, Password string
	// Token is a bearer token for the registry itself, instead of user and password.
	Token string
	// Keychain asks the credentials of docker's configuration file, and its helpers, on this machine.
	Keychain bool
	// Insecure lets the registry be spoken to by plain HTTP. A registry on a loopback address always may.
	Insecure bool
}

// Options are what a client is made of.
type Options struct {
	// Credentials are those for a repository, such as registry.example/acme/api. Nil is anonymous everywhere.
	Credentials func(repository string) Credentials
	// Limits bound what is taken from a registry; the zero value is [DefaultLimits].
	Limits Limits
	// Timeout bounds one transfer; 0 is ten minutes.
	Timeout time.Duration
	// Pause is the wait before what failed for the moment is tried again, three times longer before the second time, and
	// then no more; 0 is one second.
	Pause time.Duration
	// Architecture is the one images are wanted for, as Go names it; empty is this machine's.
	Architecture string
}

// Limits bound what is taken from a registry.
type Limits struct {
	// Download is the most an image's layers may have together as they are sent, Bytes the most that is unpacked of them,
	// both in bytes; Entries is the most files, folders and links in all layers, and Layers the most layers.
	Download, Bytes int64
	Entries, Layers int
}

// DefaultLimits are 2 GiB sent, 4 GiB unpacked, 400,000 entries and 128 layers. What an artifact may be of it is its
// store's to say.
func DefaultLimits() Limits {
	return Limits{Download: 2 << 30, Bytes: 4 << 30, Entries: 400_000, Layers: 128}
}

// documentBytes bounds a manifest and an image's configuration. Registries refuse manifests over 4 MiB.
const documentBytes = 4 << 20

// Client speaks with registries. It is safe for concurrent use.
type Client struct {
	options Options
	base    *http.Transport
}

// New is a client. It speaks with nobody yet.
func New(o Options) *Client {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Minute
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	if o.Architecture == "" {
		o.Architecture = runtime.GOARCH
	}
	if o.Credentials == nil {
		o.Credentials = func(string) Credentials { return Credentials{} }
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	// A registry may take its time for the answer to the last byte of a large layer.
	return &Client{options: o, base: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
		MaxIdleConns: 20, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 2 * time.Minute, ExpectContinueTimeout: time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// Layers are compressed already, and a digest is of what is sent.
		DisableCompression: true,
	}}
}

// session speaks with one repository, and is let in.
type session struct {
	client *Client
	repo   name.Repository
	// through sends the credentials that the registry wants, to the registry only.
	through http.RoundTripper
}

// open says hello to a repository's registry. What is wanted there is pull, or push,pull.
func (c *Client) open(ctx context.Context, repository, wanted string) (*session, error) {
	credentials := c.options.Credentials(repository)
	strict := []name.Option{name.StrictValidation}
	if credentials.Insecure {
		strict = append(strict, name.Insecure)
	}
	repo, err := name.NewRepository(repository, strict...)
	if err != nil {
		return nil, fmt.Errorf("%q is no repository: %w", repository, err)
	}
	auth, err := authenticator(credentials, repo)
	if err != nil {
		return nil, fmt.Errorf("credentials for %s: %w", repository, err)
	}
	base := &guard{inner: c.base, plain: func(host string) bool {
		return loopback(host) || credentials.Insecure && host == hostOf(repo.RegistryStr())
	}}
	patient := transport.NewRetry(base,
		transport.WithRetryBackoff(transport.Backoff{Duration: c.options.Pause, Factor: 3, Jitter: 0.1, Steps: 3}),
		transport.WithRetryStatusCodes(http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout))
	through, err := transport.NewWithContext(ctx, repo.Registry, auth, transport.NewUserAgent(patient, "skyisland"), []string{repo.Scope(wanted)})
	if err != nil {
		return nil, fmt.Errorf("speak with %s: %w", repo.RegistryStr(), told(err))
	}
	return &session{client: c, repo: repo, through: through}, nil
}

func authenticator(c Credentials, repo name.Repository) (authn.Authenticator, error) {
	switch {
	case c.Token != "":
		return authn.FromConfig(authn.AuthConfig{RegistryToken: c.Token}), nil
	case c.User != "" || c.Password != "":
		return authn.FromConfig(authn.AuthConfig{Username: c.User, Password: c.Password}), nil
	case c.Keychain:
		return authn.DefaultKeychain.Resolve(repo)
	default:
		return authn.Anonymous, nil
	}
}

// guard keeps requests from going out in plain text, also where a registry or a redirect leads there.
type guard struct {
	inner http.RoundTripper
	plain func(host string) bool
}

// RoundTrip sends a request, or refuses to.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !g.plain(r.URL.Hostname()) {
		return nil, fmt.Errorf("%s: %w", r.URL.Host, errPlain)
	}
	return g.inner.RoundTrip(r)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// hostOf is a registry's name without its port.
func hostOf(registry string) string {
	if host, _, err := net.SplitHostPort(registry); err == nil {
		return host
	}
	return strings.Trim(registry, "[]")
}

// told turns what a registry says into the words of this package.
func told(err error) error {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.StatusCode {
	case http.StatusNotFound:
		return fmt.Errorf("%w: %w", release.ErrNotFound, err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	default:
		return err
	}
}
