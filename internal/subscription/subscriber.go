// Package subscription sends events to whoever subscribed: CloudEvents in structured mode, signed as Standard Webhooks says.
//
// What happened becomes deliveries in the transaction that moves the subscriber's cursor, so none is lost; each is sent again
// under the same webhook-id until it is taken or its plan is over, so it arrives at least once; and of one release each is
// sent only after the one before it has arrived or is dead. No release waits for any of it, and no subscriber for another.
package subscription

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// mostSubscribers bounds how many there are: each has its loop.
	mostSubscribers = 100
	// mostHeaders bounds the headers of a subscriber's own.
	mostHeaders = 20
)

// Subscriber is who is sent events.
type Subscriber struct {
	// Name is a DNS label.
	Name string
	// URL is where events are posted to: https, or http where AllowPrivate is set.
	URL string
	// Secrets sign what is sent, as whsec_ and base64 of 24 to 64 bytes: one, or two while one is replaced by the other.
	Secrets []string
	// AllowPrivate lets the address be one of this machine or of a private network.
	AllowPrivate bool
	// Headers are sent along. They may be secret.
	Headers map[string]string
	Filter  events.Filter
}

// String names the subscriber and hides its secrets.
func (s Subscriber) String() string { return s.Name }

// GoString hides the secrets.
func (s Subscriber) GoString() string { return s.Name }

// Check says everything that is wrong with a subscriber, each fault with its field.
func (s Subscriber) Check() error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if err := release.CheckName(s.Name); err != nil {
		fault("name", "%v", err)
	}
	if err := s.checkURL(); err != nil {
		fault("url", "%v", err)
	}
	if n := len(s.Secrets); n < 1 || n > 2 {
		fault("secret", "there are %d: give one, or two while one is replaced by the other", n)
	}
	for i, secret := range s.Secrets {
		if _, err := key(secret); err != nil {
			fault(fmt.Sprintf("secret[%d]", i), "%v", err)
		}
	}
	if len(s.Headers) > mostHeaders {
		fault("headers", "there are %d: at most %d are sent", len(s.Headers), mostHeaders)
	}
	for name, value := range s.Headers {
		switch {
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
			fault("headers", "%q cannot be sent as a header", name)
		case reserved(name):
			fault("headers", "%s is not yours to set", name)
		}
	}
	if err := s.Filter.Check(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// checkURL does not repeat the address: its path and query may be secret.
func (s Subscriber) checkURL() error {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return errors.New("is no address: write https://host/path")
	case u.User != nil:
		return errors.New("holds a name or a password: send an Authorization header under headers instead")
	case u.Scheme == "http" && !s.AllowPrivate:
		return errors.New("is http, which anybody on the way can read: write https, or allow-private: true for an address in the house")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("is of the scheme %q: write https://host/path", u.Scheme)
	default:
		return nil
	}
}

// Address is where a subscriber is without what may be secret: no query, and no path.
func (s Subscriber) Address() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

// reserved says whether a header is set by this program or by HTTP itself.
func reserved(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return strings.HasPrefix(name, "Webhook-") || slices.Contains([]string{
		"Host", "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Keep-Alive", "Te", "Trailer",
		"Upgrade", "User-Agent", "Expect", "Proxy-Connection",
	}, name)
}

// config is a sum of how a subscriber is configured, which changes with anything in it. It is keyed with the secret, so that
// nobody who reads the database can try what a header holds.
func (s Subscriber) config() (string, error) {
	secret, err := key(s.Secrets[0])
	if err != nil {
		return "", err
	}
	text, err := json.Marshal([]any{s.URL, s.Secrets, s.AllowPrivate, s.Headers, s.Filter})
	if err != nil {
		return "", err
	}
	sum := hmac.New(sha256.New, secret)
	sum.Write(text)
	return hex.EncodeToString(sum.Sum(nil)), nil
}
