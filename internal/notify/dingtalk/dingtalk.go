// Package dingtalk speaks to people in DingTalk, and listens to them. It has two ways in. A group robot needs nothing
// but its token: it says things, and a question carries a link to our own page, because its buttons only open
// addresses. An app of the organisation sends cards on which people answer in place, and takes commands; it is heard
// over Stream mode, a connection that we open, so no address of ours has to be public.
package dingtalk

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/once"
	"github.com/skyisland/skyisland/internal/notify/webhook"
)

// Where DingTalk is (open.dingtalk.com/document: OpenAPI, and the older one that robots use).
const (
	defaultAPI  = "https://api.dingtalk.com"
	defaultOAPI = "https://oapi.dingtalk.com"
)

// source is what the words from here carry: DingTalk vouches for the staff ID beside it.
const source = "dingtalk"

// Options say which app and robots to speak as.
type Options struct {
	// ClientID and ClientSecret are of the organisation's app; empty without cards and commands.
	ClientID, ClientSecret string
	// CardTemplate is the ID of the card as docs/chat-dingtalk.md describes it; empty without cards.
	CardTemplate string
	// Robots are the group robots by the names that targets call them by.
	Robots map[string]Robot
	// Desk takes what people say. It is needed with an app.
	Desk notify.Desk
	// API and OAPI are other addresses than those of DingTalk, for tests and proxies.
	API, OAPI string
	// Now is the time; nil is time.Now.
	Now func() time.Time
	// Log hears of what nobody else is told; nil is nobody.
	Log *slog.Logger
}

// String tells no secrets.
func (o Options) String() string {
	return fmt.Sprintf("dingtalk app %q [redacted], card template %q, %d robots", o.ClientID, o.CardTemplate, len(o.Robots))
}

// GoString tells no secrets.
func (o Options) GoString() string { return o.String() }

// Robot is a custom robot of a group.
type Robot struct {
	// Token is the access_token of its address, Secret what its messages are signed with, such as SEC….
	Token, Secret string
}

// String tells no secrets.
func (Robot) String() string { return "[redacted]" }

// GoString tells no secrets.
func (Robot) GoString() string { return "[redacted]" }

// Channel reaches people in DingTalk. Its targets are robot:NAME, group:OPENCONVERSATIONID and person:STAFFID.
type Channel struct {
	options Options
	robots  map[string]*robot
	openAPI *openAPI
	client  *http.Client
	seen    *once.Memory
}

// New checks the options; nothing is asked of DingTalk yet.
func New(o Options) (*Channel, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.API == "" {
		o.API = defaultAPI
	}
	if o.OAPI == "" {
		o.OAPI = defaultOAPI
	}
	switch {
	case o.ClientID == "" && len(o.Robots) == 0:
		return nil, errors.New("dingtalk: neither an app nor a robot: give a client ID with its secret, or robots")
	case (o.ClientID == "") != (o.ClientSecret == ""):
		return nil, errors.New("dingtalk: client ID and client secret go together: both are on the app's page under credentials")
	case o.ClientID == "" && o.CardTemplate != "":
		return nil, errors.New("dingtalk: a card template needs an app: give its client ID and secret")
	case o.ClientID != "" && o.Desk == nil:
		return nil, errors.New("dingtalk: an app needs somebody who takes what people say")
	}
	for _, address := range []*string{&o.API, &o.OAPI} {
		to, err := url.Parse(*address)
		if err != nil || to.Scheme != "https" && to.Scheme != "http" || to.Host == "" || to.Path != "" && to.Path != "/" {
			return nil, fmt.Errorf("dingtalk: %q is not an address such as %s", *address, defaultAPI)
		}
		*address = strings.TrimSuffix(*address, "/")
	}
	c := &Channel{options: o, robots: map[string]*robot{}, client: webhook.NewClient(), seen: once.New(o.Now)}
	for name, r := range o.Robots {
		if r.Token == "" || r.Secret == "" {
			return nil, fmt.Errorf("dingtalk: robot %q needs its token and its secret: switch on signing in the robot's security settings", name)
		}
		c.robots[name] = &robot{Robot: r, window: webhook.NewWindow(robotMessages, time.Minute)}
	}
	if o.ClientID != "" {
		c.openAPI = &openAPI{options: o, client: c.client}
	}
	return c, nil
}

// Batch is how many notices are merged into one message. A robot may send 20 messages a minute.
func (*Channel) Batch() int { return mostMerged }

// Send says notices in a group or to a person; see [notify.Channel]. A card that is sent again stays one card, a
// robot's message does not: the service has nothing to tell them apart by.
func (c *Channel) Send(ctx context.Context, target string, thread notify.Thread, notices []notify.Notice) (string, error) {
	if len(notices) == 0 {
		return thread.First, nil
	}
	kind, name, _ := strings.Cut(target, ":")
	switch {
	case name == "":
	case kind == "robot":
		return c.sendByRobot(ctx, name, notices)
	case kind == "group", kind == "person":
		return c.sendCards(ctx, space{kind: kind, id: name}, thread, notices)
	}
	return "", fmt.Errorf("dingtalk: %q is no target: write robot:NAME, group:OPENCONVERSATIONID or person:STAFFID: %w", target, notify.ErrRefused)
}

// sign is the proof that DingTalk and its robots use: of the time and of knowing the secret, and of nothing else.
func sign(secret string, at time.Time) (timestamp, signature string) {
	timestamp = strconv.FormatInt(at.UnixMilli(), 10)
	return timestamp, signatureOf(secret, timestamp)
}

func signatureOf(secret, timestamp string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "\n" + secret))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// nameOf makes a name of what a thing is: the same thing has the same name in every replica.
func nameOf(parts ...string) string {
	hash := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(hash[:])
}
