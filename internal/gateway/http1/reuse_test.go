package http1

import (
	"io"
	"net/http"
	"testing"
	"time"
)

// between is what happens between two requests.
type between struct {
	pool *Pool
	*peer
	*clock
}

// unquiet waits until what the instance did has reached the idle connection.
func (b between) unquiet() {
	b.t.Helper()
	eventually(b.t, "news on the idle connection", func() bool { return !b.pool.idle[0].quiet() })
}

type reuse struct {
	name   string
	method string // GET unless told
	answer string
	// close is how many bytes of the answer's body are read before it is closed; 0 is all.
	close int64
	then  func(between)
	want  bool
}

var reuses = []reuse{
	{name: "an answer of a length", answer: ok, want: true},
	{name: "an answer in chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", want: true},
	{name: "chunks and trailers", answer: "HTTP/1.1 200 OK\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: 1\r\n\r\n", want: true},
	{name: "an empty answer", answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", want: true},
	{name: "no content, and no length", answer: "HTTP/1.1 204 No Content\r\n\r\n", want: true},
	{name: "not modified, with the length of what was not", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", want: true},
	{name: "HEAD, with the length of what GET has", method: http.MethodHead, answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", want: true},
	{name: "an informational answer before", answer: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok, want: true},
	{name: "HTTP/1.0 that says it keeps the connection", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", want: true},
	{name: "idle, and not too old", answer: ok, then: func(b between) { b.advance(time.Minute - 1) }, want: true},
	{name: "idle, and reaped too early", answer: ok, then: func(b between) { b.advance(time.Minute - 1); b.pool.Reap() }, want: true},

	{name: "an answer that is not read to its end", answer: ok, close: 1},
	{name: "an answer in chunks whose end is not read", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", close: 2},
	{name: "bytes behind an answer", answer: ok + "HTTP/1.1 200 OK\r\n"},
	{name: "bytes behind an answer without a body", answer: "HTTP/1.1 204 No Content\r\n\r\nx"},
	{name: "a body behind the answer to HEAD", method: http.MethodHead, answer: ok},
	{name: "a body behind not modified", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok"},
	{name: "bytes behind the last chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\r\n"},
	{name: "bytes without a request", answer: ok, then: func(b between) { b.say("HTTP/1.1 408 Request Timeout\r\n\r\n"); b.unquiet() }},
	{name: "an instance that closes", answer: ok, then: func(b between) { _ = b.Close(); b.unquiet() }},
	{name: "an instance that resets", answer: ok, then: func(b between) { b.reset(); b.unquiet() }},
	{name: "an instance that says it closes", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"},
	{name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{name: "HTTP/1.0 without content", answer: "HTTP/1.0 204 No Content\r\n\r\n"},
	{name: "idle for too long", answer: ok, then: func(b between) { b.advance(time.Minute) }},
	{name: "idle for too long, and reaped", answer: ok, then: func(b between) { b.advance(time.Minute); b.pool.Reap(); b.gone() }},
	{name: "a pool that was closed", answer: ok, then: func(b between) { b.pool.Close(); b.gone() }},
}

func TestAConnectionIsUsedAgainOnlyWhenNothingIsInDoubt(t *testing.T) {
	t.Parallel()
	for _, test := range reuses {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t)
		})
	}
}

func (r reuse) run(t *testing.T) {
	in, age := newInstance(t), new(clock)
	pool := in.pool(func(o *Options) { o.Now = age.now })
	req := get("/first")
	if r.method != "" {
		req.Method = r.method
	}
	ended := make(chan error, 1)
	go func() {
		resp, err := pool.Do(req, patient)
		if err == nil {
			if r.close > 0 {
				_, err = io.CopyN(io.Discard, resp.Body, r.close)
			} else {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			resp.Body.Close()
		}
		ended <- err
	}()
	first := in.next()
	first.serve(r.answer)
	if err := wait(t, "the first answer", ended); err != nil {
		t.Fatal(err)
	}
	if r.then != nil {
		r.then(between{pool, first, age})
	}
	second := ask(pool, get("/second"), patient)
	on := first
	if !r.want {
		on = in.next()
		if r.then == nil {
			first.gone()
		}
	}
	if req, _ := on.request(); req.RequestURI != "/second" {
		t.Errorf("the instance was asked for %s", req.RequestURI)
	}
	on.say(ok)
	wantAnswer(t, second, "200 ok")
}

func TestAnAnswerThatEndsWithItsConnectionIsWhole(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool := in.pool()
	got := ask(pool, get("/"), patient)
	on := in.next()
	on.serve("HTTP/1.1 200 OK\r\n\r\nall of it")
	_ = on.Close()
	wantAnswer(t, got, "200 all of it")
	if n := pool.idleCount(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}

func TestAnAnswerThatBreaksOffIsAnError(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, answer string }{
		{"in a body of a length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"},
		{"in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok"},
		{"before the last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"},
		{"in the trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: 1\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			pool := in.pool()
			got := ask(pool, get("/"), patient)
			on := in.next()
			on.serve(test.answer)
			_ = on.Close()
			if r := wait(t, "the answer", got); r.err == nil {
				t.Errorf("got %v, want an error", r)
			}
			if n := pool.idleCount(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}
