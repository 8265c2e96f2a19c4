// Package channeltest is a way to reach people that keeps what it is given, and fails as it is told.
package channeltest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/skyisland/skyisland/internal/notify"
)

// Sent is one message that was taken.
type Sent struct {
	Target  string
	Thread  notify.Thread
	Notices []notify.Notice
	// Receipt is what the channel gave for it.
	Receipt string
}

// Channel takes messages. Its zero value takes all.
type Channel struct {
	// Fail, when it is set, is asked before each message is taken; an error refuses it. It may wait for ctx.
	Fail func(ctx context.Context, target string, notices []notify.Notice) error
	// Taken, when it is set, is told of each message after it was taken and before the sender knows.
	Taken func(Sent)

	mu   sync.Mutex
	sent []Sent
}

// Send takes a message.
func (c *Channel) Send(ctx context.Context, target string, thread notify.Thread, notices []notify.Notice) (string, error) {
	if c.Fail != nil {
		if err := c.Fail(ctx, target, notices); err != nil {
			return "", err
		}
	}
	c.mu.Lock()
	one := Sent{Target: target, Thread: thread, Notices: slices.Clone(notices), Receipt: fmt.Sprintf("receipt %d", len(c.sent)+1)}
	c.sent = append(c.sent, one)
	c.mu.Unlock()
	if c.Taken != nil {
		c.Taken(one)
	}
	return one.Receipt, nil
}

// Sent is what was taken so far, in its order.
func (c *Channel) Sent() []Sent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sent)
}

// Merging is a channel that merges what is due together.
type Merging struct {
	*Channel
	// Most is how many notices fit into one message.
	Most int
}

// Batch is how many fit.
func (m Merging) Batch() int { return m.Most }
