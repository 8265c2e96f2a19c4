// Package slacktest is a stand-in for Slack: the Web API as far as messages and forms go, Socket Mode with its
// envelopes, acknowledgements and redelivery, response_urls, and requests signed as Slack signs them. It refuses what
// Slack refuses.
package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say what the server knows.
type Options struct {
	// Now is the server's clock.
	Now func() time.Time
	// BotToken, AppToken and SigningSecret are of the app.
	BotToken, AppToken, SigningSecret string
	// Channels are those the app is in, Others those it is not in, and Members the people.
	Channels, Others, Members []string
	// Command is the app's slash command.
	Command string
}

// Server answers as slack.com and hooks.slack.com do.
type Server struct {
	*httptest.Server
	options Options

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced with every change that somebody may wait for
	serial   int
	messages []*Message
	views    []View
	private  []Private
	triggers map[string]time.Time // until when
	hooks    map[string]*hook
	failures map[string][]Failure
	calls    map[string]int
	tickets  map[string]bool
	opened   int
	links    []*link
	waiting  map[string]chan Ack
}

// Message is one in a conversation, as it is now.
type Message struct {
	Channel, Stamp, Thread, Text string
	Broadcast                    bool
	Blocks                       []Block
	// Raw are the blocks as they came, Metadata what came beside them.
	Raw, Metadata json.RawMessage
	// Updates is how often it was changed.
	Updates int
}

// Private is what only one person sees. By is how it was said: chat.postEphemeral or a response_url.
type Private struct{ By, User, Text string }

// Failure is how a call goes wrong.
type Failure struct {
	// Error is what the answer says; with RetryAfter it is status 429.
	Error      string
	RetryAfter time.Duration
	// Status is that of an answer that is not JSON.
	Status int
	// Lost does what was asked, and answers nothing.
	Lost bool
}

// hook is where a response_url leads.
type hook struct {
	user  string
	until time.Time
	left  int
}

// New starts a server.
func New(o Options) *Server {
	s := &Server{
		options: o, changed: make(chan struct{}), triggers: map[string]time.Time{}, hooks: map[string]*hook{}, failures: map[string][]Failure{},
		calls: map[string]int{}, tickets: map[string]bool{}, waiting: map[string]chan Ack{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/chat.postMessage", s.method("chat.postMessage", s.postMessage))
	mux.HandleFunc("POST /api/chat.update", s.method("chat.update", s.update))
	mux.HandleFunc("POST /api/chat.postEphemeral", s.method("chat.postEphemeral", s.postEphemeral))
	mux.HandleFunc("POST /api/conversations.history", s.method("conversations.history", s.history))
	mux.HandleFunc("POST /api/conversations.replies", s.method("conversations.replies", s.history))
	mux.HandleFunc("POST /api/views.open", s.method("views.open", s.openView))
	mux.HandleFunc("POST /api/apps.connections.open", s.method("apps.connections.open", s.openConnection))
	mux.HandleFunc("POST /respond/{id}", s.respond)
	mux.HandleFunc("GET /link", s.connect)
	s.Server = httptest.NewServer(mux)
	return s
}

// APIURL is where the Web API is.
func (s *Server) APIURL() string { return s.URL + "/api/" }

// Messages are all messages in their order, as they are now.
func (s *Server) Messages() (out []Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		out = append(out, *m)
	}
	return out
}

// Views are the forms that were opened, in their order.
func (s *Server) Views() []View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.views)
}

// Private is what single people were told, in its order.
func (s *Server) Private() []Private {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.private)
}

// Calls is how often a method was called.
func (s *Server) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// Fail makes the next calls of a method go wrong, one after the other. The method of response_urls is respond.
func (s *Server) Fail(method string, failures ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[method] = append(s.failures[method], failures...)
}

// Delete removes a message, as a person does.
func (s *Server) Delete(stamp string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m *Message) bool { return m.Stamp == stamp })
}

type answer = map[string]any

func refused(why string) answer { return answer{"ok": false, "error": why} }

// method checks the token, fails as it was told to, and answers in Slack's way: with status 200 whatever happens.
func (s *Server) method(name string, do func(r *http.Request) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls[name]++
		failure := s.failing(name)
		switch {
		case failure.Status != 0:
			http.Error(w, "<html>", failure.Status)
			return
		case failure.RetryAfter != 0:
			w.Header().Set("Retry-After", strconv.Itoa(int(failure.RetryAfter.Seconds())))
			w.WriteHeader(http.StatusTooManyRequests)
			_ = json.NewEncoder(w).Encode(refused("ratelimited"))
			return
		case failure.Error != "":
			_ = json.NewEncoder(w).Encode(refused(failure.Error))
			return
		}
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token == "" {
			token = r.PostFormValue("token")
		}
		wants := s.options.BotToken
		if name == "apps.connections.open" {
			wants = s.options.AppToken
		}
		var said answer
		switch {
		case token == "":
			said = refused("not_authed")
		case token != wants:
			said = refused("invalid_auth")
		default:
			said = do(r)
		}
		if failure.Lost {
			drop(w)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(said)
	}
}

// failing is the next failure of a method.
func (s *Server) failing(method string) (next Failure) {
	if list := s.failures[method]; len(list) > 0 {
		next, s.failures[method] = list[0], list[1:]
	}
	return next
}

// drop ends a connection without an answer.
func drop(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

// stamp is the time of a message, which is its name.
func (s *Server) stamp() string {
	s.serial++
	return fmt.Sprintf("%d.%06d", s.options.Now().Unix(), s.serial)
}

func (s *Server) next(prefix string) string {
	s.serial++
	return fmt.Sprintf("%s%d", prefix, s.serial)
}

// conversation is where a target leads, or why nowhere.
func (s *Server) conversation(target string) (channel, why string) {
	switch {
	case slices.Contains(s.options.Channels, target):
		return target, ""
	case slices.Contains(s.options.Others, target):
		return "", "not_in_channel"
	case slices.Contains(s.options.Members, target):
		return "D" + target[1:], ""
	case strings.HasPrefix(target, "D") && slices.Contains(s.options.Members, "U"+target[1:]):
		return target, ""
	}
	return "", "channel_not_found"
}

func (s *Server) at(channel, stamp string) *Message {
	for _, m := range s.messages {
		if m.Channel == channel && m.Stamp == stamp {
			return m
		}
	}
	return nil
}

func (s *Server) postMessage(r *http.Request) answer {
	channel, why := s.conversation(r.PostFormValue("channel"))
	if why != "" {
		return refused(why)
	}
	m := &Message{Channel: channel, Thread: r.PostFormValue("thread_ts"), Broadcast: r.PostFormValue("reply_broadcast") == "true"}
	if m.Thread != "" && s.at(channel, m.Thread) == nil {
		return refused("thread_not_found")
	}
	if why := m.write(r); why != "" {
		return refused(why)
	}
	m.Stamp = s.stamp()
	s.messages = append(s.messages, m)
	return answer{"ok": true, "channel": channel, "ts": m.Stamp, "message": answer{"ts": m.Stamp, "text": m.Text, "bot_id": "B1"}}
}

func (s *Server) update(r *http.Request) answer {
	m := s.at(r.PostFormValue("channel"), r.PostFormValue("ts"))
	if m == nil {
		return refused("message_not_found")
	}
	if why := m.write(r); why != "" {
		return refused(why)
	}
	m.Updates++
	return answer{"ok": true, "channel": m.Channel, "ts": m.Stamp, "text": m.Text}
}

// write takes what a message says, or says why it is none.
func (m *Message) write(r *http.Request) (why string) {
	raw := json.RawMessage(r.PostFormValue("blocks"))
	blocks, why := parseBlocks(raw, mostMessageBlocks)
	text := r.PostFormValue("text")
	switch {
	case why != "":
		return why
	case text == "" && len(blocks) == 0:
		return "no_text"
	case length(text) > 40_000:
		return "msg_too_long"
	}
	m.Text, m.Blocks, m.Raw = text, blocks, raw
	if metadata := r.PostFormValue("metadata"); metadata != "" {
		m.Metadata = json.RawMessage(metadata)
	}
	return ""
}

func (s *Server) postEphemeral(r *http.Request) answer {
	if _, why := s.conversation(r.PostFormValue("channel")); why != "" {
		return refused(why)
	}
	user := r.PostFormValue("user")
	if !slices.Contains(s.options.Members, user) {
		return refused("user_not_in_channel")
	}
	s.private = append(s.private, Private{By: "chat.postEphemeral", User: user, Text: r.PostFormValue("text")})
	return answer{"ok": true, "message_ts": s.stamp()}
}

// history lists the newest first, and a thread's messages the oldest first.
func (s *Server) history(r *http.Request) answer {
	channel, why := s.conversation(r.PostFormValue("channel"))
	if why != "" {
		return refused(why)
	}
	thread, oldest := r.PostFormValue("ts"), r.PostFormValue("oldest")
	found := []answer{}
	for _, m := range s.messages {
		if m.Channel != channel || m.Stamp < oldest || thread != "" && m.Thread != thread && m.Stamp != thread || thread == "" && m.Thread != "" && !m.Broadcast {
			continue
		}
		one := answer{"type": "message", "ts": m.Stamp, "text": m.Text, "bot_id": "B1", "blocks": m.Raw}
		if r.PostFormValue("include_all_metadata") == "1" && m.Metadata != nil {
			one["metadata"] = m.Metadata
		}
		found = append(found, one)
	}
	if thread == "" {
		slices.Reverse(found)
	}
	return answer{"ok": true, "messages": found, "has_more": false}
}

func (s *Server) respond(w http.ResponseWriter, r *http.Request) {
	var said struct {
		Type    string `json:"response_type"`
		Text    string `json:"text"`
		Replace bool   `json:"replace_original"`
	}
	err := json.NewDecoder(r.Body).Decode(&said)
	s.mu.Lock()
	defer s.mu.Unlock()
	h, failure := s.hooks[r.PathValue("id")], s.failing("respond")
	switch {
	case failure.Status != 0:
		w.WriteHeader(failure.Status)
	case h == nil || h.left == 0 || s.options.Now().After(h.until):
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(refused("expired_url"))
	case err != nil || said.Text == "" || said.Type != "ephemeral" || said.Replace:
		http.Error(w, "invalid_payload", http.StatusBadRequest)
	default:
		h.left--
		s.private = append(s.private, Private{By: "response_url", User: h.user, Text: said.Text})
		_, _ = w.Write([]byte("ok"))
	}
}
