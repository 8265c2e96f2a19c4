package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// TestHugeBodiesTakeNoMemory sends more than the gateway may ever hold, each way.
func TestHugeBodiesTakeNoMemory(t *testing.T) {
	size, bound := int64(256<<20), uint64(32<<20)
	if testing.Short() {
		size = 64 << 20
	}
	var base runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&base)
	part := make([]byte, 64<<10)
	// look notes what is held while a body is under way.
	look := func(n int64) {
		if n%(16<<20) != 0 {
			return
		}
		var now runtime.MemStats
		if runtime.ReadMemStats(&now); now.HeapAlloc > base.HeapAlloc+bound {
			t.Errorf("after %d MiB the process holds %d MiB more than before", n>>20, (now.HeapAlloc-base.HeapAlloc)>>20)
		}
	}
	fill := func(to io.Writer) {
		for n := int64(0); n < size; n += int64(len(part)) {
			look(n)
			if _, err := to.Write(part); err != nil {
				t.Errorf("after %d bytes: %v", n, err)
				return
			}
		}
	}
	// drain reads from a connection whose first bytes are read already; what keeps all it reads is gone around.
	drain := func(buffered int64, from net.Conn) (n int64) {
		buffer := make([]byte, 64<<10)
		for n = buffered; n < size; {
			read, err := from.Read(buffer)
			if err != nil {
				t.Errorf("after %d bytes: %v", n, err)
				return n
			}
			if n>>24 != (n+int64(read))>>24 {
				look((n + int64(read)) &^ (1<<24 - 1))
			}
			n += int64(read)
		}
		return n
	}
	w := newWire(t, Options{}, func(c *wireConn) {
		for {
			req, err := http.ReadRequest(c.in)
			switch {
			case err != nil:
				return
			case req.URL.Path == "/web/down":
				c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))
				fill(c)
			default:
				n := drain(int64(c.in.Buffered()), c.TCPConn)
				_, _ = c.in.Discard(c.in.Buffered())
				c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Got: %d\r\n\r\n", n))
			}
		}
	})
	c := w.dial(t)
	c.say(fmt.Sprintf("POST /web/up HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
	fill(c)
	if resp, _, err := c.answer(http.MethodPost); err != nil || resp.Header.Get("X-Got") != fmt.Sprint(size) {
		t.Fatalf("up: %v (%v)", resp, err)
	}
	c.say("GET /web/down HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil || resp.ContentLength != size {
		t.Fatalf("down: %v (%v)", resp, err)
	}
	if n := drain(int64(c.in.Buffered()), c); n != size {
		t.Errorf("down: %d bytes of %d", n, size)
	}
	eventually(t, "the answer is counted", func() bool { return statsOf(w.g, "web-1").Bytes == uint64(size) })
}

func TestEventsAreNotHeldBack(t *testing.T) {
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	plain := func(s string) string { return s }
	for _, test := range []struct {
		name, header string
		encode       func(string) string
	}{
		{"events in chunks", "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n", chunk},
		{"events until the end", "Content-Type: text/event-stream\r\n", plain},
		{"anything in chunks", "Transfer-Encoding: chunked\r\n", chunk},
	} {
		t.Run(test.name, func(t *testing.T) {
			arrived := make(chan struct{})
			w := newWire(t, Options{}, badThen(func(c *wireConn, _ *http.Request) bool {
				c.say(ok1(test.header, ""))
				for i := range 10 {
					c.say(test.encode(fmt.Sprintf("data: %d\n\n", i)))
					await(t, arrived) // the next only when this one is there
				}
				return true
			}))
			c := w.dial(t)
			c.say("GET /web/bad HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, err := http.ReadResponse(c.in, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				want := fmt.Sprintf("data: %d\n\n", i)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
					t.Fatalf("event %d is %q (%v)", i, got, err)
				}
				arrived <- struct{}{}
			}
		})
	}
}

// TestAClientOfHTTP10GetsNoChunks has a client that takes a body to end with the connection.
func TestAClientOfHTTP10GetsNoChunks(t *testing.T) {
	w := newWire(t, Options{}, badThen(func(c *wireConn, _ *http.Request) bool {
		c.say(ok1("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n"))
		return false
	}))
	c := w.dial(t)
	c.say("GET /web/bad HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	got, err := io.ReadAll(c)
	head, body, _ := strings.Cut(string(got), "\r\n\r\n")
	if err != nil || body != "ok" || strings.Contains(head, "Transfer-Encoding") || !strings.Contains(head, " 200 ") {
		t.Errorf("got %q (%v), want 200 with ok and the end", got, err)
	}
}

// TestAClientOfHTTP10GetsNoHints has a client that takes the first head for its answer.
func TestAClientOfHTTP10GetsNoHints(t *testing.T) {
	// RFC 9110, 15.2: a server must not send 1xx to such a client. httputil.ReverseProxy passes every 1xx on.
	w := newWire(t, Options{}, badThen(func(c *wireConn, _ *http.Request) bool {
		c.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok1("Content-Length: 2\r\n", "ok"))
		return false
	}))
	c := w.dial(t)
	c.say("GET /web/bad HTTP/1.0\r\n\r\n")
	if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), " 200 ") || strings.Contains(string(got), "103") {
		t.Errorf("got %q (%v), want 200 only", got, err)
	}
}

func TestHintsArriveBeforeTheAnswer(t *testing.T) {
	arrived := make(chan struct{})
	w := newWire(t, Options{}, badThen(func(c *wireConn, _ *http.Request) bool {
		c.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
		await(t, arrived)
		c.say(ok1("Content-Length: 2\r\n", "ok"))
		return false
	}))
	c := w.dial(t)
	c.say("GET /web/bad HTTP/1.1\r\nHost: x\r\n\r\n")
	hints, err := http.ReadResponse(c.in, nil)
	if err != nil || hints.StatusCode != http.StatusEarlyHints || hints.Header.Get("Link") != "</a>" {
		t.Fatalf("got %v (%v), want 103 with its link", hints, err)
	}
	close(arrived)
	resp, body, err := c.answer(http.MethodGet)
	if err != nil || resp.StatusCode != http.StatusOK || body != "ok" || resp.Header.Get("Link") != "" {
		t.Errorf("got %v %q (%v), want 200 without the link", resp, body, err)
	}
}

func TestAnUploadIsNotHeldBack(t *testing.T) {
	for _, test := range []struct{ name, header, format string }{
		{"chunks", "Transfer-Encoding: chunked\r\n", "5\r\npart%d\r\n"},
		{"a length that is not small", "Content-Length: 100000\r\n", "part%d"},
	} {
		t.Run(test.name, func(t *testing.T) {
			arrived := make(chan string)
			w := newWire(t, Options{}, func(c *wireConn) {
				req, err := http.ReadRequest(c.in)
				if err != nil {
					return
				}
				for {
					part := make([]byte, 5)
					if _, err := io.ReadFull(req.Body, part); err != nil {
						return
					}
					arrived <- string(part)
				}
			})
			c := w.dial(t)
			c.say(post1(test.header, ""))
			for i := range 10 {
				c.say(fmt.Sprintf(test.format, i))
				if got, want := await(t, arrived), fmt.Sprint("part", i); got != want {
					t.Fatalf("part %d is %q", i, got)
				}
			}
		})
	}
}

func TestATunnelCarriesBytesBothWaysAndEndsOneWayAtATime(t *testing.T) {
	for _, first := range []string{"client", "instance"} {
		t.Run("the "+first+" ends first", func(t *testing.T) {
			w := newWire(t, Options{}, func(c *wireConn) {
				req, err := http.ReadRequest(c.in)
				if err != nil || req.Header.Get("Connection") != "Upgrade" || req.Header.Get("Upgrade") != "websocket" {
					c.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
					return
				}
				// The first bytes of the other protocol come with the answer.
				c.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello\x00\xff")
				if first == "instance" {
					_ = c.CloseWrite()
					_, _ = io.Copy(io.Discard, c.in)
					return
				}
				got, err := io.ReadAll(c.in)
				c.say(fmt.Sprintf("got %q %v", got, err))
			})
			c := w.dial(t)
			c.say("GET /web/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			if resp, _, err := c.answer(http.MethodGet); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("got %v (%v), want 101", resp, err)
			}
			hello := make([]byte, 7)
			if _, err := io.ReadFull(c.in, hello); err != nil || string(hello) != "hello\x00\xff" {
				t.Fatalf("got %q (%v)", hello, err)
			}
			if first == "instance" {
				if n, err := c.in.Read(hello); n != 0 || err != io.EOF {
					t.Fatalf("got %d bytes (%v), want the end", n, err)
				}
			}
			c.say("to the instance\x00")
			_ = c.CloseWrite()
			if first == "client" {
				rest, err := io.ReadAll(c.in)
				if want := `got "to the instance\x00" <nil>`; err != nil || string(rest) != want {
					t.Errorf("got %q (%v), want %q", rest, err, want)
				}
			}
			if raw := w.received(t); len(raw) != 1 || !strings.HasSuffix(raw[0], "\r\n\r\nto the instance\x00") {
				t.Errorf("the instance was sent %q", raw)
			}
			if s := statsOf(w.g, "web-1"); s.Classes["1xx"] != 1 || s.Requests != 1 {
				t.Errorf("counted %v", s.Classes)
			}
		})
	}
}

func TestAnUpgradeMayBeRefused(t *testing.T) {
	w := newWire(t, Options{}, echoes)
	c := w.dial(t)
	c.say("GET /web/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + lastRequest)
	if got := c.statuses(t); got != "200 200" {
		t.Errorf("answers %s, want 200 200", got)
	}
}

// TestAnEarlyAnswerEndsAnUpload has an instance that refuses a body after its first bytes.
func TestAnEarlyAnswerEndsAnUpload(t *testing.T) {
	const part = 64 << 10
	for _, test := range []struct{ name, header, part string }{
		{"with a length", "Content-Length: 1073741824\r\n", strings.Repeat("a", part)},
		{"in chunks", "Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n", part, strings.Repeat("a", part))},
	} {
		for _, then := range []string{thenStays, thenCloses} {
			t.Run(test.name+", and it "+then, func(t *testing.T) {
				ended := make(chan struct{})
				w := newWire(t, Options{}, func(c *wireConn) {
					if _, err := http.ReadRequest(c.in); err != nil {
						return
					}
					c.say("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
					if then == thenStays {
						_, _ = io.Copy(io.Discard, c.TCPConn)
					}
					close(ended)
				})
				c := w.dial(t)
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					c.say(post1(test.header, ""))
					for range 1 << 14 {
						if _, err := io.WriteString(c, test.part); err != nil {
							return
						}
					}
				}()
				resp, body, err := c.answer(http.MethodPost)
				_ = c.Close()
				await(t, sent)
				await(t, ended)
				s := w.settled(t)
				switch {
				case err == nil && resp.StatusCode == http.StatusRequestEntityTooLarge && body == "big" && s.Classes["4xx"] == 1:
				case then == thenCloses && s.Requests == 1 && s.Classes["broken"]+s.Classes["4xx"] == 1:
					// What the instance has not read resets the connection, and that may destroy its answer.
				default:
					t.Errorf("got %v %q (%v), counted %v", resp, body, err, s.Classes)
				}
			})
		}
	}
}

// TestAClientThatGoesAwayEndsTheAnswer shows that no instance writes for nobody.
func TestAClientThatGoesAwayEndsTheAnswer(t *testing.T) {
	for _, header := range []string{"Content-Length: 1099511627776\r\n", ""} {
		failed := make(chan error, 1)
		w := newWire(t, Options{}, badThen(func(c *wireConn, _ *http.Request) bool {
			c.say(ok1(header, ""))
			for {
				if _, err := c.Write(make([]byte, 64<<10)); err != nil {
					failed <- err
					return true
				}
			}
		}))
		c := w.dial(t)
		c.say("GET /web/bad HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if err := await(t, failed); err == nil {
			t.Error("an instance writes for nobody")
		}
		w.asksOwn(t, "after")
		if s := w.settled(t); s.Classes["aborted"] != 1 || s.Classes["2xx"] != 3 {
			t.Errorf("counted %v", s.Classes)
		}
	}
}
