package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// window is how far a request's time may be off (docs.slack.dev: verifying requests from Slack).
	window = 5 * time.Minute
	// mostRequest bounds what is read, in bytes: a click comes with the whole message, percent-encoded.
	mostRequest = 512 << 10
)

// Handler takes clicks, forms and slash commands over HTTP. Each request is proven by its signature before anything
// of it is read, and answered at once; what is to be done is done after that. A request that comes again within the
// time its signature holds is answered and not followed again.
func (c *Channel) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.options.SigningSecret == "" {
			http.Error(w, "no signing secret is configured", http.StatusNotFound)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "only POST", http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostRequest))
		if err != nil {
			var tooLong *http.MaxBytesError
			if errors.As(err, &tooLong) {
				http.Error(w, "the request is too long", http.StatusRequestEntityTooLarge)
				return
			}
			http.Error(w, "the request ends early", http.StatusBadRequest)
			return
		}
		if err := c.verify(r.Header, body); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		answer, err := c.requested(body)
		switch {
		case errors.Is(err, errBusy):
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		case answer != nil:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(answer) // who does not hear it sends again, and that is noticed
		}
	})
}

// verify checks the signature over the bytes as they came: any other form of them is not what was signed.
func (c *Channel) verify(header http.Header, body []byte) error {
	stamp := header.Get("X-Slack-Request-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("the header X-Slack-Request-Timestamp has to be seconds since 1970")
	}
	given, err := hex.DecodeString(strings.TrimPrefix(header.Get("X-Slack-Signature"), "v0="))
	if err != nil || !strings.HasPrefix(header.Get("X-Slack-Signature"), "v0=") {
		return errors.New("the header X-Slack-Signature has to be v0= and hexadecimal digits")
	}
	mac := hmac.New(sha256.New, []byte(c.options.SigningSecret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	if !hmac.Equal(given, mac.Sum(nil)) {
		return errors.New("the header X-Slack-Signature does not fit")
	}
	if off := c.options.Now().Sub(time.Unix(seconds, 0)); off > window || off < -window {
		return errors.New("the header X-Slack-Request-Timestamp is more than five minutes off")
	}
	return nil
}

// requested takes the body of a request that is proven.
func (c *Channel) requested(body []byte) (answer any, err error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("the request is no form")
	}
	switch {
	case values.Get("ssl_check") == "1":
		return nil, nil // Slack looks whether we are there
	case len(values["payload"]) == 1:
		return c.interacted([]byte(values.Get("payload")))
	case len(values["command"]) == 1:
		return c.commanded(command{
			Command: values.Get("command"), Text: values.Get("text"), User: values.Get("user_id"), UserName: values.Get("user_name"),
			Channel: values.Get("channel_id"), TriggerID: values.Get("trigger_id"), ResponseURL: values.Get("response_url"),
		})
	}
	return nil, errForeign
}
