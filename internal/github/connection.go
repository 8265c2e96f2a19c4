package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
)

// publicAPI is where GitHub answers unless another address is given.
const publicAPI = "https://api.github.com/"

// Secret is never printed.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }

// Access says where GitHub is and who we are there. Either Token is set, or AppID and AppKey are.
type Access struct {
	// API is the base address; empty is api.github.com. Enterprise Server has https://HOST/api/v3.
	API string
	// Host is the one in addresses of repositories, where it is not to be told from API's.
	Host  string
	Token Secret
	// AppID is the number of a GitHub App, AppKey its private key in PEM.
	AppID  int64
	AppKey Secret
	// Now is the clock; nil is the system's. Transport is how requests go; nil is Go's own.
	Now       func() time.Time
	Transport http.RoundTripper
}

// Connection is how GitHub is spoken to. It is safe for concurrent use.
type Connection struct {
	base      *url.URL
	hosts     map[string]bool
	transport http.RoundTripper
	now       func() time.Time
	token     Secret
	// app is nil when there is a token instead.
	app *app
}

// Connect checks access, and asks nobody yet.
func Connect(a Access) (*Connection, error) {
	c := &Connection{transport: a.Transport, now: a.Now, token: a.Token}
	if c.now == nil {
		c.now = time.Now
	}
	if c.transport == nil {
		c.transport = http.DefaultTransport
	}
	address := a.API
	if address == "" {
		address = publicAPI
	}
	var err error
	if c.base, err = url.Parse(strings.TrimSuffix(address, "/") + "/"); err != nil || c.base.Host == "" || c.base.User != nil ||
		c.base.Scheme != "https" && c.base.Scheme != "http" || c.base.RawQuery != "" || c.base.Fragment != "" {
		return nil, errors.New("github: the API's address is none: write https://HOST/api/v3, or leave it out for github.com")
	}
	c.hosts = hostsOf(c.base, a.Host)
	switch {
	case a.Token != "" && (a.AppID != 0 || a.AppKey != ""):
		return nil, errors.New("github: a token and an App are both set: we can be only one of them")
	case a.Token != "":
		return c, nil
	case a.AppID <= 0 || a.AppKey == "":
		return nil, errors.New("github: neither a token nor an App's id and key are set")
	}
	if c.app, err = newApp(a.AppID, a.AppKey); err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	return c, nil
}

// App says whether we are a GitHub App, and so may have check runs.
func (c *Connection) App() bool { return c.app != nil }

// account is whose rate limit a repository's requests count against: the installation's, of which every owner has one, or
// the token's.
func (c *Connection) account(r Repository) string {
	if c.app == nil {
		return "token"
	}
	return "app/" + strings.ToLower(r.Owner)
}

// Client speaks for one repository. Get one for each piece of work: it remembers limits by the system's clock. An App's
// token is got for it, or taken from the last hour.
func (c *Connection) Client(ctx context.Context, r Repository) (*github.Client, error) {
	token := c.token
	if c.app != nil {
		var err error
		if token, err = c.installationToken(ctx, r); err != nil {
			return nil, err
		}
	}
	return c.client(token), nil
}

func (c *Connection) client(token Secret) *github.Client {
	out := github.NewClient(&http.Client{
		Timeout:   requestBound,
		Transport: &authorized{base: c.base, token: token, next: c.transport},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			// A repository that was renamed answers by pointing at its new name, on the same host.
			if r.URL.Host != c.base.Host || r.URL.Scheme != c.base.Scheme || len(via) > mostRedirects {
				return http.ErrUseLastResponse
			}
			return nil
		},
	})
	base := *c.base
	out.BaseURL = &base
	out.UserAgent = "skyisland"
	return out
}
