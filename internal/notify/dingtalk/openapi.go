package dingtalk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markdown"
	"github.com/skyisland/skyisland/internal/notify/webhook"
)

const (
	// tokenMargin is how early an access token is renewed; it lives two hours.
	tokenMargin = 5 * time.Minute
	// apiPause is how long to leave DingTalk alone that does not say for how long.
	apiPause = 10 * time.Second
	// mostPause is the longest wait that is believed.
	mostPause = 10 * time.Minute
)

// openAPI asks DingTalk's API as the app.
type openAPI struct {
	options Options
	client  *http.Client

	mu     sync.Mutex // held while a token is fetched, so that all who need one wait for the same
	token  string
	renews time.Time
}

// apiError is a refusal of the API.
type apiError struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string {
	return fmt.Sprintf("status %d, %s: %s", e.Status, markdown.Plain(e.Code, 100), markdown.Plain(e.Message, 300))
}

// call asks for one thing; the answer is put into out, unless that is nil.
func (a *openAPI) call(ctx context.Context, method, path string, body, out any) error {
	for again := false; ; again = true {
		token, err := a.accessToken(ctx)
		if err != nil {
			return err
		}
		err = a.ask(ctx, method, path, token, body, out)
		var refused *apiError
		// A token can end before its time, for instance when the secret was changed.
		if !again && errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Code == "InvalidAuthentication") {
			a.forget(token)
			continue
		}
		return err
	}
}

func (a *openAPI) ask(ctx context.Context, method, path, token string, body, out any) error {
	encoded, err := webhook.Encode(body)
	if err != nil {
		return err
	}
	header := http.Header{}
	if token != "" {
		header["X-Acs-Dingtalk-Access-Token"] = []string{token}
	}
	answer, err := webhook.Send(ctx, a.client, method, a.options.API+path, header, encoded)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return refusal(answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return errors.New("an answer that is not what the API promises")
	}
	return nil
}

// refusal turns an answer into what to do about it.
func refusal(answer webhook.Answer) error {
	failed := &apiError{Status: answer.Status}
	if json.Unmarshal(answer.Body, failed) != nil || failed.Code == "" {
		failed.Code = "without a reason"
	}
	switch {
	case answer.Status == http.StatusTooManyRequests || strings.Contains(failed.Code, "QpsLimit"):
		pause := apiPause
		if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
			pause = min(time.Duration(seconds)*time.Second, mostPause)
		}
		return &notify.LaterError{After: pause, Err: failed}
	case answer.Status == http.StatusForbidden:
		return fmt.Errorf("%w; grant the app the permission it names, in DingTalk's developer console", failed)
	case answer.Status == http.StatusUnauthorized:
		return fmt.Errorf("%w; check client ID and client secret", failed)
	case answer.Status >= 400 && answer.Status < 500 && answer.Status != http.StatusRequestTimeout:
		return fmt.Errorf("%w: %w", failed, notify.ErrRefused)
	}
	return failed
}

func (a *openAPI) accessToken(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token != "" && a.options.Now().Before(a.renews) {
		return a.token, nil
	}
	var got struct {
		AccessToken string `json:"accessToken"`
		ExpireIn    int64  `json:"expireIn"`
	}
	asked := map[string]string{"appKey": a.options.ClientID, "appSecret": a.options.ClientSecret}
	at := a.options.Now()
	if err := a.ask(ctx, http.MethodPost, "/v1.0/oauth2/accessToken", "", asked, &got); err != nil {
		var refused *apiError
		if errors.As(err, &refused) {
			// A wrong secret can be put right, so the notice is not lost for it.
			return "", fmt.Errorf("get an access token: %w; check client ID and client secret", refused)
		}
		return "", fmt.Errorf("get an access token: %w", err)
	}
	if got.AccessToken == "" || got.ExpireIn <= 0 || got.ExpireIn > 1<<20 {
		return "", errors.New("get an access token: the answer has none")
	}
	lives := time.Duration(got.ExpireIn) * time.Second
	a.token, a.renews = got.AccessToken, at.Add(max(lives-tokenMargin, lives/2))
	return a.token, nil
}

// forget drops a token that was not taken, unless another has taken its place already.
func (a *openAPI) forget(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token == token {
		a.token = ""
	}
}
