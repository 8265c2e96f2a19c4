// Package slack speaks to people in a Slack workspace, and listens to them. A release has one thread; its questions
// have buttons, and each answer goes through a form that asks for the reason. What people press and write comes over
// Socket Mode, a connection that we open, or over HTTP, where each request is signed.
package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	goslack "github.com/slack-go/slack"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/once"
	"github.com/skyisland/skyisland/internal/notify/webhook"
)

const (
	// defaultAPI is where Slack's Web API is, and hooks where its response_urls lead.
	defaultAPI = "https://slack.com/api/"
	hooks      = "https://hooks.slack.com"
	// defaultCommand is what people write to us with.
	defaultCommand = "/skyisland"
	// mostWork is how many clicks and commands are worked on at a time; more are told to come again.
	mostWork = 32
	// handling bounds the work on one of them, so that whoever clicked hears something.
	handling = 20 * time.Second
	// source is what the words from here carry: Slack vouches for the member ID beside it.
	source = "slack"
)

// Secret is a token or a key. It prints as [redacted], wherever it is printed.
type Secret string

// String tells nothing.
func (Secret) String() string { return "[redacted]" }

// GoString tells nothing.
func (Secret) GoString() string { return "[redacted]" }

// MarshalText tells nothing: a secret is read from its own place, and never written.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Options say which app to speak as.
type Options struct {
	// BotToken begins with xoxb-: everything is said with it.
	BotToken Secret
	// AppToken begins with xapp- and opens Socket Mode; empty without it.
	AppToken Secret
	// SigningSecret proves requests that come over HTTP; empty without them. Without it and without AppToken nobody
	// is heard, so questions have no buttons but the one that opens our own page.
	SigningSecret Secret
	// Desk takes what people say. It is needed where anybody is heard.
	Desk notify.Desk
	// Member is the member ID (U…), or the user group's (S…), of a name in the directory; empty for one that has
	// none, who is then named and not mentioned. Nil is none for all.
	Member func(name string) string
	// Command is the slash command that the app was given; empty is /skyisland.
	Command string
	// APIURL is another address than that of Slack's Web API, for tests and proxies.
	APIURL string
	// Now is the time; nil is time.Now.
	Now func() time.Time
	// Log hears of what nobody else is told; nil is nobody.
	Log *slog.Logger
}

// Channel reaches people in Slack. Its targets are the IDs of channels (C…, G…, D…) and of members (U…, W…).
type Channel struct {
	options Options
	api     *goslack.Client
	client  *http.Client
	seen    *once.Memory // deliveries, so that one that comes twice is one word
	unsure  *once.Memory // messages whose posting was not answered
	pause   *pause
	work    work
}

var commandForm = regexp.MustCompile(`^/[^\s/]{1,31}$`)

// New checks the options, all of them, and asks nothing of Slack yet.
func New(o Options) (*Channel, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Member == nil {
		o.Member = func(string) string { return "" }
	}
	if o.Command == "" {
		o.Command = defaultCommand
	}
	if o.APIURL == "" {
		o.APIURL = defaultAPI
	}
	var wrong []error
	if !strings.HasPrefix(string(o.BotToken), "xoxb-") {
		wrong = append(wrong, errors.New("the bot token has to begin with xoxb-: it is on the app's page under OAuth & Permissions"))
	}
	if o.AppToken != "" && !strings.HasPrefix(string(o.AppToken), "xapp-") {
		wrong = append(wrong, errors.New("the app token has to begin with xapp-: make one with the scope connections:write on the app's page under Basic Information"))
	}
	if o.SigningSecret != "" && (len(o.SigningSecret) < 16 || strings.TrimSpace(string(o.SigningSecret)) != string(o.SigningSecret)) {
		wrong = append(wrong, errors.New("the signing secret has to be at least 16 characters without spaces around them: it is on the app's page under Basic Information"))
	}
	if o.listens() && o.Desk == nil {
		wrong = append(wrong, errors.New("an app that hears people needs a desk that takes what they say"))
	}
	if !commandForm.MatchString(o.Command) {
		wrong = append(wrong, fmt.Errorf("%q is no slash command: write it with its slash, such as %s", o.Command, defaultCommand))
	}
	to, err := url.Parse(o.APIURL)
	if err != nil || to.Scheme != "https" && to.Scheme != "http" || to.Host == "" || to.User != nil || to.RawQuery != "" || to.Fragment != "" {
		wrong = append(wrong, fmt.Errorf("the API's address has to be one such as %s", defaultAPI))
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("slack: %w", errors.Join(wrong...))
	}
	o.APIURL = strings.TrimSuffix(o.APIURL, "/") + "/"
	c := &Channel{options: o, client: webhook.NewClient(), seen: once.New(o.Now), unsure: once.New(o.Now), pause: &pause{now: o.Now}}
	c.api = goslack.New(string(o.BotToken), goslack.OptionAppLevelToken(string(o.AppToken)),
		goslack.OptionAPIURL(o.APIURL), goslack.OptionHTTPClient(bounded{c.client}))
	return c, nil
}

func (o Options) listens() bool { return o.AppToken != "" || o.SigningSecret != "" }

// Wait ends when everything that was taken so far has been answered. Call it after [Channel.Run] has returned and the
// handler is no longer asked, so that nobody who clicked is left without a word.
func (c *Channel) Wait() { c.work.wait() }

// begin works on something away from whoever has to be answered within three seconds, unless there is too much of it.
// The work has its own time: it ends whether or not the connection does, because what people said may count already.
func (c *Channel) begin(do func(ctx context.Context)) bool {
	if !c.work.enter() {
		return false
	}
	go func() {
		defer c.work.leave()
		ctx, cancel := context.WithTimeout(context.Background(), handling)
		defer cancel()
		do(ctx)
	}()
	return true
}

// work counts what is being worked on.
type work struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is 0 again
}

func (w *work) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n == mostWork {
		return false
	}
	if w.n == 0 {
		w.idle = make(chan struct{})
	}
	w.n++
	return true
}

func (w *work) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n--; w.n == 0 {
		close(w.idle)
	}
}

func (w *work) wait() {
	w.mu.Lock()
	idle := w.idle
	w.mu.Unlock()
	if idle != nil {
		<-idle
	}
}
