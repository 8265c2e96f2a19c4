package http1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func post(body io.Reader, length int64) *http.Request {
	return request(context.Background(), http.MethodPost, "/", body, length)
}

// in3 is a body that comes in three parts, and ends with its last.
func in3() io.Reader {
	parts := io.MultiReader(strings.NewReader("one "), strings.NewReader("two "), strings.NewReader("three"))
	return iotest.DataErrReader(parts)
}

func TestABodyArrivesAsItWasGiven(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", 20_000)
	for _, test := range []struct {
		name, method string
		body         io.Reader
		length       int64
		content      []byte
		wantLength   int64
		want         string
	}{
		{"of a length, in parts", http.MethodPost, in3(), 13, nil, 13, "one two three"},
		{"in chunks", http.MethodPost, in3(), -1, nil, -1, "one two three"},
		{"in chunks, of none", http.MethodPost, io.MultiReader(), -1, nil, -1, ""},
		{"of a length, larger than all buffers", http.MethodPut, strings.NewReader(long), int64(len(long)), nil, int64(len(long)), long},
		{"in chunks, larger than all buffers", http.MethodPut, strings.NewReader(long), -1, nil, -1, long},
		{"byte by byte", http.MethodPost, iotest.OneByteReader(in3()), 13, nil, 13, "one two three"},
		{"longer than announced, to the announced length", http.MethodPost, in3(), 8, nil, 8, "one two "},
		{"at hand", http.MethodPost, unread{t}, 4, []byte("here"), 4, "here"},
		{"at hand, larger than all buffers", http.MethodPost, unread{t}, 4, []byte(long), int64(len(long)), long},
		{"at hand, and empty", http.MethodGet, unread{t}, -1, []byte{}, 0, ""},
		{"none, but of a method that has one", http.MethodPost, nil, 0, nil, 0, ""},
		{"of no length, as HTTP/2 gives every request one", http.MethodPost, unread{t}, 0, nil, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			req := request(context.Background(), test.method, "/", test.body, test.length)
			got := ask(in.pool(), req, Call{Answer: patience, Content: test.content})
			on := in.next()
			arrived, body := on.request()
			if arrived.ContentLength != test.wantLength || body != test.want {
				t.Errorf("got length %d, %d bytes, want length %d, %d bytes", arrived.ContentLength, len(body), test.wantLength, len(test.want))
			}
			on.say(ok)
			wantAnswer(t, got, "200 ok")
		})
	}
}

// A connection is used again after a body, when whoever sent it says so before the answer is read; the instance may be
// faster than that.
func TestAConnectionIsUsedAgainAfterAnUpload(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool := in.pool()
	eventually(t, "a connection that is kept", func() bool {
		got := ask(pool, post(in3(), -1), patient)
		in.next().serve(ok)
		wantAnswer(t, got, "200 ok")
		return pool.idleCount() == 1
	})
}

// An answer that is over before its request is: the connection has half a request on it.
func TestAConnectionWithARequestThatIsNotSentWholeIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, answer, want string }{
		{"an answer with a body", ok, "200 ok"},
		{"an answer without", "HTTP/1.1 204 No Content\r\n\r\n", "204 "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			body, more := io.Pipe()
			defer func() { _ = more.Close() }()
			answeredEarly(t, post(body, -1), test.answer, test.want)
		})
	}
}

func TestPartsOfABodyAreSentAsTheyCome(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{-1, 6} {
		t.Run(fmt.Sprint("length ", length), func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			body, more := io.Pipe()
			got := ask(in.pool(), post(body, length), patient)
			on := in.next()
			req := on.head()
			for _, part := range []string{"one", "two"} {
				feed(t, more, part)
				b := make([]byte, len(part))
				if _, err := io.ReadFull(req.Body, b); err != nil || string(b) != part {
					t.Fatalf("got %q, %v, want %q", b, err, part)
				}
			}
			_ = more.Close()
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				t.Fatal(err)
			}
			on.say(ok)
			wantAnswer(t, got, "200 ok")
		})
	}
}

func TestTrailersFollowABody(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	// Their values are known when the body has been read, as in requests that net/http's server got.
	req := post(nil, -1)
	req.Trailer = http.Header{"Checksum": nil, "Length": nil, "Content-Length": {"9"}}
	req.Body = io.NopCloser(io.MultiReader(in3(), readFunc(func([]byte) (int, error) {
		req.Trailer["Checksum"] = []string{"abc"}
		return 0, io.EOF
	})))
	got := ask(in.pool(), req, patient)
	on := in.next()
	arrived := on.head()
	if _, ok := arrived.Trailer["Checksum"]; !ok || len(arrived.Trailer) != 2 {
		t.Errorf("announced were %v", arrived.Trailer)
	}
	body, err := io.ReadAll(arrived.Body)
	if err != nil || string(body) != "one two three" {
		t.Errorf("got %q, %v", body, err)
	}
	if want := (http.Header{"Checksum": {"abc"}, "Length": nil}); !maps.EqualFunc(arrived.Trailer, want, sameValues) {
		t.Errorf("got %v, want %v", arrived.Trailer, want)
	}
	on.say(ok)
	wantAnswer(t, got, "200 ok")
}

func sameValues(a, b []string) bool { return strings.Join(a, ",") == strings.Join(b, ",") }

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestTheInstanceSeesThatABodyIsNotWhole(t *testing.T) {
	t.Parallel()
	broken := errors.New("the client hung up")
	for _, test := range []struct {
		name   string
		body   io.Reader
		length int64
		want   error
	}{
		{"a body shorter than its length", in3(), 14, errShort},
		{"a body of a length that breaks off", io.MultiReader(in3(), iotest.ErrReader(broken)), 14, broken},
		{"chunks that break off", io.MultiReader(in3(), iotest.ErrReader(broken)), -1, broken},
		{"a body that never begins", iotest.ErrReader(broken), -1, broken},
		{"a body that breaks off with its last bytes", brokenAtEnd(broken), 4, broken},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			pool := in.pool()
			got := ask(pool, post(test.body, test.length), patient)
			on := in.next()
			req := on.head()
			if b, err := io.ReadAll(req.Body); test.length != 4 && err == nil {
				t.Errorf("the instance got a whole request: %q", b)
			}
			on.gone()
			r := wait(t, "an error", got)
			if !errors.Is(r.err, test.want) {
				t.Errorf("got %v, want %v", r, test.want)
			}
			if dial := new(DialError); errors.As(r.err, &dial) || errors.Is(r.err, errStale) {
				t.Error("it says that the request may be sent again:", r.err)
			}
			if n := pool.idleCount(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

// brokenAtEnd gives its last bytes and an error at once.
func brokenAtEnd(err error) io.Reader {
	return readFunc(func(p []byte) (int, error) { return copy(p, "last"), err })
}

const tooLarge = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much"

func TestAnAnswerDuringAnUploadIsDelivered(t *testing.T) {
	t.Parallel()
	atHand := Call{Answer: short, Content: make([]byte, 32<<20)} // more than the kernel takes
	for _, test := range []struct {
		name string
		body io.Reader
		call Call
		then func(*peer)
	}{
		{"the instance takes no more", zeros{}, patient, func(*peer) {}},
		{"the instance reads on", zeros{}, patient, func(p *peer) { go func() { _, _ = io.Copy(io.Discard, p.r) }() }},
		{"the instance closes with bytes unread", zeros{}, patient, func(p *peer) { _ = p.Close() }},
		{"the instance resets", zeros{}, patient, (*peer).reset},
		{"the instance takes no more of a body at hand", nil, atHand, func(*peer) {}},
		{"the instance closes with bytes unread of a body at hand", nil, atHand, func(p *peer) { _ = p.Close() }},
		{"the instance resets during a body at hand", nil, atHand, (*peer).reset},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			pool := in.pool()
			got := ask(pool, post(test.body, -1), test.call)
			on := in.next()
			on.head()
			on.say(tooLarge)
			test.then(on)
			wantAnswer(t, got, "413 too much")
			if n := pool.idleCount(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

func TestAnswerAndBodyMayFlowAtOnce(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	body, more := io.Pipe()
	heads := make(chan *http.Response, 1)
	go func() {
		resp, err := in.pool().Do(post(body, -1), Call{Answer: 50 * time.Millisecond})
		if err != nil {
			t.Error(err)
		}
		heads <- resp
	}()
	on := in.next()
	req := on.head()
	on.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	resp := wait(t, "the head of the answer", heads)
	defer resp.Body.Close()
	for _, word := range []string{"ping", "pong"} {
		feed(t, more, word)
		b := make([]byte, 4)
		if _, err := io.ReadFull(req.Body, b); err != nil || string(b) != word {
			t.Fatalf("the instance got %q, %v, want %q", b, err, word)
		}
		on.say("4\r\n" + word + "\r\n")
		if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != word {
			t.Fatalf("the caller got %q, %v, want %q", b, err, word)
		}
	}
	_ = more.Close()
	on.say("0\r\n\r\n")
	if b, err := io.ReadAll(resp.Body); len(b) > 0 || err != nil {
		t.Errorf("the answer ended with %q, %v", b, err)
	}
}
