package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
)

// How an instance goes on after a bad answer.
const (
	thenStays  = "stays"
	thenCloses = "closes"
	thenHalves = "halves" // it closes what it writes, and reads on
	thenResets = "resets"
)

// answerCase is what an instance answers, and what may come of it: the status and body that the client gets ("cut"
// when the answer was cut off, "end" when there was none) and the class that is counted.
type answerCase struct {
	name, raw, then string
	want            []string
}

func ok1(header, body string) string { return "HTTP/1.1 200 OK\r\n" + header + "\r\n" + body }

const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

var (
	asBroken  = []string{"502 broken"}
	asCut     = []string{"cut broken", "end broken", "502 broken"}
	asTimeout = []string{"504 timeout"}
	asWhole   = []string{"200 ok 2xx"}
)

// answerBodies are answers whose end is not where their head says, or not said.
var answerBodies = []answerCase{
	{"a length", ok1("Content-Length: 2\r\n", "ok"), thenStays, asWhole},
	{"chunks", ok1("Transfer-Encoding: chunked\r\n", "2;a=b\r\nok\r\n0\r\n\r\n"), thenStays, asWhole},
	{"a length and chunks are chunks or nothing", ok1("Content-Length: 100\r\nTransfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n"), thenStays, []string{"200 ok 2xx", "502 broken"}},
	{"a short length and chunks", ok1("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", "2\r\nok\r\n0\r\n\r\n"), thenStays, []string{"200 ok 2xx", "502 broken"}},
	{"two lengths", ok1("Content-Length: 2\r\nContent-Length: 3\r\n", "ok"), thenStays, asBroken},
	{"the same length twice", ok1("Content-Length: 2\r\nContent-Length: 2\r\n", "ok"), thenStays, []string{"200 ok 2xx", "502 broken"}},
	{"a list of lengths", ok1("Content-Length: 2, 2\r\n", "ok"), thenStays, asBroken},
	{"a positive length", ok1("Content-Length: +2\r\n", "ok"), thenStays, asBroken},
	{"a negative length", ok1("Content-Length: -2\r\n", "ok"), thenStays, asBroken},
	{"a length in hex", ok1("Content-Length: 0x2\r\n", "ok"), thenStays, asBroken},
	{"a length beyond 64 bits", ok1("Content-Length: 99999999999999999999\r\n", "ok"), thenStays, asBroken},
	{"chunked twice", ok1("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n"), thenStays, asBroken},
	{"an unknown coding", ok1("Transfer-Encoding: xchunked\r\n", "2\r\nok\r\n0\r\n\r\n"), thenStays, asBroken},
	{"a space before the colon", ok1("Transfer-Encoding : chunked\r\n", "2\r\nok\r\n0\r\n\r\n"), thenCloses, []string{"200 ok 2xx", "200 2\r\nok\r\n0 2xx", "502 broken"}},
	{"a body that breaks off", ok1("Content-Length: 3\r\n", "ok"), thenCloses, asCut},
	{"a body that is reset", ok1("Content-Length: 3\r\n", "ok"), thenResets, asCut},
	{"a body that is closed halfway", ok1("Content-Length: 3\r\n", "ok"), thenHalves, asCut},
	{"no body where one was promised", ok1("Content-Length: 3\r\n", ""), thenCloses, asCut},
	{"chunks that break off in one", ok1("Transfer-Encoding: chunked\r\n", "5\r\nok"), thenCloses, asCut},
	{"chunks that break off between two", ok1("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n"), thenCloses, asCut},
	{"chunks that break off in the last", ok1("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n"), thenCloses, asCut},
	{"a chunk without a number", ok1("Transfer-Encoding: chunked\r\n", "2\r\nok\r\nzz\r\n"), thenStays, asCut},
	{"a chunk of negative length", ok1("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n-1\r\n"), thenStays, asCut},
	{"a chunk that is longer than it says", ok1("Transfer-Encoding: chunked\r\n", "1\r\nok\r\n0\r\n\r\n"), thenStays, asCut},
	{"a chunk of more than 64 bits", ok1("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n10000000000000002\r\n"), thenStays, asCut},
	{"a chunk size in a line without an end", ok1("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n1;"+strings.Repeat("a", 64<<10)), thenStays, asCut},
	{"a body without a length ends with the connection", ok1("", "ok"), thenCloses, asWhole},
	{"a body without a length ends with its half", ok1("", "ok"), thenHalves, asWhole},
	{"HTTP/1.0 ends with the connection", "HTTP/1.0 200 OK\r\n\r\nok", thenCloses, asWhole},
	{"HTTP/1.0 that keeps alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", thenStays, asWhole},
	{"HTTP/1.0 with a length only", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", thenStays, asWhole},
	{"close that is said and not done", ok1("Connection: close\r\nContent-Length: 2\r\n", "ok"), thenStays, asWhole},
	{"more than its length", ok1("Content-Length: 2\r\n", "ok"+poison), thenStays, asWhole},
	{"more than its chunks", ok1("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n"+poison), thenStays, asWhole},
	{"more than nothing", ok1("Content-Length: 0\r\n", poison), thenStays, []string{"200 2xx"}},
	{"204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 51\r\n\r\n" + poison, thenStays, []string{"204 2xx", "502 broken"}},
	{"304 with a body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 51\r\n\r\n" + poison, thenStays, []string{"304 3xx"}},
	{"204 with chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + poison, thenStays, []string{"204 2xx", "502 broken"}},
}

// answerHeads are answers whose head is none, or comes late.
var answerHeads = []answerCase{
	{"nothing", "", thenCloses, asBroken},
	{"nothing and a reset", "", thenResets, asBroken},
	{"nothing and a half-closed connection", "", thenHalves, asBroken},
	{"nothing at all", "", thenStays, asTimeout},
	{"half a status line", "HTTP/1.1 20", thenCloses, asBroken},
	{"half a status line and then nothing", "HTTP/1.1 20", thenStays, asTimeout},
	{"half a header and then nothing", "HTTP/1.1 200 OK\r\nContent-", thenStays, asTimeout},
	{"a header that breaks off", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", thenCloses, asBroken},
	{"a header that is reset", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", thenResets, asBroken},
	{"HTTP/0.9", "ok", thenCloses, asBroken},
	{"another protocol", "SSH-2.0-OpenSSH_9.6\r\n", thenStays, asBroken},
	{"no status", "HTTP/1.1\r\n\r\n", thenCloses, asBroken},
	{"a status of letters", "HTTP/1.1 abc OK\r\n\r\n", thenCloses, asBroken},
	{"a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok", thenStays, asBroken},
	{"a status of four digits", "HTTP/1.1 1000 OK\r\nContent-Length: 2\r\n\r\nok", thenStays, asBroken},
	{"status 099", "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok", thenStays, asBroken},
	{"status 000", "HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok", thenStays, asBroken},
	{"a negative status", "HTTP/1.1 -20 OK\r\nContent-Length: 2\r\n\r\nok", thenStays, asBroken},
	{"a status nobody knows", "HTTP/1.1 299\r\nContent-Length: 2\r\n\r\nok", thenStays, []string{"299 ok 2xx"}},
	{"status 999", "HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\nok", thenStays, []string{"999 ok 5xx"}},
	{"a misspelt protocol", "HTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", thenStays, asBroken},
	{"a line that is no header", "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok", thenStays, asBroken},
	{"a header without a name", "HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 2\r\n\r\nok", thenStays, asBroken},
	{"a NUL in a header", ok1("X: a\x00b\r\nContent-Length: 2\r\n", "ok"), thenStays, []string{"200 ok 2xx", "502 broken"}},
	{"a bare CR in a header", ok1("X: a\rSet-Cookie: b=c\r\nContent-Length: 2\r\n", "ok"), thenStays, []string{"200 ok 2xx", "502 broken"}},
	{"a bare LF behind a header", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", thenStays, []string{"200 ok 2xx", "502 broken"}},
	{"a folded header", ok1("X: a\r\n b\r\nContent-Length: 2\r\n", "ok"), thenStays, []string{"200 ok 2xx", "502 broken"}},
	{"a header of 300 KiB", ok1("X: "+strings.Repeat("a", 300<<10)+"\r\nContent-Length: 2\r\n", "ok"), thenStays, asBroken},
	{"headers of 300 KiB", ok1(strings.Repeat("X: a\r\n", 300<<10/6)+"Content-Length: 2\r\n", "ok"), thenStays, asBroken},
	{"a header without an end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("a", 1<<20), thenStays, asBroken},
	{"a header of 200 KiB", ok1("X: "+strings.Repeat("a", 200<<10)+"\r\nContent-Length: 2\r\n", "ok"), thenStays, asWhole},
	{"101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", thenStays, asBroken},
	{"101 to nothing", "HTTP/1.1 101 Switching Protocols\r\n\r\n", thenStays, asBroken},
	{"one 100", "HTTP/1.1 100 Continue\r\n\r\n" + ok1("Content-Length: 2\r\n", "ok"), thenStays, asWhole},
	{"102 and 103", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok1("Content-Length: 2\r\n", "ok"), thenStays, asWhole},
	{"100 a thousand times", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000) + ok1("Content-Length: 2\r\n", "ok"), thenStays, []string{"200 ok 2xx", "502 broken", "cut broken", "end broken"}},
	{"103 without an end", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 20000), thenStays, []string{"502 broken", "504 timeout", "end broken"}},
	{"103 and then nothing", "HTTP/1.1 103 Early Hints\r\n\r\n", thenStays, asTimeout},
	{"103 and then the end", "HTTP/1.1 103 Early Hints\r\n\r\n", thenCloses, asBroken},
}

func TestBadAnswersStayWithTheirRequest(t *testing.T) {
	for _, table := range []struct {
		name  string
		cases []answerCase
	}{{"body", answerBodies}, {"head", answerHeads}} {
		for _, test := range table.cases {
			t.Run(table.name+"/"+test.name, func(t *testing.T) {
				w := newWire(t, Options{AnswerTimeout: patience}, badThen(func(c *wireConn, _ *http.Request) bool {
					c.say(test.raw)
					return c.end(test.then)
				}))
				w.asksOwn(t, "before")
				before := w.settled(t)
				c := w.dial(t)
				if slices.Contains(test.want, "504 timeout") {
					w.answersWithin(t, 2, 100*time.Millisecond)
				}
				c.say("GET /web/bad HTTP/1.1\r\nHost: x\r\n\r\n")
				got := c.result(t)
				w.answersWithin(t, 3, patience) // only what never comes is late, however slow the machine is
				class := newClass(before, w.settled(t))
				if got += " " + class; !slices.Contains(test.want, got) {
					t.Errorf("got %q, want %q", got, test.want)
				}
				w.asksOwn(t, "after")
				if s := w.settled(t); s.Requests != 7 {
					t.Errorf("counted %d requests of 7: %v", s.Requests, s.Classes)
				}
			})
		}
	}
}

// end goes on as an instance does after a bad answer, and says whether the connection is done with.
func (c *wireConn) end(then string) bool {
	switch then {
	case thenStays:
		return false
	case thenHalves:
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c.in)
	case thenResets:
		c.reset()
	}
	return true
}

// result reads one answer and says what it was. A problem's text is left out.
func (c *wireClient) result(t testing.TB) string {
	t.Helper()
	resp, body, err := c.answer(http.MethodGet)
	switch {
	case resp == nil:
		return "end"
	case err != nil:
		return "cut"
	case resp.Header.Get("Content-Type") == "application/problem+json":
		body = ""
	}
	for name, values := range resp.Header {
		for _, v := range values {
			if strings.ContainsAny(v, "\x00\r\n") {
				t.Errorf("the client was sent %s: %q", name, v)
			}
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%d %.10s", resp.StatusCode, body))
}

// newClass is the class that was counted between two readings; several are joined.
func newClass(before, after RevisionStats) string {
	var all []string
	for class, n := range after.Classes {
		if n > before.Classes[class] {
			all = append(all, class)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "+")
}

func TestHeadIsAnsweredWithoutABodyWhateverTheInstanceSends(t *testing.T) {
	w := newWire(t, Options{}, badThen(func(c *wireConn, _ *http.Request) bool {
		c.say("HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n" + poison)
		return false
	}))
	for range 20 {
		c := w.dial(t)
		c.say("HEAD /web/bad HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, body, err := c.answer(http.MethodHead)
		if err != nil || resp.ContentLength != 44 || body != "" {
			t.Fatalf("got %v %q (%v)", resp, body, err)
		}
		w.asksOwn(t, "after")
	}
}

func TestCookiesAndTrailersOfAnAnswerReachTheClient(t *testing.T) {
	var cookies strings.Builder
	for i := range 200 {
		fmt.Fprintf(&cookies, "Set-Cookie: c%d=v; Path=/\r\n", i)
	}
	w := newWire(t, Options{}, badThen(func(c *wireConn, _ *http.Request) bool {
		c.say(ok1(cookies.String()+"Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\nX-Hop: 1\r\nConnection: X-Hop\r\nKeep-Alive: timeout=9\r\n",
			"2\r\nok\r\n0\r\nX-Sum: 2\r\nX-Late: 1\r\n\r\n"))
		return false
	}))
	c := w.dial(t)
	c.say("GET /web/bad HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n")
	resp, body, err := c.answer(http.MethodGet)
	if err != nil || body != "ok" {
		t.Fatalf("got %q (%v)", body, err)
	}
	got := resp.Header["Set-Cookie"]
	if len(got) != 200 || got[0] != "c0=v; Path=/" || got[199] != "c199=v; Path=/" {
		t.Errorf("%d cookies arrived, want 200 in their order", len(got))
	}
	if resp.Trailer.Get("X-Sum") != "2" || resp.Trailer.Get("X-Late") != "1" {
		t.Errorf("trailer %v, want what was announced and what was not", resp.Trailer)
	}
	if resp.Header.Get("X-Hop") != "" || resp.Header.Get("Keep-Alive") != "" {
		t.Errorf("hop-by-hop headers reached the client: %v", resp.Header)
	}
	w.asksOwn(t, "after")
}

// TestARevisionThatAnswersBadlyIsToBlame shows that what is wrong with an answer is evidence against the canary.
func TestARevisionThatAnswersBadlyIsToBlame(t *testing.T) {
	for _, test := range []answerCase{
		{name: "no HTTP", raw: "ok"},
		{name: "half a body", raw: ok1("Content-Length: 3\r\n", "ok")},
		{name: "half a stream", raw: ok1("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n")},
		{name: "an impossible status", raw: "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok"},
		{name: "101 that nobody asked for", raw: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWire(t, Options{}, badThen(func(c *wireConn, _ *http.Request) bool {
				c.say(test.raw)
				return true
			}))
			r := testRoute(2, weight(10000))
			r.Canary = target("web-2", w.instance)
			mustApply(t, w.g, r)
			c := w.dial(t)
			c.say("GET /web/bad HTTP/1.1\r\nHost: x\r\n\r\n")
			c.result(t)
			eventually(t, "the request is counted", func() bool { return statsOf(w.g, "web-2").Requests == 1 })
			bad, good := w.evidence(t)
			if bad != 1 || good != 0 {
				t.Errorf("evidence of %d bad and %d good requests, want 1 bad", bad, good)
			}
		})
	}
}

// evidence counts the canary's marks for errors.
func (w *wire) evidence(t *testing.T) (bad, good int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	e := w.g.Evidence(ctx, "demo/hello/production/2", nil, time.Second)
	for _, b := range e.Routes[0].Batches {
		bad += b.Streams[canary.StreamError].CanaryBad
		good += b.Streams[canary.StreamError].CanaryGood
	}
	return bad, good
}

// TestAPostIsNeverSentTwice has an instance that closes its connections while the next request is on its way.
func TestAPostIsNeverSentTwice(t *testing.T) {
	const posts = 200
	var mu sync.Mutex
	got := map[string]int{}
	closing := make(chan net.Conn, posts)
	w := newWire(t, Options{}, func(c *wireConn) {
		for {
			req, err := http.ReadRequest(c.in)
			if err != nil {
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			mu.Lock()
			got[string(body)]++
			mu.Unlock()
			c.echo(req, string(body))
			closing <- c
		}
	})
	c := w.dial(t)
	answered := 0
	for i := range posts {
		body := fmt.Sprintf("%04d", i)
		c.say("POST /web/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n" + body)
		resp, text, err := c.answer(http.MethodPost)
		switch {
		case err != nil: // the instance closed in its answer
			_ = c.Close()
			c = w.dial(t)
		case resp.StatusCode == http.StatusOK && text == "POST /web/a "+body:
			answered++
		case resp.StatusCode != http.StatusBadGateway:
			t.Fatalf("post %s got %d %q", body, resp.StatusCode, text)
		}
		select {
		case conn := <-closing:
			go conn.Close() // beside the next request
		default:
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for body, n := range got {
		if n != 1 {
			t.Errorf("the instance got %s %d times", body, n)
		}
	}
	s := w.settled(t)
	if int(s.Classes["2xx"]) != answered || int(s.Classes["2xx"]+s.Classes["broken"]) != posts {
		t.Errorf("counted %v, answered %d of %d", s.Classes, answered, posts)
	}
	// Nobody can know what became of a post that was written when the instance closed, so some may fail.
	if answered < posts/4 {
		t.Errorf("%d of %d posts were answered", answered, posts)
	}
}
