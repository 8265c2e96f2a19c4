package http1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWhatIsNoAnswerIsAnError(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, answer string }{
		{"another protocol", "220 mail.example ESMTP\r\n\r\n"},
		{"another version's words", "HTTP/x.1 200 OK\r\n\r\n"},
		{"a status of letters", "HTTP/1.1 abc OK\r\n\r\n"},
		{"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"},
		{"a status below 100", "HTTP/1.1 099 Low\r\n\r\n"},
		{"a negative status", "HTTP/1.1 -99 Low\r\n\r\n"},
		{"a change of protocols that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"},
		{"a field without a colon", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n"},
		{"a field with a space before the colon", "HTTP/1.1 200 OK\r\nA : 1\r\n\r\n"},
		{"a field without a name", "HTTP/1.1 200 OK\r\n: 1\r\n\r\n"},
		{"a field whose name is no token", "HTTP/1.1 200 OK\r\nA(b): 1\r\n\r\n"},
		{"a line that goes on before any field", "HTTP/1.1 200 OK\r\n A: 1\r\n\r\n"},
		{"a null byte in a value", "HTTP/1.1 200 OK\r\nA: 1\x002\r\n\r\n"},
		{"a carriage return in a value", "HTTP/1.1 200 OK\r\nA: 1\r2\r\n\r\n"},
		{"an informational answer with a bad field", "HTTP/1.1 103 Early Hints\r\nA: 1\x002\r\n\r\n" + ok},
		{"two lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"},
		{"a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"},
		{"an encoding of the message other than chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			got := ask(in.pool(), get("/"), patient)
			on := in.next()
			on.serve(test.answer)
			r := wait(t, "an error", got)
			if !errors.Is(r.err, ErrMalformed) {
				t.Errorf("got %v, want %v", r, ErrMalformed)
			}
			if dial := new(DialError); errors.As(r.err, &dial) {
				t.Error("it says that nothing was sent:", r.err)
			}
			on.gone()
		})
	}
}

func TestAKeptConnectionWithAMalformedAnswerIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool, on := kept(in)
	got := ask(pool, get("/"), patient)
	on.serve("nonsense\r\n\r\n")
	if r := wait(t, "an error", got); !errors.Is(r.err, ErrMalformed) || errors.Is(r.err, errStale) {
		t.Errorf("got %v, want %v", r, ErrMalformed)
	}
	on.gone()
}

func TestInformationalAnswersArePassedOnUpToABound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		before []int
		told   []int
		want   error
	}{
		{"as many as there may be", []int{102, 103, 103, 110, 199}, []int{102, 103, 103, 110, 199}, nil},
		{"100 is for who asked", []int{100, 103, 100}, []int{103}, nil},
		{"one more than there may be", []int{103, 103, 103, 103, 103, 103}, []int{103, 103, 103, 103, 103, 103}, ErrMalformed},
		{"one more 100 than there may be", []int{100, 100, 100, 100, 100, 100}, nil, ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			var told []int
			inform := func(status int, header http.Header) {
				told = append(told, status)
				if header.Get("Link") == "" {
					t.Error("the header is missing of informational answer", len(told))
				}
			}
			got := ask(in.pool(), get("/"), Call{Answer: patience, Inform: inform})
			on := in.next()
			on.request()
			for _, status := range test.before {
				on.say(fmt.Sprintf("HTTP/1.1 %d Wait\r\nLink: </a>\r\n\r\n", status))
			}
			if test.want == nil {
				on.say(ok)
				wantAnswer(t, got, "200 ok")
			} else if r := wait(t, "an error", got); !errors.Is(r.err, test.want) {
				t.Errorf("got %v, want %v", r, test.want)
			}
			if !slices.Equal(told, test.told) {
				t.Errorf("told of %v, want %v", told, test.told)
			}
		})
	}
}

// headOf is an answer whose head has n bytes.
func headOf(n int, status string, body string) string {
	line, end := "HTTP/1.1 "+status+"\r\nX: ", "\r\n\r\n"
	if body != "" {
		end = fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", len(body))
	}
	return line + strings.Repeat("x", n-len(line)-len(end)) + end + body
}

func TestTheHeadOfAnAnswerHasABound(t *testing.T) {
	t.Parallel()
	const head = 10_000
	body := strings.Repeat("body", head)
	hints := headOf(2_500, "103 Early Hints", "")
	for _, test := range []struct {
		name, answer string
		want         bool
	}{
		{"as long as it may be", headOf(head, "200 OK", body), true},
		{"one byte longer", headOf(head+1, "200 OK", body), false},
		{"a field that does not end", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", head), false},
		{"a first line that does not end", strings.Repeat("x", head+1), false},
		{"fields without end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", head/6), false},
		{"as long as it may be, with those before it", strings.Repeat(hints, 3) + headOf(2_500, "200 OK", body), true},
		{"one byte longer, with those before it", strings.Repeat(hints, 3) + headOf(2_501, "200 OK", body), false},
		{"those before it alone", strings.Repeat(hints, 4) + ok, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			pool := in.pool(func(o *Options) { o.Head = head })
			got := ask(pool, get("/"), patient)
			on := in.next()
			on.request()
			go func() { _, _ = io.WriteString(on, test.answer) }() // it may be cut off
			if !test.want {
				if r := wait(t, "an error", got); !errors.Is(r.err, ErrMalformed) {
					t.Errorf("got %v, want %v", r, ErrMalformed)
				}
				on.gone()
				return
			}
			wantAnswer(t, got, "200 "+body)
			again := ask(pool, get("/"), patient) // and each head anew
			on.request()
			go func() { _, _ = io.WriteString(on, test.answer) }() // it may be cut off
			wantAnswer(t, again, "200 "+body)
		})
	}
}

func TestNothingWasSentOnlyWhereNoConnectionWasMade(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool := in.pool()
	in.Close()
	r := wait(t, "an error", ask(pool, post(unread{t}, 4), patient))
	var dial *DialError
	var network *net.OpError
	if !errors.As(r.err, &dial) || !errors.As(r.err, &network) || network.Op != "dial" {
		t.Errorf("got %v, want a %T", r, dial)
	}
	if !strings.HasPrefix(r.err.Error(), "connect to instance: ") {
		t.Error("it reads", r.err)
	}
}

func TestARequestIsWrittenAsItWasGiven(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	req := get("/a%2fb//../c?q=%zz&x;y")
	req.Header = http.Header{
		"X-Two": {"1", "2"}, "Content-Length": {"7"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"A"}, "Host": {"other"},
	}
	got := ask(in.pool(), req, patient)
	on := in.next()
	var lines []string
	for {
		line, err := on.r.ReadString('\n')
		if err != nil || line == "\r\n" {
			break
		}
		lines = append(lines, strings.TrimSuffix(line, "\r\n"))
	}
	want := []string{"GET /a%2fb//../c?q=%zz&x;y HTTP/1.1", "Host: web.example", "X-Two: 1", "X-Two: 2"}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
	on.say(ok)
	wantAnswer(t, got, "200 ok")
}

func TestReadySaysThatSomeOfTheBodyIsThere(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	for _, body := range []string{"", "ok"} {
		got := make(chan bool, 1)
		pool := in.pool()
		go func() {
			resp, err := pool.Do(get("/"), patient)
			if err != nil {
				t.Error(err)
			}
			got <- resp.Body.(interface{ Ready() bool }).Ready()
			resp.Body.Close()
		}()
		on := in.next()
		on.serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body)
		if ready := wait(t, "the head of an answer", got); ready != (body != "") {
			t.Errorf("ready is %v with %q", ready, body)
		}
		_ = on.SetDeadline(time.Now().Add(patience))
		on.gone()
	}
}
