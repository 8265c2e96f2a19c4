package policy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
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
	// Poll is how often the server is asked, about; 0 is every 5 seconds. After failures it is asked more and more seldom,
	// at least every 2 minutes or Poll.
	Poll time.Duration
	// Signature is how bundles have to be signed; nil takes them unsigned.
	Signature *Signature
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

// Bounds of [Server.Poll]: more often is a load, and more seldom leaves rules in force that were taken back long ago.
const (
	minPoll = time.Second
	maxPoll = time.Hour
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
	if s.Poll != 0 && (s.Poll < minPoll || s.Poll > maxPoll) {
		return fmt.Errorf("policy server: poll is %s: it is from %s to %s", s.Poll, minPoll, maxPoll)
	}
	if s.Cache == "" {
		return errors.New("policy server: cache is missing: name the file that keeps the last good bundle")
	}
	if s.Signature != nil {
		return s.Signature.check()
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
