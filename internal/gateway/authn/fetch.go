package authn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxSet       = 1 << 20
	maxRedirects = 3
	maxHead      = 64 << 10
)

// fetchError is why the keys of an issuer cannot be had. It says nothing of what the issuer answered.
type fetchError struct {
	from string
	err  error
}

func (e *fetchError) Error() string { return "fetch keys from " + e.from + ": " + e.err.Error() }
func (e *fetchError) Unwrap() error { return e.err }

// newClient is a client that is not sent on to where somebody could change the keys.
func newClient(o KeySetOptions) *http.Client {
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{
			DialContext:            (&net.Dialer{Timeout: o.Timeout}).DialContext,
			TLSHandshakeTimeout:    o.Timeout,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           atOnce,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHead,
		}
	}
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			if len(before) > maxRedirects {
				return fmt.Errorf("it sends us on more than %d times", maxRedirects)
			}
			if from := before[len(before)-1].URL; next.URL.Scheme != "https" && (from.Scheme == "https" || next.URL.Scheme != "http") {
				return errors.New("it sends us on to what is not https")
			}
			return allowed(o.Hosts, next.URL)
		},
	}
}

// allowed says whether a host may be asked.
func allowed(hosts []string, u *url.URL) error {
	if len(hosts) == 0 || slices.ContainsFunc(hosts, func(host string) bool { return strings.EqualFold(host, u.Hostname()) }) {
		return nil
	}
	return fmt.Errorf("the host %s is not one of those that this gateway asks for keys", u.Hostname())
}

// fetch fetches a JWK set.
func (k *KeySets) fetch(ctx context.Context, address string) (*keySet, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, k.opts.Timeout, fmt.Errorf("no answer within %s", k.opts.Timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the address is none")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, why(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d; want 200", resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxSet+1))
	if err != nil {
		return nil, why(ctx, err)
	}
	if len(text) > maxSet {
		return nil, fmt.Errorf("more than %d bytes", maxSet)
	}
	return readKeySet(text)
}

// why is an error of the client without the address, whose query may be signed.
func why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// shown is an address without what may be secret in it.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an issuer"
	}
	u.RawQuery = ""
	return u.Redacted()
}

// loopback says whether an address is on this machine.
func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
