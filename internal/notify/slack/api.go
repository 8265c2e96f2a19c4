package slack

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	goslack "github.com/slack-go/slack"

	"github.com/skyisland/skyisland/internal/notify"
)

const (
	// mostAnswer bounds what is read of an answer, in bytes: a page of a channel's history is the longest.
	mostAnswer = 4 << 20
	// pauses are kept within bounds, whatever Slack says.
	leastPause = time.Second
	mostPause  = 10 * time.Minute
	// renewal is when a token that was refused is tried again: somebody may have put another in its place.
	renewal = time.Minute
)

// refusals are errors that the same message will always have (docs.slack.dev: chat.postMessage, chat.update), and what
// to do about them.
var refusals = map[string]string{
	"channel_not_found":                        "write the ID of a channel, which is at the end of its details, and invite the app there",
	"not_in_channel":                           "invite the app to the channel",
	"is_archived":                              "choose another channel",
	"user_not_found":                           "write the ID of a member, which is in their profile",
	"users_not_found":                          "write the ID of a member, which is in their profile",
	"user_disabled":                            "choose another member",
	"cannot_dm_bot":                            "choose a member who is no bot",
	"messages_tab_disabled":                    "switch on the messages tab of the app's home",
	"channel_is_limited_access":                "let apps post to the channel",
	"restricted_action":                        "let apps post to the channel",
	"restricted_action_non_threadable_channel": "let apps post to the channel",
	"restricted_action_read_only_channel":      "let apps post to the channel",
	"restricted_action_thread_only_channel":    "let apps post to the channel",
	"invalid_blocks":                           "",
	"invalid_blocks_format":                    "",
	"invalid_arguments":                        "",
	"msg_too_long":                             "",
	"msg_blocks_too_long":                      "",
	"no_text":                                  "",
}

// renewals are errors of the token or the app, which can be put right: the notice waits for that.
var renewals = []string{
	"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope", "no_permission",
	"not_allowed_token_type", "org_login_required", "ekm_access_denied", "access_denied", "team_access_not_granted",
}

// limits are errors that say what status 429 says.
var limits = []string{"ratelimited", "rate_limited", "message_limit_exceeded"}

// lost are errors of an update or a reply whose message is not there any more, or cannot be changed.
var lost = []string{"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", "invalid_thread_ts", "cannot_reply_to_message"}

// judge says what a failed call means; see [notify.Channel].
func (c *Channel) judge(err error) error {
	var limited *goslack.RateLimitedError
	var status goslack.StatusCodeError
	var said goslack.SlackErrorResponse
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limited):
		return c.later(limited.RetryAfter, err)
	case errors.As(err, &status) && status.Code == http.StatusTooManyRequests:
		return c.later(30*time.Second, err)
	case !errors.As(err, &said):
		return err // nobody knows whether it arrived
	case slices.Contains(limits, said.Err):
		return c.later(30*time.Second, err)
	case slices.Contains(renewals, said.Err):
		failed := fmt.Errorf("%s; check the bot token and the app's scopes", plain(said.Err, mostName))
		if said.Needed != "" {
			failed = fmt.Errorf("%w: it needs %s", failed, plain(said.Needed, mostName))
		}
		return &notify.LaterError{After: renewal, Err: failed}
	}
	advice, final := refusals[said.Err]
	switch {
	case final && advice != "":
		return fmt.Errorf("%s: %s: %w", said.Err, advice, notify.ErrRefused)
	case final:
		return fmt.Errorf("%s: %w", said.Err, notify.ErrRefused)
	}
	return fmt.Errorf("slack says %s", plain(said.Err, mostName))
}

// later leaves Slack alone for a while: until then no message is tried.
func (c *Channel) later(after time.Duration, err error) error {
	after = min(max(after, leastPause), mostPause)
	c.pause.until(after)
	return &notify.LaterError{After: after, Err: err}
}

func isLost(err error) bool {
	var said goslack.SlackErrorResponse
	return errors.As(err, &said) && slices.Contains(lost, said.Err)
}

// unanswered says of an error that nobody knows whether Slack did what it was asked.
func unanswered(err error) bool {
	var limited *goslack.RateLimitedError
	var said goslack.SlackErrorResponse
	return err != nil && !errors.As(err, &limited) && !errors.As(err, &said)
}

// pause remembers that Slack wants to be left alone.
type pause struct {
	now func() time.Time

	mu   sync.Mutex
	ends time.Time
}

func (p *pause) until(after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ends := p.now().Add(after); ends.After(p.ends) {
		p.ends = ends
	}
}

func (p *pause) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends.Sub(p.now())
}

// bounded is a client that reads only so much of an answer.
type bounded struct{ client *http.Client }

// Do asks; the body of its answer ends after 4 MiB.
func (b bounded) Do(r *http.Request) (*http.Response, error) {
	response, err := b.client.Do(r) //nolint:gosec // the library asks the configured address and no other
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, mostAnswer), response.Body}
	return response, nil
}
