// Package client speaks the API of package api. Every error it returns is a sentence for people; one
// that the server gave is an [*Error], which programs can look into.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/api"
)

const (
	// answerTimeout bounds one question; an instruction may wait for rules and a journal.
	answerTimeout = 90 * time.Second
	// answerLimit bounds an answer that is read as a whole, in bytes.
	answerLimit = 32 << 20
)

// Client speaks to one server. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	// http is for questions and streams alike; questions are bounded by their context.
	http *http.Client
}

// New is a client of the server at an address such as http://127.0.0.1:7780. The token may be empty;
// then only [Client.Health] is answered.
func New(server, token string) (*Client, error) {
	base, err := url.Parse(server)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("%q is not the address of a server: write http://host:port", server)
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	return &Client{base: base, token: strings.TrimSpace(token), http: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: answerTimeout, MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 4,
		},
		// A token must not follow a redirect to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Server is the address the client speaks to.
func (c *Client) Server() string { return c.base.String() }

// Error is a server's refusal.
type Error struct{ Problem api.Problem }

// Error is the problem's sentence.
func (e *Error) Error() string {
	if e.Problem.Status >= http.StatusInternalServerError && e.Problem.Request != "" {
		return e.Problem.Detail + " (request " + e.Problem.Request + ")"
	}
	return e.Problem.Detail
}

// UnreachableError is returned when no server answers at the address.
type UnreachableError struct {
	Server string
	Err    error
}

// Error says where nobody answered, and what to do.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no server answers at %s (%v): start one, or name another with --server", e.Server, e.Err)
}

// Unwrap is why.
func (e *UnreachableError) Unwrap() error { return e.Err }

// LostError is returned when a stream ends that the server had begun: the connection was lost, or the server ends.
type LostError struct {
	Server string
	Err    error
}

// Error says whose stream it was.
func (e *LostError) Error() string {
	return fmt.Sprintf("the connection to %s was lost: %v", e.Server, e.Err)
}

// Unwrap is why.
func (e *LostError) Unwrap() error { return e.Err }

// open sends a request and returns an answer of 2xx, whose body is the caller's to close. What is posted carries a key, so
// that a request whose answer was lost can be sent once more without being done twice.
func (c *Client) open(ctx context.Context, method, path string, values url.Values, body any) (*http.Response, error) {
	header := http.Header{}
	if method == http.MethodPost {
		header.Set(keyHeader, newKey())
	}
	return c.openWith(ctx, header, method, path, values, body)
}

// keyHeader carries the key by which a request is known that is sent again.
const keyHeader = "Idempotency-Key"

// newKey is a key that no other request has.
func newKey() string { return strings.ToLower(rand.Text()) }

// openWith is open with headers of the caller's own.
func (c *Client) openWith(ctx context.Context, header http.Header, method, path string, values url.Values, body any) (*http.Response, error) {
	var encoded []byte
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
	}
	address, err := c.address(path)
	if err != nil {
		return nil, err
	}
	address.RawQuery = values.Encode()
	request := func() (*http.Response, error) { return c.send(ctx, method, address.String(), encoded, header) }
	res, err := request()
	if lost(err) && ctx.Err() == nil {
		res, err = c.again(ctx, request)
	}
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.refused(res)
}

// address is where a path of the API is, which is escaped already: a name in it may have a slash.
func (c *Client) address(path string) (url.URL, error) {
	address := *c.base
	plain, err := url.PathUnescape(path)
	if err != nil {
		return address, fmt.Errorf("write the request: %w", err)
	}
	address.RawPath = address.EscapedPath() + path
	address.Path += plain
	return address, nil
}

// again sends a request whose answer was lost once more. While the server is still busy with it, that one is waited for.
func (c *Client) again(ctx context.Context, request func() (*http.Response, error)) (*http.Response, error) {
	for {
		res, err := request()
		if err != nil || res.StatusCode != http.StatusConflict {
			return res, err
		}
		data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		res.Body.Close()
		if err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(data))
		if !busy(data) || !wait(ctx, busyWait) {
			return res, nil
		}
	}
}

// busy says whether an answer is that the server is still doing what it was asked before.
func busy(answer []byte) bool {
	var problem api.Problem
	return json.Unmarshal(answer, &problem) == nil && problem.Code() == api.CodeInProgress
}

// busyWait is how long the server is left alone that is busy with what it was asked before; it is what it asks for.
const busyWait = time.Second

func (c *Client) send(ctx context.Context, method, address string, body []byte, header http.Header) (*http.Response, error) {
	var sent io.Reader
	if body != nil {
		sent = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, sent)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, header)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return c.http.Do(req)
}

// lost says whether a connection ended before the answer. One that was never made tells that nobody is there, which the
// next would not change.
func lost(err error) bool {
	var op *net.OpError
	return err != nil && (!errors.As(err, &op) || op.Op != "dial") && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask %s: %w", c.base, context.Cause(ctx))
	}
	// The address is in the sentence already.
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &UnreachableError{Server: c.base.String(), Err: err}
}

// refused reads a problem. What answers without one is not our server, or something before it.
func (c *Client) refused(res *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return c.unreachable(res.Request.Context(), err)
	}
	var problem api.Problem
	if json.Unmarshal(data, &problem) == nil && problem.Detail != "" && strings.HasPrefix(res.Header.Get("Content-Type"), api.ProblemType) {
		problem.Status = res.StatusCode
		return &Error{problem}
	}
	return fmt.Errorf("%s answered %s, and not as a Sky Island server would: is the address right?", c.base, res.Status)
}

// call asks a question and reads the answer into result.
func (c *Client) call(ctx context.Context, method, path string, values url.Values, body, result any) error {
	return c.read(ctx, result, func(ctx context.Context) (*http.Response, error) { return c.open(ctx, method, path, values, body) })
}

// read reads the answer to a question into result.
func (c *Client) read(ctx context.Context, result any, open func(context.Context) (*http.Response, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, fmt.Errorf("no answer within %s", answerTimeout))
	defer cancel()
	res, err := open(ctx)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if result == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(res.Body, answerLimit))
	} else {
		err = json.NewDecoder(io.LimitReader(res.Body, answerLimit)).Decode(result)
	}
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	return nil
}

// ask is call with its result returned.
func ask[T any](ctx context.Context, c *Client, method, path string, values url.Values, body any) (T, error) {
	var out T
	err := c.call(ctx, method, path, values, body, &out)
	return out, err
}
