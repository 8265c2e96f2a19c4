// Package dingtalktest is a stand-in for DingTalk: group robots, the OpenAPI for cards, and Stream mode with its
// tickets, frames, acknowledgements and redelivery. It refuses what DingTalk refuses.
package dingtalktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"
)

// Options say what the server knows.
type Options struct {
	// Now is the server's clock.
	Now func() time.Time
	// ClientID and ClientSecret are of the app, Template the card template that it has.
	ClientID, ClientSecret, Template string
	// Spaces are the conversations and people that a card can be delivered to, such as IM_GROUP.cid1.
	Spaces []string
	// Robots are the group robots: their secrets by their tokens.
	Robots map[string]string
}

// Server answers as api.dingtalk.com and oapi.dingtalk.com do.
type Server struct {
	*httptest.Server
	options Options
	changed chan struct{} // closed and replaced with every change that somebody may wait for

	mu       sync.Mutex
	tokens   map[string]time.Time // access tokens, until when
	issued   int
	cards    map[string]*Card
	messages []Message
	arrived  map[string][]time.Time
	blocked  map[string]time.Time
	replies  []string
	tickets  map[string]time.Time
	opened   int
	links    []*link
	frames   int
	waiting  map[string]chan Ack
}

// Message is one that a robot took.
type Message struct {
	Token string
	At    time.Time
	// Body is as it came.
	Body []byte
}

// New starts a server.
func New(o Options) *Server {
	s := &Server{
		options: o, changed: make(chan struct{}), tokens: map[string]time.Time{}, cards: map[string]*Card{},
		arrived: map[string][]time.Time{}, blocked: map[string]time.Time{}, tickets: map[string]time.Time{}, waiting: map[string]chan Ack{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /robot/send", s.robotSend)
	mux.HandleFunc("POST /robot/sendBySession", s.sendBySession)
	mux.HandleFunc("POST /v1.0/oauth2/accessToken", s.accessToken)
	mux.HandleFunc("POST /v1.0/card/instances/createAndDeliver", s.createAndDeliver)
	mux.HandleFunc("PUT /v1.0/card/instances", s.updateCard)
	mux.HandleFunc("POST /v1.0/gateway/connections/open", s.openConnection)
	mux.HandleFunc("GET /connect", s.connect)
	s.Server = httptest.NewServer(mux)
	return s
}

// Messages are those that robots took, in their order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// Replies are the texts that were posted to conversations.
func (s *Server) Replies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.replies...)
}

// Session is the address at which a conversation takes replies.
func (s *Server) Session() string { return s.URL + "/robot/sendBySession?session=s1" }

func write(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func (s *Server) robotSend(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	code, message := s.judge(r)
	write(w, http.StatusOK, map[string]any{"errcode": code, "errmsg": message})
}

func (s *Server) judge(r *http.Request) (code int, message string) {
	token, now := r.URL.Query().Get("access_token"), s.options.Now()
	secret, known := s.options.Robots[token]
	if !known {
		return 300001, "token is not exist"
	}
	timestamp := r.URL.Query().Get("timestamp")
	milliseconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.UnixMilli(milliseconds)).Abs() > time.Hour {
		return 310000, "invalid timestamp"
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "\n" + secret))
	if r.URL.Query().Get("sign") != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		return 310000, "sign not match"
	}
	var m struct {
		Type       string `json:"msgtype"`
		Markdown   struct{ Title, Text string }
		ActionCard struct {
			Title, Text string
			Buttons     []struct{ Title, ActionURL string } `json:"btns"`
		}
	}
	body := make([]byte, 0, 4096)
	body, err = appendAll(body, r)
	if err != nil || json.Unmarshal(body, &m) != nil {
		return 43004, "invalid json"
	}
	switch {
	case len(body) > 20_000:
		return 460101, "message too long, exceed 20000 bytes"
	case m.Type == "markdown" && (m.Markdown.Title == "" || m.Markdown.Text == ""),
		m.Type == "actionCard" && (m.ActionCard.Title == "" || m.ActionCard.Text == "" || len(m.ActionCard.Buttons) == 0):
		return 40035, "miss param"
	case m.Type != "markdown" && m.Type != "actionCard":
		return 400105, "unsupported msgtype"
	}
	var lately int
	for _, at := range s.arrived[token] {
		if now.Sub(at) < time.Minute {
			lately++
		}
	}
	if lately >= 20 {
		s.blocked[token] = now.Add(10 * time.Minute)
	}
	if now.Before(s.blocked[token]) {
		return 130101, "send too fast, exceed 20 times per minute"
	}
	s.arrived[token] = append(s.arrived[token], now)
	s.messages = append(s.messages, Message{Token: token, At: now, Body: body})
	return 0, "ok"
}

func (s *Server) sendBySession(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Text struct{ Content string }
	}
	if json.NewDecoder(r.Body).Decode(&m) != nil || m.Text.Content == "" || r.URL.Query().Get("session") != "s1" {
		write(w, http.StatusOK, map[string]any{"errcode": 310000, "errmsg": "session is not exist"})
		return
	}
	s.mu.Lock()
	s.replies = append(s.replies, m.Text.Content)
	s.mu.Unlock()
	write(w, http.StatusOK, map[string]any{"errcode": 0, "errmsg": "ok"})
}
