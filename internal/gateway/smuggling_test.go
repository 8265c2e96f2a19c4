package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// smuggled is a request that an attacker hides in another. No instance may ever see it as one of its own.
const smuggled = "GET /web/smuggled HTTP/1.1\r\nHost: x\r\nX: "

// smugglingCases hide a request where one of two servers takes the body for longer or shorter than the other. Behind each
// comes the request of a victim.
var smugglingCases = []framingCase{
	{
		"CL.TE: the length covers a request behind the last chunk",
		post1(fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n", 5+len(smuggled)), "0\r\n\r\n"),
		"200 200", []string{"POST /web/a"},
	},
	{
		"TE.CL: a chunk holds a request behind the length",
		post1("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled)),
		"200 200", []string{"POST /web/a " + strings.TrimSpace(smuggled)},
	},
	{
		"TE.TE: a coding that one of two does not know",
		post1("Content-Length: 4\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled)),
		"501", nil,
	},
	{
		"TE.0: chunks of a method without a body",
		"OPTIONS /web/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled),
		"200 200", []string{"OPTIONS /web/a " + strings.TrimSpace(smuggled)},
	},
	{
		"CL.0: a body that an instance may not expect",
		"GET /web/a HTTP/1.1\r\nHost: x\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(smuggled), smuggled),
		"200 200", []string{"GET /web/a " + strings.TrimSpace(smuggled)},
	},
	{
		"a length that is taken away as hop-by-hop",
		post1(fmt.Sprintf("Connection: Content-Length\r\nContent-Length: %d\r\n", len(smuggled)), smuggled),
		"200 200", []string{"POST /web/a " + strings.TrimSpace(smuggled)},
	},
	{
		"chunks that are taken away as hop-by-hop",
		post1("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled)),
		"200 200", []string{"POST /web/a " + strings.TrimSpace(smuggled)},
	},
	{
		"a chunk extension that hides a line end",
		chunkedPost("0;\n\r\n" + smuggled + "\r\n\r\n"),
		"400", nil,
	},
	{
		"a chunk extension that hides a bare CR",
		chunkedPost("1;a\r0\r\n\r\n" + smuggled + "\r\n\r\n"),
		"400", nil,
	},
	{
		"a chunk that ends in two other bytes",
		chunkedPost("3\r\nabcXX0\r\n\r\n" + smuggled + "\r\n\r\n"),
		"400", nil,
	},
	{
		"a last chunk with a trailer that is a request line",
		chunkedPost("0\r\n" + smuggled + "\r\n\r\n"),
		"400", nil,
	},
	{
		"a length in the trailer",
		chunkedPost("3\r\nabc\r\n0\r\nContent-Length: 9\r\nHost: y\r\nTransfer-Encoding: chunked\r\n\r\n"),
		"200 200", []string{"POST /web/a abc"},
	},
	{
		"a header that hides a line end from who reads LF only",
		"GET /web/a HTTP/1.1\r\nHost: x\r\nX: a\r\r\n\r\n",
		"400", nil,
	},
	{
		"a target that hides a line end in an escape",
		"GET /web/a%20HTTP/1.1%0d%0aHost:%20x%0d%0a%0d%0aGET%20/web/smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
		"200 200", []string{"GET /web/a%20HTTP/1.1%0d%0aHost:%20x%0d%0a%0d%0aGET%20/web/smuggled"},
	},
	{
		"an upgrade that hides a request behind it",
		"GET /web/a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
		"200 200", []string{"GET /web/a"},
	},
	{
		"the preface of HTTP/2",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"400", nil,
	},
}

func TestNoRequestIsSmuggledInAnother(t *testing.T) {
	for _, test := range smugglingCases {
		t.Run(test.name, func(t *testing.T) {
			w := newWire(t, Options{}, echoes)
			c := w.dial(t)
			go c.say(test.raw + lastRequest)
			if got := c.statuses(t); got != test.answers {
				t.Errorf("answers %s, want %s", got, test.answers)
			}
			w.asksOwn(t, "victim")
			requests, _ := w.requests(t)
			var seen []string
			for _, r := range requests {
				if strings.HasPrefix(r.target, "/web/smuggled") {
					t.Errorf("the instance was asked %s", r)
				}
				if r.target != "/web/last" && !strings.HasPrefix(r.target, "/web/victim") {
					seen = append(seen, r.String())
				}
			}
			if got, want := strings.Join(seen, "\n"), strings.Join(test.instance, "\n"); got != want {
				t.Errorf("the instance was asked %q, want %q", got, want)
			}
			if s := statsOf(w.g, "web-1"); s.Classes["2xx"] != uint64(len(requests)) {
				t.Errorf("counted %v, the instance was asked %d times", s.Classes, len(requests))
			}
		})
	}
}

// TestABrokenBodyBehindAnEarlyAnswerIsNoRequest has an instance that answers before it reads, so the gateway's answer has
// begun when the client's body turns out to be none.
func TestABrokenBodyBehindAnEarlyAnswerIsNoRequest(t *testing.T) {
	// In full duplex net/http reads the rest of the body when the handler has returned, and goes on whatever it was. An
	// answer to a body that has not ended has to say Connection: close.
	w := newWire(t, Options{}, func(c *wireConn) {
		for {
			req, err := http.ReadRequest(c.in)
			if err != nil {
				return
			}
			if req.URL.Path == "/web/a" {
				c.say(ok1("Content-Length: 2\r\n", "ok"))
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			if req.URL.Path != "/web/a" {
				c.echo(req, string(body))
			}
		}
	})
	for range 5 {
		c := w.dial(t)
		c.say(chunkedPost("3\r\nabc\r\n"))
		if resp, body, err := c.answer(http.MethodPost); err != nil || body != "ok" {
			t.Fatalf("got %v %q (%v), want ok", resp, body, err)
		}
		c.say("zz\r\n" + smuggled + "\r\n\r\n" + lastRequest)
		if got := c.statuses(t); strings.Contains(got, "200") {
			t.Fatalf("then %s: what is no body was read as a request", got)
		}
		_ = c.Close()
	}
	w.asksOwn(t, "victim")
	requests, _ := w.requests(t)
	for _, r := range requests {
		if strings.Contains(r.target, "smuggled") || r.target == "/web/last" {
			t.Errorf("the instance was asked %s", r)
		}
	}
}

// TestABodyThatNobodyWantedIsNoRequest has an instance that refuses a body before it is sent, and keeps its connection on
// which it still waits for it.
func TestABodyThatNobodyWantedIsNoRequest(t *testing.T) {
	w := newWire(t, Options{}, func(c *wireConn) {
		for {
			req, err := http.ReadRequest(c.in)
			if err != nil {
				return
			}
			if req.URL.Path == "/web/a" {
				c.say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			if req.URL.Path != "/web/a" {
				c.echo(req, string(body))
			}
		}
	})
	hidden := smuggled + "\r\n\r\n"
	for range 5 {
		c := w.dial(t)
		c.say(post1(fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n", len(hidden)), ""))
		if resp, body, err := c.answer(http.MethodPost); err != nil || resp.StatusCode != http.StatusUnauthorized || body != "no" {
			t.Fatalf("got %v %q (%v), want 401", resp, body, err)
		}
		c.say(hidden + lastRequest)
		c.statuses(t) // the connection ends, or the body is read and thrown away
		w.asksOwn(t, "victim")
	}
	requests, _ := w.requests(t)
	for _, r := range requests {
		if strings.Contains(r.target, "smuggled") || strings.Contains(r.body, "victim") {
			t.Errorf("the instance was asked %s", r)
		}
	}
}

// TestNoClientGetsTheAnswerOfAnother has an instance that sends a second answer behind every one and in the same write,
// while clients share its connections.
func TestNoClientGetsTheAnswerOfAnother(t *testing.T) {
	const clients, requests = 8, 50
	surplus := map[string]func(c *wireConn, text string){
		"behind a length": func(c *wireConn, text string) {
			c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(text), text, poison))
		},
		"behind chunks": func(c *wireConn, text string) {
			c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n%s", len(text), text, poison))
		},
		"behind nothing": func(c *wireConn, text string) {
			c.say("HTTP/1.1 200 OK\r\nX-Text: " + text + "\r\nContent-Length: 0\r\n\r\n" + poison)
		},
		"behind 304": func(c *wireConn, text string) {
			c.say("HTTP/1.1 304 Not Modified\r\nX-Text: " + text + "\r\n\r\n" + poison)
		},
		"half an answer": func(c *wireConn, text string) {
			c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\nX-Poison: ", len(text), text))
		},
	}
	for name, say := range surplus {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, Options{}, func(c *wireConn) {
				for {
					req, _, err := c.next()
					if err != nil {
						return
					}
					say(c, req.RequestURI)
				}
			})
			var wg sync.WaitGroup
			for n := range clients {
				c := w.dial(t)
				wg.Go(func() {
					for i := range requests {
						path := fmt.Sprintf("/web/%d-%d", n, i)
						c.say("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
						resp, body, err := c.answer(http.MethodGet)
						if err != nil {
							t.Errorf("%s: %v", path, err)
							return
						}
						if got := body + resp.Header.Get("X-Text"); got != path {
							t.Errorf("%s got the answer %d %q", path, resp.StatusCode, got)
							return
						}
					}
				})
			}
			wg.Wait()
			if s := w.settled(t); s.Requests != clients*requests {
				t.Errorf("counted %v for %d requests", s.Classes, clients*requests)
			}
		})
	}
}

// TestNoRequestIsAnsweredByWhatCameBeforeIt has an instance that speaks on an idle connection.
func TestNoRequestIsAnsweredByWhatCameBeforeIt(t *testing.T) {
	for _, unasked := range []string{poison, "H", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "\r\n"} {
		t.Run(fmt.Sprintf("%.12q", unasked), func(t *testing.T) {
			speak, spoken := make(chan struct{}), make(chan struct{}, 1)
			w := newWire(t, Options{}, func(c *wireConn) {
				for {
					req, body, err := c.next()
					if err != nil {
						return
					}
					c.echo(req, body)
					if strings.HasPrefix(req.URL.Path, "/web/then-speak") {
						<-speak
						c.say(unasked)
						spoken <- struct{}{}
					}
				}
			})
			c := w.dial(t)
			for i := range 50 {
				for _, path := range []string{"/web/then-speak", "/web/next"} {
					path := fmt.Sprintf("%s-%d", path, i)
					c.say("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb")
					_, body, err := c.answer(http.MethodPost)
					if want := "POST " + path + " b"; err != nil || body != want {
						t.Fatalf("got %q (%v), want %q", body, err, want)
					}
					if strings.HasPrefix(path, "/web/then-speak") {
						speak <- struct{}{}
						await(t, spoken)
					}
				}
			}
		})
	}
}

// TestAnAnswerBeforeItsRequestIsNobodyElses has an instance that answers as soon as it is connected to, and then no more.
func TestAnAnswerBeforeItsRequestIsNobodyElses(t *testing.T) {
	w := newWire(t, Options{}, func(c *wireConn) {
		if c.n%2 == 0 {
			c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Conn: %d\r\nContent-Length: 5\r\n\r\nearly", c.n))
			_, _, _ = c.next()
			return
		}
		echoes(c)
	})
	for i := range 30 {
		c := w.dial(t)
		seen := map[string]bool{}
		for n := range 3 {
			path := fmt.Sprintf("/web/%d-%d", i, n)
			c.say("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, body, err := c.answer(http.MethodGet)
			if err != nil {
				break // the connection may end with a bad answer
			}
			early := resp.Header.Get("X-Conn")
			switch {
			case resp.StatusCode == http.StatusBadGateway, body == "GET "+path+" ":
			case body != "early" || seen[early]:
				t.Fatalf("%s got %q", path, body)
			}
			seen[early] = true
		}
		_ = c.Close()
	}
}
