package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// lastRequest is the request that every client sends behind what is tested. Whoever reads the request before it rightly finds
// it; whoever refuses that one must not look any further.
const lastRequest = "GET /web/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// framingCase is what a client sends before [lastRequest].
type framingCase struct {
	name, raw string
	// answers are the statuses that the client gets until the gateway closes the connection.
	answers string
	// instance is what the instance was asked, without lastRequest.
	instance []string
}

func post1(header, body string) string {
	return "POST /web/a HTTP/1.1\r\nHost: x\r\n" + header + "\r\n" + body
}

func chunkedPost(body string) string { return post1("Transfer-Encoding: chunked\r\n", body) }

// lengthCases are bodies whose length is said in a way that two servers could read differently.
var lengthCases = []framingCase{
	{"one length", post1("Content-Length: 3\r\n", "abc"), "200 200", []string{"POST /web/a abc"}},
	{"the same length twice is said once", post1("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), "200 200", []string{"POST /web/a abc"}},
	{"two lengths", post1("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd"), "400", nil},
	{"a list of lengths", post1("Content-Length: 3, 3\r\n", "abc"), "400", nil},
	{"a positive length", post1("Content-Length: +3\r\n", "abc"), "400", nil},
	{"a negative length", post1("Content-Length: -3\r\n", "abc"), "400", nil},
	{"a length in hex", post1("Content-Length: 0x3\r\n", "abc"), "400", nil},
	{"an empty length", post1("Content-Length:\r\n", ""), "400", nil},
	{"a length with a space", post1("Content-Length: 3 3\r\n", "abc"), "400", nil},
	{"a length with a letter", post1("Content-Length: 3a\r\n", "abc"), "400", nil},
	{"a length beyond 64 bits", post1("Content-Length: 99999999999999999999\r\n", "abc"), "400", nil},
	{"a length with leading zeros", post1("Content-Length: 0003\r\n", "abc"), "200 200", []string{"POST /web/a abc"}},
	{"a space before the colon", post1("Content-Length : 3\r\n", "abc"), "400", nil},
	{"a vertical tab before the length", post1("Content-Length: \x0b3\r\n", "abc"), "400", nil},
	{"a body of a GET", "GET /web/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "200 200", []string{"GET /web/a abc"}},
	{"a chunked body of a GET", "GET /web/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "200 200", []string{"GET /web/a abc"}},
	{"a POST without a body", post1("", ""), "200 200", []string{"POST /web/a"}},
}

// codingCases are Transfer-Encodings of which some servers read chunked and others do not.
var codingCases = []framingCase{
	{"chunked", chunkedPost("3\r\nabc\r\n0\r\n\r\n"), "200 200", []string{"POST /web/a abc"}},
	{"chunked in capitals", post1("Transfer-Encoding: CHUNKED\r\n", "3\r\nabc\r\n0\r\n\r\n"), "200 200", []string{"POST /web/a abc"}},
	{"a tab after the colon", post1("Transfer-Encoding:\tchunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), "200 200", []string{"POST /web/a abc"}},
	{"chunked overrides a length", post1("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), "200 200", []string{"POST /web/a abc"}},
	{"xchunked", post1("Transfer-Encoding: xchunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), "501", nil},
	{"a list with identity", post1("Transfer-Encoding: chunked, identity\r\n", "3\r\nabc\r\n0\r\n\r\n"), "501", nil},
	{"a list with gzip", post1("Transfer-Encoding: gzip, chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), "501", nil},
	{"identity", post1("Transfer-Encoding: identity\r\n", ""), "501", nil},
	{"an empty coding", post1("Transfer-Encoding:\r\n", ""), "501", nil},
	{"quotes", post1("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), "501", nil},
	{"chunked twice", post1("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "501", nil},
	{"chunked and identity on two lines", post1("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), "501", nil},
	{"a space before the colon", post1("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), "400", nil},
	{"a tab before the colon", post1("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"), "400", nil},
	{"a vertical tab", post1("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), "400", nil},
	{"a NUL behind", post1("Transfer-Encoding: chunked\x00\r\n", "0\r\n\r\n"), "400", nil},
	{"behind a bare CR", post1("X: a\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400", nil},
	{"in a folded line", post1("Transfer-Encoding:\r\n chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), "200 200", []string{"POST /web/a abc"}},
	{"folded into another header", post1("X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "abc"), "200 200", []string{"POST /web/a abc"}},
	{"a first line that is folded", "POST /web/a HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: x\r\n\r\n0\r\n\r\n", "400", nil},
	{"in HTTP/1.0, where it is unknown", "POST /web/a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", "200 200", []string{"POST /web/a abc"}},
}

// chunkCases are bodies that are no chunks. The instance may have got a head and must not get an end.
var chunkCases = []framingCase{
	{"an extension is not passed on", chunkedPost("3;a=b\r\nabc\r\n0;c\r\n\r\n"), "200 200", []string{"POST /web/a abc"}},
	{"no number", chunkedPost("zz\r\nabc\r\n0\r\n\r\n"), "400", nil},
	{"a negative number", chunkedPost("-3\r\nabc\r\n0\r\n\r\n"), "400", nil},
	{"a positive number", chunkedPost("+3\r\nabc\r\n0\r\n\r\n"), "400", nil},
	{"a number with 0x", chunkedPost("0x3\r\nabc\r\n0\r\n\r\n"), "400", nil},
	{"an empty number", chunkedPost("\r\nabc\r\n0\r\n\r\n"), "400", nil},
	{"a number beyond 64 bits", chunkedPost("10000000000000003\r\nabc\r\n0\r\n\r\n"), "400", nil},
	{"a chunk that is longer than it says", chunkedPost("3\r\nabcd\r\n0\r\n\r\n"), "400", nil},
	{"a chunk without its line end", chunkedPost("3\r\nabc0\r\n\r\n"), "400", nil},
	{"a size in a line that never ends", chunkedPost("3;" + strings.Repeat("a", 64<<10) + "\r\nabc\r\n0\r\n\r\n"), "400", nil},
	{"a size with a bare LF", chunkedPost("3\nabc\r\n0\r\n\r\n"), "400", nil},
	{"an extension with a bare LF", chunkedPost("3;a\nb\r\nabc\r\n0\r\n\r\n"), "400", nil},
	{"data with a bare LF", chunkedPost("3\r\nabc\n0\r\n\r\n"), "400", nil},
	{"a trailer that is no header", chunkedPost("3\r\nabc\r\n0\r\nno colon\r\n\r\n"), "400", nil},
}

// headCases are request lines and headers.
var headCases = []framingCase{
	{"lines that end in LF", "GET /web/a HTTP/1.1\nHost: x\n\n", "200 200", []string{"GET /web/a"}},
	{"empty lines before", "\r\n\r\nGET /web/a HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"a bare CR in a value", "GET /web/a HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", "400", nil},
	{"a NUL in a value", "GET /web/a HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", "400", nil},
	{"a control byte in a value", "GET /web/a HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n\r\n", "400", nil},
	{"a DEL in a value", "GET /web/a HTTP/1.1\r\nHost: x\r\nX: a\x7fb\r\n\r\n", "400", nil},
	{"a NUL in a name", "GET /web/a HTTP/1.1\r\nHost: x\r\nX\x00: a\r\n\r\n", "400", nil},
	{"a name with brackets", "GET /web/a HTTP/1.1\r\nHost: x\r\nX(y): a\r\n\r\n", "400", nil},
	{"no name", "GET /web/a HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n", "400", nil},
	{"no colon", "GET /web/a HTTP/1.1\r\nHost: x\r\nX\r\n\r\n", "400", nil},
	{"a tab and high bytes in a value", "GET /web/a HTTP/1.1\r\nHost: x\r\nX: a\t\xff\r\n\r\n", "200 200", []string{"GET /web/a"}},
	{"a space in the target", "GET /web/a b HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"a tab in the target", "GET /web/a\tb HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"a NUL in the target", "GET /web/a\x00 HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"two spaces", "GET  /web/a HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"tabs for spaces", "GET\t/web/a\tHTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"a target without a slash", "GET web/a HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"a broken escape", "GET /web/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"no version", "GET /web/a\r\nHost: x\r\n\r\n", "400", nil},
	{"a version without a digit", "GET /web/a HTTP/1.\r\nHost: x\r\n\r\n", "400", nil},
	{"a version to come", "GET /web/a HTTP/3.0\r\nHost: x\r\n\r\n", "505", nil},
	{"a method that is no token", "GE(T /web/a HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"an unknown method", "BREW /web/a HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", []string{"BREW /web/a"}},
	{"TRACE", "TRACE /web/a HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", []string{"TRACE /web/a"}},
	{"CONNECT to a host", "CONNECT web:443 HTTP/1.1\r\nHost: web:443\r\n\r\n", "405 200", nil},
	{"CONNECT to a path", "CONNECT /web/a HTTP/1.1\r\nHost: x\r\n\r\n", "405 200", nil},
	{"all of the server", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", nil},
	{"no host", "GET /web/a HTTP/1.1\r\n\r\n", "400", nil},
	{"two hosts", "GET /web/a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400", nil},
	{"the same host twice", "GET /web/a HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "400", nil},
	{"a host with a space", "GET /web/a HTTP/1.1\r\nHost: x y\r\n\r\n", "400", nil},
	{"HTTP/1.0 closes", "GET /web/a HTTP/1.0\r\n\r\n", "200", []string{"GET /web/a"}},
	{"HTTP/1.0 with keep-alive stays", "GET /web/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200 200", []string{"GET /web/a"}},
	{"HTTP/1.1 with close closes", "GET /web/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200", []string{"GET /web/a"}},
	{"an expectation nobody knows", "GET /web/a HTTP/1.1\r\nHost: x\r\nExpect: 42\r\n\r\n", "417", nil},
	{"a header of 128 KiB", "GET /web/a HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 128<<10) + "\r\n\r\n", "431", nil},
	{"headers of 128 KiB", "GET /web/a HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: a\r\n", 128<<10/6) + "\r\n", "431", nil},
	{"a header of 48 KiB", "GET /web/a HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 48<<10) + "\r\n\r\n", "200 200", []string{"GET /web/a"}},
	{"two requests at once", "GET /web/a HTTP/1.1\r\nHost: x\r\n\r\nGET /web/b HTTP/1.1\r\nHost: x\r\n\r\n", "200 200 200", []string{"GET /web/a", "GET /web/b"}},
}

func TestRequestsReachTheInstanceInOneReadingOrNotAtAll(t *testing.T) {
	for _, table := range []struct {
		name  string
		cases []framingCase
	}{{"length", lengthCases}, {"coding", codingCases}, {"chunk", chunkCases}, {"head", headCases}} {
		for _, test := range table.cases {
			t.Run(table.name+"/"+test.name, func(t *testing.T) {
				w := newWire(t, Options{}, echoes)
				c := w.dial(t)
				go c.say(test.raw + lastRequest)
				if got := c.statuses(t); got != test.answers {
					t.Errorf("answers %s, want %s", got, test.answers)
				}
				w.wantRequests(t, test)
			})
		}
	}
}

// wantRequests ends the gateway and compares what the instance was asked with what it should have been, and with what
// the gateway counted.
func (w *wire) wantRequests(t *testing.T, test framingCase) {
	t.Helper()
	want := slices.Clone(test.instance)
	if statuses := strings.Fields(test.answers); statuses[len(statuses)-1] == "200" && len(statuses) > 1 {
		want = append(want, "GET /web/last")
	}
	requests, broken := w.requests(t)
	if got := strings.Join(asStrings(requests), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the instance was asked\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	s := statsOf(w.g, "web-1")
	if s.Classes["2xx"] != uint64(len(want)) || s.Requests-s.Classes["2xx"] != s.Classes["aborted"] || int(s.Classes["aborted"]) < broken {
		t.Errorf("counted %v for %d requests and %d that broke off", s.Classes, len(want), broken)
	}
}

func asStrings(requests []wireRequest) (all []string) {
	for _, r := range requests {
		all = append(all, r.String())
	}
	return all
}

func TestTargetsReachTheInstanceAsTheyAre(t *testing.T) {
	for _, test := range []struct{ name, sent, want, host string }{
		{"dots", "/web/../a/./b", "/web/../a/./b", "x"},
		{"encoded dots", "/web/%2e%2E/a", "/web/%2e%2E/a", "x"},
		{"an encoded slash", "/web/a%2Fb%2f", "/web/a%2Fb%2f", "x"},
		{"an encoded backslash and NUL", "/web/a%5Cb%00", "/web/a%5Cb%00", "x"},
		{"an encoded line end", "/web/a%0D%0Ab", "/web/a%0D%0Ab", "x"},
		{"doubled slashes", "/web//a//", "/web//a//", "x"},
		{"parameters", "/web/a;b=c,d", "/web/a;b=c,d", "x"},
		{"an odd query", "/web/a?x=1;y&z=%zz&%00=?/", "/web/a?x=1;y&z=%zz&%00=?/", "x"},
		{"an empty query", "/web/a?", "/web/a?", "x"},
		{"a target with its own host", "http://other.example/web/a?b", "/web/a?b", "other.example"},
		{"an encoded slash beside a byte that should be encoded", "/web/a%2Fb|c", "/web/a%2Fb|c", "x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWire(t, Options{}, echoes)
			c := w.dial(t)
			c.say("GET " + test.sent + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if got := c.statuses(t); got != "200" {
				t.Fatalf("answers %s, want 200", got)
			}
			requests, _ := w.requests(t)
			if len(requests) != 1 || requests[0].target != test.want || requests[0].get("Host")[0] != test.host {
				t.Errorf("the instance was asked %v, want %s at %s", requests, test.want, test.host)
			}
		})
	}
}

func TestHopByHopHeadersEndAtTheGateway(t *testing.T) {
	w := newWire(t, Options{}, echoes)
	c := w.dial(t)
	c.say("POST /web/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" +
		"Connection: X-Hop, keep-alive, close,X-Forwarded-For, Content-Length, Host, Traceparent\r\nConnection: x-other\r\n" +
		"X-Hop: 1\r\nX-Other: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n" +
		"Proxy-Authenticate: Basic\r\nTE: gzip;q=1, deflate\r\nUpgrade: echo\r\nTrailer: X-Sum\r\nX-End: 1\r\n\r\nabc")
	if got := c.statuses(t); got != "200" {
		t.Fatalf("answers %s, want 200", got)
	}
	requests, _ := w.requests(t)
	if len(requests) != 1 || requests[0].body != "abc" {
		t.Fatalf("the instance was asked %v", requests)
	}
	for name, want := range map[string]string{
		"X-Hop": "[]", "X-Other": "[]", "Keep-Alive": "[]", "Proxy-Connection": "[]", "Proxy-Authorization": "[]",
		"Proxy-Authenticate": "[]", "TE": "[]", "Upgrade": "[]", "Trailer": "[]", "X-End": "[1]", "Host": "[x]",
		"X-Forwarded-For": "[127.0.0.1]", "X-Forwarded-Host": "[x]",
	} {
		if got := fmt.Sprint(requests[0].get(name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if len(requests[0].get("Traceparent")) != 1 {
		t.Error("a client can take the trace away")
	}
}

func TestTrailersOfARequestArePassedOn(t *testing.T) {
	// httputil.ReverseProxy clones the request, and with it the trailer before its values have come.
	w := newWire(t, Options{}, echoes)
	c := w.dial(t)
	c.say("POST /web/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n" +
		"3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n")
	if got := c.statuses(t); got != "200" {
		t.Fatalf("answers %s, want 200", got)
	}
	requests, _ := w.requests(t)
	if len(requests) != 1 || requests[0].body != "abc" || fmt.Sprint(requests[0].trailer) != "[X-Sum: 3]" {
		t.Fatalf("the instance was asked %v with trailer %v", requests, requests[0].trailer)
	}
	if got := fmt.Sprint(requests[0].get("TE"), requests[0].get("Trailer")); got != "[trailers] [X-Sum]" {
		t.Errorf("TE and Trailer %s, want them to be passed on", got)
	}
}

func TestAClientMayWaitForTheInstanceToWantItsBody(t *testing.T) {
	w := newWire(t, Options{}, func(c *wireConn) {
		for {
			req, err := http.ReadRequest(c.in)
			if err != nil {
				return
			}
			if req.URL.Path == "/web/no" {
				// It may still read what it did not ask for, so the connection ends.
				c.say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
				return
			}
			if req.Header.Get("Expect") != "" {
				c.say("HTTP/1.1 100 Continue\r\n\r\n")
			}
			body, _ := io.ReadAll(req.Body)
			c.echo(req, string(body))
		}
	})
	expect := func(path string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
	}
	granted := w.dial(t)
	granted.say(expect("/web/yes"))
	if line, err := granted.in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("got %q (%v), want 100", line, err)
	}
	if _, err := granted.in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	granted.say("abc")
	if resp, body, err := granted.answer(http.MethodPost); err != nil || resp.StatusCode != http.StatusOK || body != "POST /web/yes abc" {
		t.Errorf("got %q (%v)", body, err)
	}
	refused := w.dial(t)
	refused.say(expect("/web/no"))
	resp, err := http.ReadResponse(refused.in, nil)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("got %v (%v), want 401 at once", resp, err)
	}
	w.asksOwn(t, "after")
	if s := w.settled(t); s.Classes["2xx"] != 4 || s.Classes["4xx"] != 1 {
		t.Errorf("counted %v", s.Classes)
	}
}

// TestAClientThatGoesAwayInItsBodyEndsTheConnection shows that half a request never becomes the head of another.
func TestAClientThatGoesAwayInItsBodyEndsTheConnection(t *testing.T) {
	half := strings.Repeat("half", 8<<10)
	for _, test := range []struct{ name, header, body string }{
		{"with a length", "Content-Length: 100000\r\n", half},
		{"in a chunk", "Transfer-Encoding: chunked\r\n", "10000\r\n" + half},
		{"between chunks", "Transfer-Encoding: chunked\r\n", "8000\r\n" + half + "\r\n"},
	} {
		for _, end := range []string{"FIN", "RST"} {
			t.Run(test.name+" by "+end, func(t *testing.T) {
				begun, ended := make(chan struct{}), make(chan error, 1)
				w := newWire(t, Options{}, func(c *wireConn) {
					for {
						req, err := http.ReadRequest(c.in)
						if err != nil {
							return
						}
						if req.URL.Path == "/web/bad" {
							_, _ = io.ReadFull(req.Body, make([]byte, 10))
							close(begun)
							_, err = io.ReadAll(req.Body)
							ended <- err
							_, _ = io.Copy(io.Discard, c.in)
							return
						}
						body, _ := io.ReadAll(req.Body)
						c.echo(req, string(body))
					}
				})
				w.asksOwn(t, "before")
				c := w.dial(t)
				c.say("POST /web/bad HTTP/1.1\r\nHost: x\r\n" + test.header + "\r\n" + test.body)
				await(t, begun)
				if end == "RST" {
					_ = c.SetLinger(0)
				}
				_ = c.Close()
				if err := await(t, ended); err == nil {
					t.Error("the instance takes half a body for a whole one")
				}
				w.asksOwn(t, "after")
				requests, broken := w.requests(t)
				if len(requests) != 6 || broken != 1 {
					t.Errorf("the instance was asked %v, and %d broke off", requests, broken)
				}
				if s := statsOf(w.g, "web-1"); s.Classes["aborted"] != 1 || s.Classes["2xx"] != 6 {
					t.Errorf("counted %v", s.Classes)
				}
			})
		}
	}
}

// TestPipelinedRequestsAreAnsweredInTheirOrder sends many at once and reads their answers only then.
func TestPipelinedRequestsAreAnsweredInTheirOrder(t *testing.T) {
	w := newWire(t, Options{}, echoes)
	c := w.dial(t)
	var all strings.Builder
	for i := range 50 {
		fmt.Fprintf(&all, "POST /web/%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", i, i, strings.Repeat("b", i))
	}
	c.in = bufio.NewReader(c)
	go c.say(all.String() + lastRequest)
	for i := range 50 {
		want := strings.TrimRight(fmt.Sprintf("POST /web/%d %s", i, strings.Repeat("b", i)), " ")
		if _, body, err := c.answer(http.MethodPost); err != nil || strings.TrimRight(body, " ") != want {
			t.Fatalf("answer %d is %q (%v), want %q", i, body, err, want)
		}
	}
	if got := c.statuses(t); got != "200" {
		t.Errorf("then %s, want 200 and the end", got)
	}
	if requests, _ := w.requests(t); len(requests) != 51 {
		t.Errorf("the instance was asked %d times, want 51", len(requests))
	}
}
