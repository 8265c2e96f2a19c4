package slack_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/notify/notifytest/slacktest"
	"github.com/skyisland/skyisland/internal/notify/slack"
)

// The vectors of a button, and of a command as Slack's documentation has it.
const (
	buttonBody  = "payload=%7B%22type%22%3A%22block_actions%22%2C%22user%22%3A%7B%22id%22%3A%22U1%22%7D%2C%22actions%22%3A%5B%7B%22action_id%22%3A%22approve%22%2C%22block_id%22%3A%22rel%22%2C%22value%22%3A%22rel-42%22%2C%22type%22%3A%22button%22%7D%5D%7D"
	commandBody = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	buttonSign  = "v0=3917eacdcf9982d1d85329e468a4cd46bd77dd3078d8d58be0b3117f74ca1b1c"
	commandSign = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
)

func TestSignedRequests(t *testing.T) {
	const buttonAt, commandAt = 1700000000, 1531420618
	for name, test := range map[string]struct {
		method, body, stamp, sign string
		at                        int64 // our clock
		status                    int
		says                      string
	}{
		"a button":                            {body: buttonBody, stamp: "1700000000", sign: buttonSign, at: buttonAt, status: 200},
		"a command":                           {body: commandBody, stamp: "1531420618", sign: commandSign, at: commandAt, status: 200, says: "Write /webhook-collect and one of these"},
		"300 seconds old":                     {body: buttonBody, stamp: "1700000000", sign: buttonSign, at: buttonAt + 300, status: 200},
		"301 seconds old":                     {body: buttonBody, stamp: "1700000000", sign: buttonSign, at: buttonAt + 301, status: 401, says: "five minutes"},
		"301 seconds in the future":           {body: buttonBody, stamp: "1700000000", sign: buttonSign, at: buttonAt - 301, status: 401, says: "five minutes"},
		"one byte changed":                    {body: strings.Replace(buttonBody, "rel-42", "rel-43", 1), stamp: "1700000000", sign: buttonSign, at: buttonAt, status: 401, says: "does not fit"},
		"another time than the signed one":    {body: buttonBody, stamp: "1700000001", sign: buttonSign, at: buttonAt, status: 401, says: "does not fit"},
		"the signature of another body":       {body: buttonBody, stamp: "1700000000", sign: commandSign, at: buttonAt, status: 401, says: "does not fit"},
		"half a signature":                    {body: buttonBody, stamp: "1700000000", sign: buttonSign[:35], at: buttonAt, status: 401},
		"another version of signatures":       {body: buttonBody, stamp: "1700000000", sign: "v1=" + buttonSign[3:], at: buttonAt, status: 401, says: "v0="},
		"a signature that is not hexadecimal": {body: buttonBody, stamp: "1700000000", sign: "v0=zz", at: buttonAt, status: 401, says: "hexadecimal"},
		"no signature":                        {body: buttonBody, stamp: "1700000000", at: buttonAt, status: 401, says: "X-Slack-Signature"},
		"no time":                             {body: buttonBody, sign: buttonSign, at: buttonAt, status: 401, says: "X-Slack-Request-Timestamp"},
		"a body over the limit":               {body: strings.Repeat("a", 512<<10+1), stamp: "1700000000", sign: buttonSign, at: buttonAt, status: 413},
		"not POST":                            {method: http.MethodGet, status: 405},
	} {
		t.Run(name, func(t *testing.T) {
			channel, err := slack.New(slack.Options{
				BotToken: botToken, SigningSecret: signingSecret, Desk: &desk{}, Command: "/webhook-collect",
				Now: func() time.Time { return time.Unix(test.at, 0) },
			})
			if err != nil {
				t.Fatal(err)
			}
			method := test.method
			if method == "" {
				method = http.MethodPost
			}
			r := httptest.NewRequestWithContext(t.Context(), method, "/webhooks/slack?payload=%7B%22type%22%3A%22shortcut%22%7D", strings.NewReader(test.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if test.stamp != "" {
				r.Header.Set("X-Slack-Request-Timestamp", test.stamp)
			}
			if test.sign != "" {
				r.Header.Set("X-Slack-Signature", test.sign)
			}
			w := httptest.NewRecorder()
			channel.Handler().ServeHTTP(w, r)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
				t.Errorf("status %d: %s, want %d and %q", w.Code, w.Body, test.status, test.says)
			}
			if strings.Contains(w.Body.String(), signingSecret) {
				t.Error("the answer tells the secret")
			}
		})
	}
}

func TestRequestsThatAreProvenAndSayNothing(t *testing.T) {
	for name, test := range map[string]struct {
		body   string
		status int
	}{
		"Slack looks whether we are there": {"ssl_check=1&token=x", 200},
		"nothing":                          {"", 400},
		"JSON instead of a form":           {`{"type":"url_verification"}`, 400},
		"two payloads":                     {"payload=%7B%7D&payload=%7B%7D", 400},
		"a payload that is not JSON":       {"payload=x", 400},
		"an unknown interaction":           {"payload=%7B%22type%22%3A%22x%22%7D", 400},
		"a command of nobody":              {"command=%2Fskyisland&text=help", 400},
		"a broken form":                    {"payload=%zz", 400},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			if status, body := s.post(slacktest.Signed(t.Context(), s.http.URL, test.body, signingSecret, s.clock.now())); status != test.status {
				t.Errorf("status %d: %s, want %d", status, body, test.status)
			}
			if status, _ := s.post(slacktest.Signed(t.Context(), s.http.URL, test.body, "another secret", s.clock.now())); status != 401 {
				t.Errorf("signed with another secret: status %d, want 401", status)
			}
		})
	}
}

func TestAPayloadInTheAddressIsNotRead(t *testing.T) {
	s := start(t)
	r := slacktest.Signed(t.Context(), s.http.URL+"?command=%2Fskyisland&user_id=U1&text=pause+"+id.String(), "x=1", signingSecret, s.clock.now())
	if status, _ := s.post(r); status != 400 || s.desk.told != 0 {
		t.Errorf("status %d, and the desk was told %d times; the signature does not cover an address", status, s.desk.told)
	}
}

func TestACommandOfAnotherApp(t *testing.T) {
	s := start(t)
	command := s.server.Command("U1", "pause "+id.String())
	command.Data["command"] = "/other"
	if seen := byHTTP(s, command); !strings.Contains(seen, "listens to /skyisland") || s.desk.told != 0 {
		t.Errorf("answered by %s", seen)
	}
}

func TestWithoutASigningSecretNothingIsTaken(t *testing.T) {
	channel, err := slack.New(slack.Options{BotToken: botToken, AppToken: appToken, Desk: &desk{}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	channel.Handler().ServeHTTP(w, slacktest.Signed(t.Context(), "/webhooks/slack", commandBody, "", time.Now()))
	if w.Code != http.StatusNotFound {
		t.Errorf("status %s, want 404", strconv.Itoa(w.Code))
	}
}

func TestClicksAreAnsweredBeforeTheDeskIsDone(t *testing.T) {
	s := start(t)
	held := make(chan struct{})
	s.desk.set(func() { s.desk.held = held })
	if status, body := s.post(s.server.Request(t.Context(), s.http.URL, s.server.Command("U1", "pause "+id.String()))); status != 200 || body != "" {
		t.Errorf("status %d: %s", status, body)
	}
	waited := make(chan struct{})
	go func() { s.channel.Wait(); close(waited) }()
	select {
	case <-waited:
		t.Error("Wait ended before the command was answered")
	default:
	}
	close(held)
	<-waited
	if told := s.told().Text; told != "thank you, that counts" {
		t.Errorf("U1 was told %q", told)
	}
}
