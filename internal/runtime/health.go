package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// firstCheck grows to lastCheck while an instance is not healthy; steadyCheck is the interval
	// while it is.
	firstCheck  = 50 * time.Millisecond
	lastCheck   = time.Second
	steadyCheck = 5 * time.Second
	// checkTimeout bounds one check, checkBytes what is read of its answer.
	checkTimeout = 2 * time.Second
	checkBytes   = 64 << 10
)

// newChecker is a client for health checks: it follows no redirect, which is an answer other than
// 2xx, and keeps no connection, so that every check is one a new client would make.
func newChecker() *http.Client {
	return &http.Client{
		Timeout:       checkTimeout,
		Transport:     &http.Transport{DisableKeepAlives: true, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// probe asks an instance for its health. The error says what was answered instead of a 2xx.
func (r *Runtime) probe(ctx context.Context, i *instance) error {
	path := i.group.deployment.Revision.Run.Health
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.endpoint(i.port)+path, nil)
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	request.Header.Set("User-Agent", "skyisland-health")
	response, err := r.checker.Do(request)
	if err != nil {
		var timeout interface{ Timeout() bool }
		if errors.As(err, &timeout) && timeout.Timeout() {
			return fmt.Errorf("GET %s: no answer within %s", path, checkTimeout)
		}
		// The innermost reason, such as "connection refused", is what helps; the address is known.
		for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
			err = next
		}
		return fmt.Errorf("GET %s: %w", path, err)
	}
	defer response.Body.Close()
	// Read to its end, so that the instance does not see a client that went away; what the answer
	// says does not matter, nor does whether it was complete.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, checkBytes))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("GET %s: answered %d, want 2xx", path, response.StatusCode)
	}
	return nil
}
