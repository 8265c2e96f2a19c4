// Package feishu tells people in Feishu, and in Lark, by the custom bots of their groups. A custom bot only speaks:
// a question carries a link to our own page.
package feishu

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markdown"
	"github.com/skyisland/skyisland/internal/notify/webhook"
)

// hook is where a bot is that is given by its token (open.feishu.cn: custom bot guide).
const hook = "https://open.feishu.cn/open-apis/bot/v2/hook/"

// The limits of a custom bot (the same guide).
const (
	perMinute = 100
	perSecond = 5
	mostBytes = 20 << 10
	// mostMerged notices fit into one message; mostText leaves room for what is around the text.
	mostMerged = 20
	mostText   = 18_000
	// pause is how long a bot is left alone that says it was asked too often.
	pause = time.Minute
)

// The codes that need a decision; any other failure is tried again.
const (
	codeSign    = 19021
	codeAddress = 19022
	codeKeyword = 19024
)

// tooOften are codes of a bot over its limit; refusals are codes for which the same message will never be taken: a
// body that is not understood, and a bot that is gone.
var (
	tooOften = []int{11232, 11233, 99991400}
	refusals = []int{9499, 19001, 19002, 19003}
)

// Options say which bots there are, by the names that targets call them by.
type Options struct {
	Bots map[string]Bot
	// Now is the time; nil is time.Now.
	Now func() time.Time
}

// Bot is a custom bot of a group.
type Bot struct {
	// URL is the bot's whole address, or the token it ends with in Feishu. For Lark it has to be the address.
	URL string
	// Secret is what its messages are signed with; empty for a bot without signing.
	Secret string
}

// String tells no secrets: the address is one.
func (Bot) String() string { return "[redacted]" }

// GoString tells no secrets.
func (Bot) GoString() string { return "[redacted]" }

// Channel reaches people in Feishu. Its targets are bot:NAME.
type Channel struct {
	bots   map[string]*bot
	client *http.Client
	now    func() time.Time
}

type bot struct {
	address, secret string
	minute, second  *webhook.Window
}

var token = regexp.MustCompile(`^[A-Za-z0-9_-]{8,128}$`)

// New checks the options; nothing is asked of Feishu yet.
func New(o Options) (*Channel, error) {
	if len(o.Bots) == 0 {
		return nil, errors.New("feishu: no bots: give at least one, by the address of its webhook")
	}
	c := &Channel{bots: map[string]*bot{}, client: webhook.NewClient(), now: o.Now}
	if c.now == nil {
		c.now = time.Now
	}
	for name, b := range o.Bots {
		address := b.URL
		if token.MatchString(address) {
			address = hook + address
		}
		to, err := url.Parse(address)
		if err != nil || to.Scheme != "https" && to.Scheme != "http" || to.Host == "" || !strings.Contains(to.Path, "/hook/") {
			return nil, fmt.Errorf("feishu: bot %q needs the address of its webhook, such as %s…, or the token at its end", name, hook)
		}
		c.bots[name] = &bot{
			address: address, secret: b.Secret,
			minute: webhook.NewWindow(perMinute, time.Minute), second: webhook.NewWindow(perSecond, time.Second),
		}
	}
	return c, nil
}

// Batch is how many notices are merged into one message.
func (*Channel) Batch() int { return mostMerged }

// Send says all notices in one message; see [notify.Channel]. A bot cannot change what it has said, and has nothing
// by which it would know a message that is sent again.
func (c *Channel) Send(ctx context.Context, target string, thread notify.Thread, notices []notify.Notice) (string, error) {
	if len(notices) == 0 {
		return thread.First, nil
	}
	name, ok := strings.CutPrefix(target, "bot:")
	if !ok || name == "" {
		return "", fmt.Errorf("feishu: %q is no target: write bot:NAME: %w", target, notify.ErrRefused)
	}
	bot, ok := c.bots[name]
	if !ok {
		return "", fmt.Errorf("feishu: no bot is called %q: %w", name, notify.ErrRefused)
	}
	now := c.now()
	body, err := encode(notices, bot.secret, now)
	if err != nil {
		return "", fmt.Errorf("feishu: %w", err)
	}
	if err := bot.enter(now); err != nil {
		return "", fmt.Errorf("feishu: bot %s: %w", name, err)
	}
	defer func() { bot.leave(c.now()) }()
	answer, err := webhook.Send(ctx, c.client, http.MethodPost, bot.address, nil, body)
	if err != nil {
		return "", fmt.Errorf("feishu: bot %s: %w", name, err)
	}
	if err := bot.judge(answer, c.now()); err != nil {
		return "", fmt.Errorf("feishu: bot %s: %w", name, err)
	}
	return "bot:" + name + ":" + notices[0].ID, nil
}

func (b *bot) enter(now time.Time) error {
	if wait, ok := b.second.Enter(now); !ok {
		return &notify.LaterError{After: wait, Err: fmt.Errorf("a bot sends %d messages a second", perSecond)}
	}
	if wait, ok := b.minute.Enter(now); !ok {
		b.second.Leave(now)
		return &notify.LaterError{After: wait, Err: fmt.Errorf("a bot sends %d messages a minute", perMinute)}
	}
	return nil
}

func (b *bot) leave(now time.Time) {
	b.second.Leave(now)
	b.minute.Leave(now)
}

// judge reads what a bot's address answers: failures, too, may come with status 200.
func (b *bot) judge(answer webhook.Answer, now time.Time) error {
	var said struct {
		Code    *int   `json:"code"`
		Message string `json:"msg"`
		// Older bots answer with this alone when all is well.
		StatusCode *int `json:"StatusCode"`
	}
	err := json.Unmarshal(answer.Body, &said)
	code := said.Code
	if code == nil {
		code = said.StatusCode
	}
	switch {
	case answer.Status == http.StatusTooManyRequests:
		return b.later(errors.New("status 429"), now)
	case err != nil || code == nil:
		return fmt.Errorf("status %d and an answer without a code", answer.Status)
	case *code == 0:
		return nil
	}
	failed := fmt.Errorf("code %d: %s", *code, strings.ReplaceAll(markdown.Plain(said.Message, 300), b.address, "[redacted]"))
	switch {
	case slices.Contains(tooOften, *code), strings.Contains(strings.ToLower(said.Message), "too many request"):
		return b.later(failed, now)
	case *code == codeSign:
		return fmt.Errorf("%w; check the bot's secret and this machine's clock", failed)
	case *code == codeAddress, *code == codeKeyword:
		return fmt.Errorf("%w; the bot's security settings have to allow signing alone", failed)
	case slices.Contains(refusals, *code):
		return fmt.Errorf("%w: %w", failed, notify.ErrRefused)
	}
	return failed
}

func (b *bot) later(err error, now time.Time) error {
	b.minute.Block(now.Add(pause))
	return &notify.LaterError{After: pause, Err: err}
}

// sign is the proof of the secret. Key and message are the other way round from what one expects: the time and the
// secret are the key, and the message is empty.
func sign(secret string, at time.Time) (timestamp, signature string) {
	timestamp = strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(timestamp+"\n"+secret))
	return timestamp, base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
