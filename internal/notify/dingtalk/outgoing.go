package dingtalk

import (
	"context"
	"crypto/hmac"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// outgoingWindow is how far the time of a callback may be off (open.dingtalk.com: receive robot messages over HTTP).
const outgoingWindow = time.Hour

// Outgoing takes messages to the app's robot over HTTP, for an app that does not use Stream mode. Its signature is
// over the time alone and not over the body: whoever has seen one can send anything with it for an hour. So a message
// that comes this way may ask how a release is, and decides nothing. Serve it over TLS only.
func (c *Channel) Outgoing() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "only POST", http.StatusMethodNotAllowed)
			return
		}
		if err := c.checkOutgoing(r.Header); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostCallback))
		if err != nil {
			var tooLong *http.MaxBytesError
			if errors.As(err, &tooLong) {
				http.Error(w, "the message is too long", http.StatusRequestEntityTooLarge)
				return
			}
			http.Error(w, "the message ends early", http.StatusBadRequest)
			return
		}
		m, err := parseMessage(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), handling)
		defer cancel()
		c.hear(ctx, m, false)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}") // who does not hear it sends again, and that is noticed
	})
}

func (c *Channel) checkOutgoing(header http.Header) error {
	if c.options.ClientSecret == "" {
		return errors.New("no app is configured")
	}
	timestamp := header.Get("timestamp")
	milliseconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return errors.New("the header timestamp has to be milliseconds since 1970")
	}
	if !hmac.Equal([]byte(header.Get("sign")), []byte(signatureOf(c.options.ClientSecret, timestamp))) {
		return errors.New("the header sign does not fit")
	}
	if off := c.options.Now().Sub(time.UnixMilli(milliseconds)); off > outgoingWindow || off < -outgoingWindow {
		return errors.New("the header timestamp is more than an hour off")
	}
	return nil
}
