package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// backoffFirst and backoffMost are the waits between attempts to connect again.
	backoffFirst = 250 * time.Millisecond
	backoffMost  = 10 * time.Second
)

// RetryError says that a watch is interrupted and goes on by itself after a while.
type RetryError struct {
	Err   error
	After time.Duration
}

// Error says why.
func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap is why.
func (e *RetryError) Unwrap() error { return e.Err }

// Watch is a release's status now and whenever it changed, until it has ended. An interruption is
// yielded as a [*RetryError], after which the watch goes on; any other error is the last thing yielded.
// The end of ctx ends the watch without an error.
func (c *Client) Watch(ctx context.Context, id release.ID) iter.Seq2[release.Status, error] {
	return func(yield func(release.Status, error) bool) {
		failures := 0
		for {
			var ended bool
			err := c.follow(ctx, id, func(status release.Status) bool {
				failures = 0
				ended = !yield(status, nil) || status.Phase.Ended()
				return !ended
			})
			if ended || ctx.Err() != nil {
				return
			}
			if final(err) {
				yield(release.Status{}, err)
				return
			}
			retry := &RetryError{Err: err, After: backoff(failures)}
			failures++
			if !yield(release.Status{}, retry) || !wait(ctx, retry.After) {
				return
			}
		}
	}
}

// final says whether trying again would end the same way.
func final(err error) bool {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Problem.Status < http.StatusInternalServerError
	}
	var unreachable *UnreachableError
	var lost *LostError
	return !errors.As(err, &unreachable) && !errors.As(err, &lost)
}

// backoff doubles with each failure in a row; the random part keeps many watchers from coming back
// at the same moment.
func backoff(failures int) time.Duration {
	d := min(backoffFirst<<min(failures, 10), backoffMost)
	return d/2 + rand.N(d/2) //nolint:gosec // it spreads load and guards nothing
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// follow reads one watch to its end, or until take wants no more. It returns why it ended.
func (c *Client) follow(ctx context.Context, id release.ID, take func(release.Status) bool) error {
	return c.listen(ctx, releasePath(id)+"/watch", nil, "", func(m message) (bool, error) {
		status, err := event(m.event, m.data)
		return err == nil && (status == nil || take(*status)), err
	})
}

// event reads one event; one of a kind that is not known here is nothing.
func event(name string, data []byte) (*release.Status, error) {
	switch name {
	case api.EventStatus:
		var status release.Status
		if err := json.Unmarshal(data, &status); err != nil {
			return nil, fmt.Errorf("read a status: %w", err)
		}
		return &status, nil
	case api.EventProblem:
		var problem api.Problem
		if err := json.Unmarshal(data, &problem); err != nil {
			return nil, fmt.Errorf("read a problem: %w", err)
		}
		return nil, &Error{problem}
	default:
		return nil, nil
	}
}
