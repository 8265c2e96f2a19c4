package http1

import (
	"io"
	"net/http"
	"testing"
	"time"
)

func expecting(body io.Reader, length int64) *http.Request {
	req := post(body, length)
	req.Header.Set("Expect", "100-Continue")
	return req
}

const goOn = "HTTP/1.1 100 Continue\r\n\r\n"

func TestABodyThatIsAskedForIsSent(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	got := ask(in.pool(), expecting(in3(), 13), Call{Answer: patience, Inform: func(status int, _ http.Header) {
		if status != http.StatusEarlyHints {
			t.Errorf("the caller is told of %d", status)
		}
	}})
	on := in.next()
	req := on.head()
	if req.Header.Get("Expect") == "" {
		t.Error("the instance does not see that it may refuse")
	}
	on.say("HTTP/1.1 103 Early Hints\r\n\r\n")
	_ = on.SetReadDeadline(time.Now().Add(short))
	if b, err := on.r.Peek(1); err == nil {
		t.Errorf("%q came of a body that was not asked for", b)
	}
	_ = on.SetReadDeadline(time.Now().Add(patience))
	on.say(goOn + goOn)
	if b, err := io.ReadAll(req.Body); err != nil || string(b) != "one two three" {
		t.Errorf("the instance got %q, %v", b, err)
	}
	on.say(ok)
	wantAnswer(t, got, "200 ok")
}

// Whatever is said instead of 100 is the answer: also when it is a good one, and the connection has a request without
// its body.
func TestABodyThatIsRefusedIsNotRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, answer, want string }{
		{"an expectation that fails", "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n", "417 "},
		{"too large", tooLarge, "413 too much"},
		{"a good answer", ok, "200 ok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answeredEarly(t, expecting(unread{t}, 13), test.answer, test.want)
		})
	}
}

func TestAnInstanceThatClosesInsteadOf100GetsNoBody(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	got := ask(in.pool(), expecting(unread{t}, 13), patient)
	on := in.next()
	on.head()
	_ = on.Close()
	if r := wait(t, "an error", got); r.err == nil {
		t.Errorf("got %v, want an error", r)
	}
}

func TestAnInstanceThatKnowsNo100GetsTheBodyAfterAWhile(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	begun := time.Now()
	got := ask(in.pool(), expecting(in3(), -1), Call{Answer: continueTimeout * 9 / 10})
	on := in.next()
	if _, body := on.request(); body != "one two three" {
		t.Errorf("the instance got %q", body)
	}
	if d := time.Since(begun); d < continueTimeout {
		t.Errorf("the body came after %v", d)
	}
	on.say(goOn + ok) // late, but it may be said
	wantAnswer(t, got, "200 ok")
}

func TestA100ThatNobodyAskedForChangesNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		req  *http.Request
	}{
		{"without a body", get("/")},
		{"with a body", post(in3(), 13)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			got := ask(in.pool(), test.req, patient)
			in.next().serve(goOn + goOn + ok)
			wantAnswer(t, got, "200 ok")
		})
	}
}
