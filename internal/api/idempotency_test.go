package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

// askKeyed asks with an Idempotency-Key.
func askKeyed(t *testing.T, token, key, url, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Idempotency-Key", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(data)}
}

func TestTheSameRequestTwiceIsDoneOnce(t *testing.T) {
	i, server := installation(t)
	pause := server + releases + "3/pause"
	first := askKeyed(t, apitest.Operator, "k1", pause, `{"comment":"lunch"}`)
	again := askKeyed(t, apitest.Operator, `"k1"`, pause, `{"comment":"lunch"}`)
	if first.status != 200 || again.status != 200 || again.body != first.body || len(i.Told()) != 1 {
		t.Errorf("got %d %s, then %d %s; told %d times", first.status, first.body, again.status, again.body, len(i.Told()))
	}
	if first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" || again.header.Get("Content-Type") != "application/json" {
		t.Errorf("the headers are %v, then %v", first.header, again.header)
	}
	for name, test := range map[string]struct {
		token, url, body string
		status           int
	}{
		"another body":        {apitest.Operator, pause, `{"comment":"dinner"}`, 422},
		"another instruction": {apitest.Operator, server + releases + "3/resume", `{"comment":"lunch"}`, 422},
		"of somebody else":    {apitest.Reader, pause, `{"comment":"lunch"}`, 200},
	} {
		t.Run(name, func(t *testing.T) {
			got := askKeyed(t, test.token, "k1", test.url, test.body)
			if got.status != test.status || got.header.Get("Idempotency-Replayed") != "" {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
	if told := len(i.Told()); told != 2 {
		t.Errorf("told %d times", told)
	}
}

func TestARefusalIsKeptAndAFailureIsNot(t *testing.T) {
	i, server := installation(t)
	pause := server + releases + "3/pause"
	for name, test := range map[string]struct {
		err    error
		status int
		told   int
	}{
		"a refusal":  {release.ErrFinished, 409, 1},
		"a failure":  {errors.New("disk full"), 500, 2},
		"a time out": {context.DeadlineExceeded, 503, 2},
	} {
		t.Run(name, func(t *testing.T) {
			told := 0
			i.OnInstruct(func(apitest.Told) (workflows.Followed, error) {
				told++
				return workflows.Followed{}, test.err
			})
			for range 2 {
				if got := askKeyed(t, apitest.Operator, strings.ReplaceAll(name, " ", "-"), pause, ""); got.status != test.status {
					t.Errorf("got %d %s", got.status, got.body)
				}
			}
			if told != test.told {
				t.Errorf("told %d times, want %d", told, test.told)
			}
		})
	}
}

func TestARequestUnderWayIsNotBegunAgain(t *testing.T) {
	i, server := installation(t)
	begun, end := make(chan struct{}), make(chan struct{})
	i.Inbox().Hold(begun, end)
	start := server + "/api/v1/applications/demo/hello/releases"
	answered := make(chan answer, 1)
	go func() { answered <- askKeyed(t, apitest.Operator, "slow", start, `{"ref":"main"}`) }()
	<-begun
	got := askKeyed(t, apitest.Operator, "slow", start, `{"ref":"main"}`)
	if got.status != 409 || !strings.Contains(got.body, api.CodeInProgress) || got.header.Get("Retry-After") == "" {
		t.Errorf("while it is under way: %d %s", got.status, got.body)
	}
	close(end)
	if first := <-answered; first.status != 202 {
		t.Errorf("the first got %d %s", first.status, first.body)
	}
	if got := askKeyed(t, apitest.Operator, "slow", start, `{"ref":"main"}`); got.status != 202 || got.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}

// A server that has done what it was told and died before it kept the answer leaves a key without one. Asked again, what
// is done has the same identity, by which it is known to have been done.
func TestWhatWasDoneBeforeTheAnswerWasKeptHasTheSameIdentity(t *testing.T) {
	now := time.Now()
	i := apitest.New()
	i.Clock(func() time.Time { return now })
	i.Put(status(three, release.Ramping))
	server := i.Start(t, api.Info{})
	frozen := map[string]bool{}
	for _, later := range []time.Duration{0, 3 * time.Minute} {
		now = now.Add(later)
		for path, body := range map[string]string{
			releases + "3/rollback": "", "/api/v1/freezes": `{"about":"demo","reason":"x"}`, "/api/v1/applications/demo/hello/releases": `{"ref":"main"}`,
		} {
			if got := askKeyed(t, apitest.Operator, "k"+path, server+path, body); got.status/100 != 2 || got.header.Get("Idempotency-Replayed") != "" {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			} else if path == "/api/v1/freezes" {
				frozen[got.body] = true
			}
		}
		i.Keys().Forget()
	}
	told := i.Told()
	if len(told) != 2 || told[0].Instruction.ID == "" || told[0].Instruction.ID != told[1].Instruction.ID {
		t.Errorf("told %+v", told)
	}
	if asked := i.Inbox().Requests(); len(asked) != 1 {
		t.Errorf("asked for %+v", asked)
	}
	freezes, err := i.Freezes(t.Context(), now)
	if err != nil || len(freezes) != 2 || freezes[0].ID != freezes[1].ID {
		t.Errorf("froze %+v, %v", freezes, err) // the store keeps one of an ID
	}
	if len(frozen) != 1 {
		t.Errorf("it was answered in more than one way: %v", frozen)
	}
}

func TestARollbackWaitsForNoDatabase(t *testing.T) {
	i, server := installation(t)
	i.Keys().Break(errors.New("no connection to the database"))
	if got := askKeyed(t, apitest.Operator, "k", server+releases+"3/rollback", ""); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := askKeyed(t, apitest.Operator, "k", server+"/api/v1/deliveries/x/retry", ""); got.status != 500 || strings.Contains(got.body, "database") {
		t.Errorf("what has no identity: %d %s", got.status, got.body)
	}
}

func TestARollbackDoesNotHangWithTheDatabase(t *testing.T) {
	i, server := installation(t)
	i.Keys().Hang()
	begin := time.Now()
	if got := askKeyed(t, apitest.Operator, "k", server+releases+"3/rollback", ""); got.status != 200 || time.Since(begin) > 10*time.Second {
		t.Errorf("got %d %s after %s", got.status, got.body, time.Since(begin))
	}
	if told := i.Told(); len(told) != 1 || told[0].Instruction.ID == "" {
		t.Errorf("told %+v", told)
	}
}

func TestAnAnswerIsForgottenAfterADay(t *testing.T) {
	now := time.Now()
	i := apitest.New()
	i.Clock(func() time.Time { return now })
	i.Put(status(three, release.Ramping))
	server := i.Start(t, api.Info{})
	for _, test := range []struct {
		later    time.Duration
		replayed string
	}{{0, ""}, {23 * time.Hour, "true"}, {time.Hour, ""}} {
		now = now.Add(test.later)
		if got := askKeyed(t, apitest.Operator, "k", server+releases+"3/pause", ""); got.status != 200 || got.header.Get("Idempotency-Replayed") != test.replayed {
			t.Errorf("after %s: %d %v", test.later, got.status, got.header)
		}
		if n := i.Keys().Count(); n != 1 {
			t.Errorf("%d keys are kept", n)
		}
	}
}

func TestKeysThatAreNone(t *testing.T) {
	i, server := installation(t)
	for name, key := range map[string]string{"empty": "", "blank": "a b", "too long": strings.Repeat("x", 256), "not ASCII": "schlüssel", "quotes": `""`} {
		t.Run(name, func(t *testing.T) {
			got := askKeyed(t, apitest.Operator, key, server+releases+"3/pause", "")
			if got.status != 400 || !strings.Contains(got.body, "such as a UUID") {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
	if got := askKeyed(t, apitest.Operator, "k", server+releases+"3/pause", strings.Repeat("x", 2<<20)); got.status != 413 {
		t.Errorf("a large body with a key: %d %s", got.status, got.body)
	}
	if len(i.Told()) > 0 || i.Keys().Count() > 0 {
		t.Errorf("told %v, with %d keys", i.Told(), i.Keys().Count())
	}
}
