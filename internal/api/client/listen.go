package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	// silence is how long a stream may be silent before it is taken for dead; the server says something every 10 or 15 s.
	silence = 30 * time.Second
	// eventLimit bounds one event, in bytes.
	eventLimit = 8 << 20
)

// message is one Server-Sent Event.
type message struct {
	// id is the last one that was sent, with this event or before it.
	id    string
	event string
	// data is empty for one that only moves the id on.
	data []byte
}

// listen reads a stream to its end, or until take wants no more. It returns why it ended. What is named by last has been
// seen; empty is nothing.
func (c *Client) listen(ctx context.Context, path string, values url.Values, last string, take func(message) (more bool, err error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	header := http.Header{"Accept": {"text/event-stream"}}
	if last != "" {
		header.Set("Last-Event-ID", last)
	}
	res, err := c.openWith(ctx, header, http.MethodGet, path, values, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	// A connection that died without a word would be waited for forever.
	alive := time.AfterFunc(silence, func() { cancel(fmt.Errorf("it said nothing for %s", silence)) })
	defer alive.Stop()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 64<<10), eventLimit)
	next := message{id: last}
	for lines.Scan() {
		alive.Reset(silence)
		field, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(lines.Bytes()) == 0:
			more, err := take(next)
			if err != nil || !more {
				return err
			}
			next = message{id: next.id}
		case string(field) == "id":
			next.id = string(value)
		case string(field) == "event":
			next.event = string(value)
		case string(field) == "data":
			next.data = append(next.data, value...)
		}
	}
	err = lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("read the stream of %s: %w", c.base, err)
	}
	switch {
	case err == nil:
		err = errors.New("the server ended it")
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return &LostError{Server: c.base.String(), Err: err}
}
