package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	goslack "github.com/slack-go/slack"
)

// The library's own client for Socket Mode opens a connection that ends at once anew without a pause, and keeps
// acknowledgements for the next connection, where they mean nothing. So only the asking for an address is left to it.
const (
	// firstRetry to lastRetry is how long Slack is left alone after a connection that failed, doubling. One that has
	// stood for steady was none of those.
	firstRetry = 500 * time.Millisecond
	lastRetry  = time.Minute
	steady     = 30 * time.Second
	// opening bounds the way to the first frame.
	opening = 15 * time.Second
	// silence is after how long without a frame a connection is dead. Slack pings every few seconds.
	silence = 45 * time.Second
	// writing bounds an acknowledgement: after three seconds it is of no use.
	writing = 3 * time.Second
	// mostFrame bounds a frame, in bytes: a click comes with the whole message.
	mostFrame = 1 << 20
)

// Run listens to people by Socket Mode until ctx ends, and returns at once without an app token. It opens another
// connection whenever one ends. Several replicas may run; Slack gives each click to one of them, and gives it to
// another when it is not acknowledged.
func (c *Channel) Run(ctx context.Context) error {
	if c.options.AppToken == "" {
		return nil
	}
	var old *socket
	defer func() {
		if old != nil {
			old.close()
		}
	}()
	retry := firstRetry
	for ctx.Err() == nil {
		fresh, err := c.open(ctx)
		if old != nil {
			old.close() // it was told to end, and the next one stands
			old = nil
		}
		if err == nil {
			c.options.Log.InfoContext(ctx, "slack listens")
			began := time.Now()
			select {
			case <-ctx.Done():
				fresh.close()
				return nil
			case <-fresh.leaving:
				old = fresh // what it still brings is taken until the next one stands
			case err = <-fresh.ended:
				fresh.close()
			}
			if time.Since(began) >= steady {
				retry = firstRetry
				continue
			}
		}
		wait := retry + rand.N(retry/4) //nolint:gosec // it only spreads replicas in time
		var limited *goslack.RateLimitedError
		if errors.As(err, &limited) {
			wait = max(wait, min(limited.RetryAfter, mostPause))
		}
		retry = min(2*retry, lastRetry)
		if err != nil && ctx.Err() == nil {
			c.options.Log.WarnContext(ctx, "slack cannot be heard", "error", err, "again_in", wait)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// frame is what comes over a connection.
type frame struct {
	Type       string          `json:"type"`
	EnvelopeID string          `json:"envelope_id"`
	Payload    json.RawMessage `json:"payload"`
	// AcceptsAnswer says that an acknowledgement may carry one.
	AcceptsAnswer bool `json:"accepts_response_payload"`
}

// socket is one connection.
type socket struct {
	channel *Channel
	conn    *websocket.Conn
	// leaving is closed when Slack announces the end, ended gets the reason for it.
	leaving chan struct{}
	ended   chan error
	told    bool
	once    sync.Once
}

// open asks for an address, connects to it and waits until Slack greets.
func (c *Channel) open(ctx context.Context) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, opening)
	defer cancel()
	_, address, err := c.api.StartSocketModeContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for a connection: %w; the app token needs the scope connections:write", err)
	}
	to, err := url.Parse(address)
	if err != nil || to.Scheme != "wss" && (to.Scheme != "ws" || strings.HasPrefix(c.options.APIURL, "https:")) {
		return nil, errors.New("ask for a connection: the answer is no address of a secure one")
	}
	dialer := &websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: opening}
	conn, response, err := dialer.DialContext(ctx, address, nil)
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", plain(to.Host, mostTitle), err)
	}
	conn.SetReadLimit(mostFrame)
	s := &socket{channel: c, conn: conn, leaving: make(chan struct{}), ended: make(chan error, 1)}
	ping := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		s.alive()
		return ping(data)
	})
	_ = conn.SetReadDeadline(time.Now().Add(opening))
	stop := context.AfterFunc(ctx, s.close)
	var hello frame
	err = conn.ReadJSON(&hello)
	if !stop() {
		err = errors.Join(err, ctx.Err())
	}
	if err == nil && hello.Type != "hello" {
		err = fmt.Errorf("the first frame is %q and not hello", plain(hello.Type, mostName))
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("wait for hello: %w", err)
	}
	go func() { s.ended <- s.read() }()
	return s, nil
}

func (s *socket) close() { s.once.Do(func() { _ = s.conn.Close() }) }

func (s *socket) alive() { _ = s.conn.SetReadDeadline(time.Now().Add(silence)) }

// read takes frames until the connection ends.
func (s *socket) read() error {
	for {
		s.alive()
		_, data, err := s.conn.ReadMessage()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		var f frame
		if err := json.Unmarshal(data, &f); err != nil {
			s.channel.options.Log.Warn("slack sent a frame that is not JSON")
			continue
		}
		if f.Type == "disconnect" {
			if !s.told {
				s.told = true
				close(s.leaving)
			}
			continue
		}
		if err := s.take(f); err != nil {
			return err
		}
	}
}

// take acknowledges an envelope at once: what it asks for is under way by then. One that cannot be taken is not
// acknowledged, and comes again.
func (s *socket) take(f frame) error {
	if f.EnvelopeID == "" {
		return nil
	}
	var answer any
	var err error
	switch f.Type {
	case "interactive":
		answer, err = s.channel.interacted(f.Payload)
	case "slash_commands":
		var said command
		if err = json.Unmarshal(f.Payload, &said); err == nil {
			answer, err = s.channel.commanded(said)
		}
	}
	switch {
	case errors.Is(err, errBusy):
		s.channel.options.Log.Warn("slack is not answered, because too much is going on", "type", plain(f.Type, mostName))
		return nil
	case err != nil:
		s.channel.options.Log.Warn("slack sent what is not understood", "type", plain(f.Type, mostName), "error", err)
	}
	ack := map[string]any{"envelope_id": f.EnvelopeID}
	if answer != nil && f.AcceptsAnswer {
		ack["payload"] = answer
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(writing))
	if err := s.conn.WriteJSON(ack); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return nil
}
