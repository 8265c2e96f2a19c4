package cases

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Target is what cases are run against.
type Target struct {
	// Endpoints are the host:port of all instances; every case is run against each of them.
	Endpoints []string
	// Host is the host name of the route, when it has one; it is sent as the Host header.
	Host string
	// Path is the path of the route; a case without a path asks for it.
	Path string
}

// Result is what came of a run.
type Result struct {
	// Passed counts answers that were right: one for each case and instance.
	Passed   int       `json:"passed"`
	Failures []Failure `json:"failures,omitempty"`
	// Dropped is how many failures there were beyond those listed.
	Dropped int `json:"dropped,omitempty"`
}

// Failed counts the answers that were wrong.
func (r Result) Failed() int { return len(r.Failures) + r.Dropped }

// Failure is one answer that was not as expected.
type Failure struct {
	Case     string `json:"case"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Endpoint string `json:"endpoint"`
	// Reasons say each what was expected and what came instead.
	Reasons []string `json:"reasons"`
}

// String is one line: file:line: case (instance): reasons.
func (f Failure) String() string {
	place := ""
	if f.File != "" {
		place = fmt.Sprintf("%s:%d: ", f.File, f.Line)
	}
	reasons := ""
	for i, r := range f.Reasons {
		if i > 0 {
			reasons += "; "
		}
		reasons += r
	}
	return fmt.Sprintf("%s%s (%s): %s", place, f.Case, f.Endpoint, reasons)
}

const (
	// maxBody is the most of an answer that is read; a case that needs more is no case.
	maxBody = 1 << 20
	// maxFailures bounds what a candidate that is wrong everywhere can make us keep.
	maxFailures = 20
)

// Run runs every case against every endpoint, one after the other, since cases of one function may
// build on each other. done is called after each answer with how many there were and will be; it
// may be nil. Wrong answers are in the result. An error is returned when there is nothing to run,
// a case cannot be sent at all, or ctx ends.
func Run(ctx context.Context, target Target, all []Case, done func(n, of int)) (Result, error) {
	if len(all) == 0 || len(target.Endpoints) == 0 {
		return Result{}, fmt.Errorf("run cases: %d cases for %d instances: nothing to run", len(all), len(target.Endpoints))
	}
	client, closeIdle := newClient()
	defer closeIdle()
	var result Result
	n := 0
	for _, endpoint := range target.Endpoints {
		for _, c := range all {
			reasons, err := try(ctx, client, endpoint, target, c)
			if err != nil {
				return result, fmt.Errorf("run case %q: %w", c.Name, err)
			}
			switch {
			case len(reasons) == 0:
				result.Passed++
			case len(result.Failures) < maxFailures:
				result.Failures = append(result.Failures,
					Failure{Case: c.Name, File: c.File, Line: c.Line, Endpoint: endpoint, Reasons: reasons})
			default:
				result.Dropped++
			}
			n++
			if done != nil {
				done(n, len(all)*len(target.Endpoints))
			}
		}
	}
	return result, nil
}

// newClient is a client that goes straight to an instance: no proxy, no cookies, and an answer is
// what the instance said, not where it points.
func newClient() (*http.Client, func()) {
	transport := &http.Transport{MaxResponseHeaderBytes: 64 << 10, DisableCompression: true}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, transport.CloseIdleConnections
}

// try sends one case to one instance. It returns what is wrong with the answer.
func try(ctx context.Context, client *http.Client, endpoint string, target Target, c Case) ([]string, error) {
	limited, cancel := context.WithTimeout(ctx, c.Expect.Within.Std())
	defer cancel()
	req, err := request(limited, endpoint, target, c.Request)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	res, err := client.Do(req)
	var body []byte
	if err == nil {
		defer res.Body.Close()
		body, err = io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return []string{fmt.Sprintf("expected an answer within %s, got none", c.Expect.Within)}, nil
	case err != nil:
		return []string{"expected an answer, got " + cause(err)}, nil
	case len(body) > maxBody:
		return []string{fmt.Sprintf("expected an answer of at most %d bytes, got more", maxBody)}, nil
	}
	reasons := c.Expect.judge(res, body)
	if took := time.Since(begun); took > c.Expect.Within.Std() {
		reasons = append(reasons, fmt.Sprintf("expected an answer within %s, got it after %s", c.Expect.Within, took.Round(time.Millisecond)))
	}
	return reasons, nil
}

// cause is an error without the request's method and address, which the failure has already.
func cause(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err.Error()
	}
	return err.Error()
}

// request builds what is sent to an instance.
func request(ctx context.Context, endpoint string, target Target, r Request) (*http.Request, error) {
	path := r.Path
	if path == "" {
		path = target.Path
	}
	if path == "" {
		path = "/"
	}
	query := url.Values{}
	for name, value := range r.Query {
		query.Set(name, value)
	}
	address := "http://" + endpoint + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	body := []byte(r.Body)
	if r.JSON != nil {
		var err error
		if body, err = json.Marshal(r.JSON); err != nil {
			return nil, fmt.Errorf("encode the JSON to send: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	if len(body) == 0 {
		req.Body, req.GetBody = http.NoBody, nil
	}
	req.Header.Set("User-Agent", "skyisland-cases")
	req.Header.Set("Traceparent", traceparent())
	if r.JSON != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Host = target.Host
	for name, value := range r.Headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	return req, nil
}

// traceparent begins a sampled trace of its own (W3C Trace Context), so that the function's logs
// of a case can be told apart.
func traceparent() string {
	var id [24]byte
	_, _ = rand.Read(id[:]) // It never fails: the program ends when the system has no randomness.
	return "00-" + hex.EncodeToString(id[:16]) + "-" + hex.EncodeToString(id[16:]) + "-01"
}
