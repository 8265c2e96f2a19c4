package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/release"
)

// ErrUnreachable is returned when a gateway gave no answer that could be read. Whether it acted is not
// known; every call can be repeated.
var ErrUnreachable = errors.New("gateway unreachable")

// ErrUnauthorized is returned when a gateway does not take the token.
var ErrUnauthorized = errors.New("gateway does not take the token")

// callTimeout bounds every call that does not wait by its nature.
const callTimeout = 10 * time.Second

// Client talks to one gateway. It is safe for concurrent use.
type Client struct {
	name, base, token string
	http              *http.Client
}

// NewClient returns a client for the gateway whose control protocol is served at base, such as
// "http://127.0.0.1:7070". The name is the caller's own for it and stands in errors. Certificates of
// https addresses are verified against the system's roots.
func NewClient(name, base, token string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("gateway %s: address %q: want http://host:port or https://host:port", name, base)
	}
	if token == "" {
		return nil, fmt.Errorf("gateway %s: the token is empty", name)
	}
	transport := &http.Transport{
		MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: callTimeout, MaxResponseHeaderBytes: 64 << 10,
	}
	return &Client{
		name: name, base: strings.TrimRight(u.String(), "/"), token: token,
		http: &http.Client{
			Transport: transport,
			// The protocol has no redirects, and the token is for this address only.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Name is what the caller named the gateway.
func (c *Client) Name() string { return c.name }

// Apply is [gateway.Gateway.Apply].
func (c *Client) Apply(ctx context.Context, routes []release.Route) (release.Receipt, error) {
	var receipt release.Receipt
	err := c.call(ctx, callTimeout, http.MethodPut, "/v1/routes", nil, routeList{routes}, &receipt)
	return receipt, c.explain("apply routes", err)
}

// Check is [gateway.Gateway.Check].
func (c *Client) Check(ctx context.Context, routes []release.Route) error {
	err := c.call(ctx, callTimeout, http.MethodPost, "/v1/routes/check", nil, routeList{routes}, nil)
	return c.explain("check routes", err)
}

// Remove is [gateway.Gateway.Remove].
func (c *Client) Remove(ctx context.Context, key string, version int64) error {
	query := url.Values{"key": {key}, "version": {strconv.FormatInt(version, 10)}}
	return c.explain("remove route", c.call(ctx, callTimeout, http.MethodDelete, "/v1/routes", query, nil, nil))
}

// Renew is [gateway.Gateway.Renew].
func (c *Client) Renew(ctx context.Context, keys []string, version int64, ttl time.Duration) error {
	err := c.call(ctx, callTimeout, http.MethodPost, "/v1/leases", nil, renewal{keys, version, release.Duration(ttl)}, nil)
	return c.explain("renew leases", err)
}

// Evidence is [gateway.Gateway.Evidence].
func (c *Client) Evidence(ctx context.Context, release string, after map[string]gateway.Cursor, wait time.Duration) (gateway.Evidence, error) {
	query := url.Values{"release": {release}, "wait": {wait.String()}}
	for key, cursor := range after {
		query.Add("after", encodeCursor(key, cursor))
	}
	var e gateway.Evidence
	err := c.call(ctx, wait+callTimeout, http.MethodGet, "/v1/evidence", query, nil, &e)
	return e, c.explain("read evidence", err)
}

// Drain is [gateway.Gateway.Drain]. It waits as long as ctx lets it.
func (c *Client) Drain(ctx context.Context, lane release.Lane, revision string) error {
	path := "/v1/revisions/" + url.PathEscape(revision) + "/drain"
	return c.explain("drain", c.call(ctx, 0, http.MethodPost, path, url.Values{"lane": {lane.String()}}, nil, nil))
}

// State is [gateway.Gateway.State].
func (c *Client) State(ctx context.Context) (gateway.State, error) {
	var s gateway.State
	err := c.call(ctx, callTimeout, http.MethodGet, "/v1/routes", nil, nil, &s)
	return s, c.explain("read routes", err)
}

// Stats is [gateway.Gateway.Stats].
func (c *Client) Stats(ctx context.Context) (gateway.Stats, error) {
	var s gateway.Stats
	err := c.call(ctx, callTimeout, http.MethodGet, "/v1/stats", nil, nil, &s)
	return s, c.explain("read counters", err)
}

// Health returns nil when the gateway answers.
func (c *Client) Health(ctx context.Context) error {
	return c.explain("ask for health", c.call(ctx, callTimeout, http.MethodGet, "/healthz", nil, nil, nil))
}

// Close ends the connections that are kept for the next call.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("gateway %s: %s: %w", c.name, what, err)
}

// call sends one request. A timeout of 0 leaves the time to ctx.
func (c *Client) call(ctx context.Context, timeout time.Duration, method, path string, query url.Values, in, out any) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%w: encode: %w", gateway.ErrInvalid, err)
		}
		body = bytes.NewReader(encoded)
	}
	address := c.base + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if method != http.MethodGet {
		// Every call states what is wanted and can be repeated, so the transport may send it again when
		// a kept connection turns out to be closed. An empty value is not sent.
		req.Header["Idempotency-Key"] = []string{}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer resp.Body.Close()
	return decodeReply(resp, out)
}

func decodeReply(resp *http.Response, out any) error {
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return fmt.Errorf("%w: read answer: %w", ErrUnreachable, err)
	}
	if len(content) > maxReply {
		return fmt.Errorf("%w: the answer has more than %d bytes", ErrUnreachable, maxReply)
	}
	if resp.StatusCode != http.StatusOK {
		return problemError(resp.StatusCode, content)
	}
	if out == nil {
		return nil
	}
	// Unknown fields are let through: a newer gateway may say more.
	if err := json.Unmarshal(content, out); err != nil {
		return fmt.Errorf("%w: read answer: %w", ErrUnreachable, err)
	}
	return nil
}

// remoteError is a gateway's own words, with the error they came from.
type remoteError struct {
	detail string
	kind   error
}

func (e *remoteError) Error() string { return e.detail }
func (e *remoteError) Unwrap() error { return e.kind }

func problemError(status int, content []byte) error {
	var p problem
	if err := json.Unmarshal(content, &p); err != nil || p.Code == "" {
		// Something else answers at the gateway's address.
		return fmt.Errorf("%w: status %d: %.200q", ErrUnreachable, status, content)
	}
	kinds := map[string]error{
		codeConflict: release.ErrConflict, codeLapsed: release.ErrLapsed, codeNotFound: release.ErrNotFound, codeInvalid: gateway.ErrInvalid,
		codeNotSaved: gateway.ErrNotSaved, codeUnauthorized: ErrUnauthorized, codeUnfinished: context.DeadlineExceeded,
	}
	return &remoteError{p.Detail, kinds[p.Code]}
}
