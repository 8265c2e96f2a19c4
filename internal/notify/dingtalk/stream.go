package dingtalk

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/open-dingtalk/dingtalk-stream-sdk-go/client"
	"github.com/open-dingtalk/dingtalk-stream-sdk-go/handler"
	"github.com/open-dingtalk/dingtalk-stream-sdk-go/payload"
	"github.com/open-dingtalk/dingtalk-stream-sdk-go/utils"
)

const (
	// firstRetry to lastRetry is how long a connection that cannot be opened is left alone, doubling.
	firstRetry = time.Second
	lastRetry  = time.Minute
	// handOver is how long a new connection may take to open while an old one still stands: DingTalk closes that
	// after ten seconds.
	handOver = 8 * time.Second
	// handling bounds the work on one callback, so that whoever clicked hears something.
	handling = 5 * time.Second
)

// Run listens to people until ctx ends. It opens a connection to DingTalk and another whenever that ends; several
// replicas may run, and any of them can be handed any click. It returns at once when there is no app.
func (c *Channel) Run(ctx context.Context) error {
	if c.openAPI == nil {
		return nil
	}
	s := &stream{channel: c}
	pause := firstRetry
	for {
		err := s.open(ctx)
		if err == nil {
			break
		}
		c.options.Log.WarnContext(ctx, "dingtalk cannot be reached", "error", err, "again_in", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause + rand.N(pause/4)): //nolint:gosec // it only spreads replicas in time
		}
		pause = min(2*pause, lastRetry)
	}
	c.options.Log.InfoContext(ctx, "dingtalk listens")
	<-ctx.Done()
	s.close()
	return nil
}

// stream holds the connection in use. The SDK opens a lost one again by itself.
type stream struct {
	channel *Channel

	mu      sync.Mutex
	current *connection
	ended   bool
}

type connection struct {
	client *client.StreamClient
	// busy is held for reading while a callback is worked on, so that nothing is cut off before it was answered.
	busy sync.RWMutex
}

// open makes a new connection the one in use, and lets go of the one before once that has nothing to do.
func (s *stream) open(ctx context.Context) error {
	fresh := &connection{}
	o := s.channel.options
	fresh.client = client.NewStreamClient(
		client.WithAppCredential(client.NewAppCredentialConfig(o.ClientID, o.ClientSecret)),
		client.WithOpenApiHost(o.API),
		client.WithSubscription(utils.SubscriptionTypeKCallback, payload.CardInstanceCallbackTopic, s.handle(fresh, s.channel.clicked)),
		client.WithSubscription(utils.SubscriptionTypeKCallback, payload.BotMessageCallbackTopic, s.handle(fresh, s.channel.written)),
		// DingTalk announces the end of a connection ten seconds before.
		client.WithSubscription(utils.SubscriptionTypeKSystem, "disconnect", func(context.Context, *payload.DataFrame) (*payload.DataFrameResponse, error) {
			s.replace(ctx, fresh)
			return nil, nil
		}),
	)
	if err := fresh.client.Start(ctx); err != nil {
		fresh.client.Close()
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		fresh.client.Close()
		return nil
	}
	s.current = fresh
	return nil
}

// replace opens the next connection while the old one still stands. Without a next one the SDK goes on trying.
func (s *stream) replace(ctx context.Context, old *connection) {
	opening, cancel := context.WithTimeout(ctx, handOver)
	defer cancel()
	if err := s.open(opening); err != nil {
		s.channel.options.Log.WarnContext(ctx, "dingtalk ends a connection, and the next cannot be opened yet", "error", err)
		return
	}
	old.close()
}

func (s *stream) close() {
	s.mu.Lock()
	s.ended = true
	current := s.current
	s.mu.Unlock()
	if current != nil {
		current.close()
	}
}

func (c *connection) close() {
	c.busy.Lock()
	defer c.busy.Unlock()
	c.client.Close()
}

// handle gives the data of a callback to work, and its result back. The work has its own time: it has to end whether
// or not the connection does, because what people said may count already.
func (s *stream) handle(on *connection, work func(ctx context.Context, data []byte) (any, error)) handler.IFrameHandler {
	return func(ctx context.Context, frame *payload.DataFrame) (*payload.DataFrameResponse, error) {
		on.busy.RLock()
		defer on.busy.RUnlock()
		working, cancel := context.WithTimeout(context.WithoutCancel(ctx), handling)
		defer cancel()
		result, err := work(working, []byte(frame.Data))
		if err != nil {
			s.channel.options.Log.WarnContext(ctx, "dingtalk callback refused", "topic", frame.GetTopic(), "error", err)
			return nil, err
		}
		answer := payload.NewSuccessDataFrameResponse()
		answer.Message = "OK"
		err = answer.SetJson(result)
		return answer, err
	}
}
