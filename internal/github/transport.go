package github

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// requestBound is how long one request may take with its answer.
	requestBound = 20 * time.Second
	// mostRedirects is how often a request may be pointed elsewhere.
	mostRedirects = 3
	// answerLimit is the most bytes of an answer that are read; a page of a hundred deployments has far less.
	answerLimit = 16 << 20
)

// authorized says who we are to the API's own host, and to nobody else.
type authorized struct {
	base  *url.URL
	token Secret
	next  http.RoundTripper
}

// RoundTrip sends a copy of the request with the token.
func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == a.base.Host && r.URL.Scheme == a.base.Scheme && a.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+string(a.token))
	}
	answer, err := a.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = &limited{answer.Body, answerLimit}
	return answer, nil
}

var errTooLarge = errors.New("github: the answer is larger than 16 MiB")

// limited is a body that fails instead of going on for ever.
type limited struct {
	io.ReadCloser

	left int64
}

// Read reads until the limit.
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	n, err := l.ReadCloser.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
