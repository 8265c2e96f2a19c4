package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// short is an Answer that passes while a test waits for it; long is one that passes only while the test wants it to, also
// where the machine stands still for a while. The tests that let it pass do so at the same time.
const (
	short = 80 * time.Millisecond
	long  = time.Second
)

func wantTimeout(t *testing.T, got <-chan result) error {
	t.Helper()
	r := wait(t, "an error", got)
	var network net.Error
	if !errors.As(r.err, &network) || !network.Timeout() {
		t.Errorf("got %v, want a timeout", r)
	}
	if errors.Is(r.err, ErrMalformed) {
		t.Error("it blames the instance's bytes:", r.err)
	}
	return r.err
}

func TestAnAnswerThatDoesNotComeInTimeIsATimeout(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		req  *http.Request
		said string
	}{
		{"none at all", get("/"), ""},
		{"half of a head", get("/"), "HTTP/1.1 200 OK\r\nA: "},
		{"informational answers only", get("/"), "HTTP/1.1 103 Early Hints\r\n\r\n"},
		{"none to a body of a length", post(in3(), 13), ""},
		{"none to a body in chunks", post(in3(), -1), ""},
		{"half of a head to a body", post(in3(), -1), "HTTP/1.1 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			pool := in.pool()
			begun := time.Now()
			got := ask(pool, test.req, Call{Answer: short})
			on := in.next()
			on.serve(test.said)
			err := wantTimeout(t, got)
			if d := time.Since(begun); d < short {
				t.Errorf("it was given up after %v", d)
			}
			if dial := new(DialError); errors.As(err, &dial) {
				t.Error("it says that nothing was sent:", err)
			}
			on.gone()
		})
	}
}

func TestAKeptConnectionThatDoesNotAnswerInTimeIsNotStale(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool, on := kept(in)
	got := ask(pool, get("/"), Call{Answer: short})
	on.request()
	if err := wantTimeout(t, got); errors.Is(err, errStale) {
		t.Error("it is stale:", err)
	}
	on.gone()
}

// The body takes longer than the answer may, and so does the answer's.
func TestTheAnswerIsOnlyWaitedForWhenTheBodyWasSent(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	body, more := io.Pipe()
	got := ask(in.pool(), post(body, -1), Call{Answer: long})
	on := in.next()
	req := on.head()
	feed(t, more, "slow ")
	time.AfterFunc(long+short, func() {
		feed(t, more, "body")
		_ = more.Close()
	})
	if b, err := io.ReadAll(req.Body); err != nil || string(b) != "slow body" {
		t.Fatalf("the instance got %q, %v", b, err)
	}
	on.sayLate(got)
}

func TestAnAnswerMayComeSlowlyOnceItHasBegun(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	got := ask(in.pool(), get("/"), Call{Answer: long})
	on := in.next()
	on.request()
	on.sayLate(got)
}

// The body ends when the answer has begun already: nothing is waited for any more then.
func TestAnAnswerThatBeganDuringAnUploadMayComeSlowly(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool := in.pool()
	body, more := io.Pipe()
	begun, got := make(chan bool, 1), make(chan result, 1)
	go func() {
		resp, err := pool.Do(post(body, -1), Call{Answer: long})
		begun <- true
		if err != nil {
			got <- result{err: err}
			return
		}
		b, err := io.ReadAll(resp.Body)
		got <- result{resp, string(b), err}
	}()
	on := in.next()
	req := on.head()
	on.say("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n")
	wait(t, "the head of the answer", begun)
	_ = more.Close()
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		t.Fatal(err)
	}
	on.finishLate("slow answer", got)
}

// sayLate begins to answer at once, and ends when the answer would be late.
func (p *peer) sayLate(got <-chan result) {
	p.t.Helper()
	p.say("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nslow ")
	p.finishLate("answer", got)
}

// finishLate says the rest of "slow answer" when the head of an answer would be late.
func (p *peer) finishLate(rest string, got <-chan result) {
	p.t.Helper()
	select {
	case r := <-got:
		p.t.Error("it was given up:", r)
	case <-time.After(long + short):
		p.say(rest)
		wantAnswer(p.t, got, "200 slow answer")
	}
}

func TestAnInstanceThatStopsReadingABodyIsATimeout(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{-1, 1 << 40} {
		t.Run(map[int64]string{-1: "in chunks", 1 << 40: "of a length"}[length], func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			got := ask(in.pool(), post(zeros{}, length), Call{Answer: short})
			on := in.next()
			on.head()
			err := wantTimeout(t, got)
			if dial := new(DialError); errors.As(err, &dial) {
				t.Error("it says that nothing was sent:", err)
			}
			on.gone()
		})
	}
}

// What the instance says once it takes no more is still heard.
func TestAnInstanceThatStopsReadingMayAnswer(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	stuck := make(chan struct{})
	sent := 0
	body := readFunc(func(p []byte) (int, error) {
		if sent += len(p); sent == 4*len(p) {
			close(stuck)
		}
		return len(p), nil
	})
	got := ask(in.pool(), post(body, -1), Call{Answer: long})
	on := in.next()
	on.head()
	wait(t, "the body", stuck)
	<-time.After(long + short) // its next part was not taken in time
	on.say(tooLarge)
	wantAnswer(t, got, "413 too much")
}

func TestABodyThatDoesNotComeIsNoTimeout(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	body, more := io.Pipe()
	got := ask(in.pool(), post(body, -1), Call{Answer: short})
	on := in.next()
	on.head()
	select {
	case r := <-got:
		t.Fatal("it was given up:", r)
	case <-time.After(2 * short):
	}
	on.say(ok)
	wantAnswer(t, got, "200 ok")
	_ = more.Close()
}

func TestConnectingIsBounded(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool := NewPool(in.Addr().String(), Options{Dial: short, Idle: time.Minute, Head: 1 << 10, Keep: 1, Now: time.Now})
	begun := blockDialing(pool)
	got := ask(pool, get("/"), patient)
	wait(t, "connecting", begun)
	err := wantTimeout(t, got)
	if dial := new(DialError); !errors.As(err, &dial) {
		t.Error("it does not say that nothing was sent:", err)
	}
}

func TestACallersDeadlineIsItsOwn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	in := newInstance(t)
	got := ask(in.pool(), request(ctx, http.MethodPost, "/", strings.NewReader("body"), 4), patient)
	on := in.next()
	on.head()
	if err := wantTimeout(t, got); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	on.gone()
}
