// Package webhook posts JSON to the addresses that chats give out. Such an address is a secret and leads out of the
// house: so it never stands in an error, nobody can lead us on from it, and what comes back is bounded.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// timeout is for one exchange; chats answer within a second or two.
	timeout = 10 * time.Second
	// mostAnswer bounds what is read of an answer, which is a few hundred bytes.
	mostAnswer = 64 << 10
)

// NewClient is a client for [Post]: it follows no redirects, because what is posted is for one address only.
func NewClient() *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	// Body is at most 64 KiB of it.
	Body []byte
}

// Encode is a value as JSON in one line, with < and > as they are: chats count bytes.
func Encode(value any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

// Send sends a JSON body, with a header of its own if need be. Any answer is no error, whatever its status. An error
// names the host and nothing else of the address.
func Send(ctx context.Context, client *http.Client, method, address string, header http.Header, body []byte) (Answer, error) {
	to, err := url.Parse(address)
	if err != nil {
		return Answer{}, errors.New("the address is not a URL")
	}
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return Answer{}, errors.New("the address is not a URL that can be asked")
	}
	for key, values := range header {
		request.Header[key] = values
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	response, err := client.Do(request)
	if err != nil {
		// A url.Error repeats the whole address.
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return Answer{}, fmt.Errorf("ask %s: %w", to.Host, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer of %s: %w", to.Host, err)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: answer}, nil
}
