package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"strings"

	"github.com/skyisland/skyisland/internal/api"
)

// StreamQuery says which events are wanted. What it leaves out it does not limit.
type StreamQuery struct {
	// After is the sequence that has been seen; 0 is from the oldest that is kept, and nil from now on.
	After *int64
	// Types are globs, such as dev.skyisland.release.*.
	Types        []string
	Tenants      []string
	Applications []string
	Environments []string
	// Release is tenant/application/environment/number.
	Release string
}

// StreamEvent is one event of the stream.
type StreamEvent struct {
	Sequence int64
	// Type is the event's, or [api.EventGap].
	Type string
	// JSON is the CloudEvent in one line. Gap is set instead when events are missing.
	JSON []byte
	Gap  *api.Gap
}

// Stream is what happens to all releases, each event once and in order, until ctx ends, which is no error. An interruption is
// yielded as a [*RetryError], after which the stream goes on where it was; any other error is the last thing yielded.
func (c *Client) Stream(ctx context.Context, query StreamQuery) iter.Seq2[StreamEvent, error] {
	list := func(all []string) string { return strings.Join(all, ",") }
	values := set(url.Values{}, "type", list(query.Types), "tenant", list(query.Tenants), "application", list(query.Applications),
		"environment", list(query.Environments), "release", query.Release)
	if query.After != nil {
		values.Set("after", strconv.FormatInt(*query.After, 10))
	}
	return func(yield func(StreamEvent, error) bool) {
		last, failures := "", 0
		for {
			ended, heard := false, 0
			err := c.listen(ctx, v1+"/events/stream", values, last, func(m message) (bool, error) {
				// A server that says where the stream begins and ends it at once would be asked without a pause.
				if heard++; heard > 1 {
					failures = 0
				}
				if len(m.data) > 0 {
					event, err := streamEvent(m)
					if err != nil {
						return false, err
					}
					if ended = !yield(event, nil); ended {
						return false, nil
					}
				}
				// Only what was taken is not asked for again.
				last = m.id
				return true, nil
			})
			if ended || ctx.Err() != nil {
				return
			}
			if final(err) {
				yield(StreamEvent{}, err)
				return
			}
			retry := &RetryError{Err: err, After: backoff(failures)}
			failures++
			if !yield(StreamEvent{}, retry) || !wait(ctx, retry.After) {
				return
			}
		}
	}
}

func streamEvent(m message) (StreamEvent, error) {
	out := StreamEvent{Type: m.event}
	var err error
	if out.Sequence, err = strconv.ParseInt(m.id, 10, 64); err != nil {
		return out, fmt.Errorf("an event of the stream has the id %q, which is no sequence", m.id)
	}
	if m.event == api.EventGap {
		out.Gap = &api.Gap{}
		if err := json.Unmarshal(m.data, out.Gap); err != nil {
			return out, fmt.Errorf("read a gap of the stream: %w", err)
		}
		return out, nil
	}
	out.JSON = m.data
	return out, nil
}
