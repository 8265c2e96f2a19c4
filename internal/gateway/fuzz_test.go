package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// fuzzSeed is the longest seed: from long ones the fuzzer learns little, and slowly.
const fuzzSeed = 2 << 10

// FuzzRequest sends anything to the gateway. Whatever it is, the instance gets whole requests in the one strict reading,
// as many as are counted, and who comes next is served.
func FuzzRequest(f *testing.F) {
	for _, table := range [][]framingCase{lengthCases, codingCases, chunkCases, headCases, smugglingCases} {
		for _, test := range table {
			if len(test.raw) <= fuzzSeed {
				f.Add([]byte(test.raw + lastRequest))
			}
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		w := newWire(t, Options{}, echoes)
		c := w.dial(t)
		go func() {
			_, _ = c.Write(raw)
			_ = c.CloseWrite()
		}()
		if _, err := io.Copy(io.Discard, c); isTimeout(err) {
			t.Error("the gateway waits for a client that has ended")
		}
		w.asksOwn(t, "next")
		all, broken := w.requests(t)
		for _, received := range w.received(t) {
			wantParsed(t, received)
		}
		// The client's end may overtake the answer to its last request.
		s := statsOf(w.g, "web-1")
		if n := uint64(len(all)); n < s.Classes["2xx"] || n+uint64(broken) > s.Requests {
			t.Errorf("the instance was asked %d times, and %d requests broke off; counted %v", n, broken, s.Classes)
		}
	})
}

// wantParsed reads what came on one connection as any Go server would.
func wantParsed(t *testing.T, received string) {
	t.Helper()
	in := bufio.NewReader(strings.NewReader(received))
	for {
		req, err := http.ReadRequest(in)
		if err == nil {
			_, err = io.Copy(io.Discard, req.Body)
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return
		case err != nil:
			t.Errorf("the instance was sent %q: %v", received, err)
			return
		}
	}
}

// FuzzAnswer lets an instance answer anything. The client gets one well-formed answer or a connection that ends, and who
// comes next gets what is its own.
func FuzzAnswer(f *testing.F) {
	for _, table := range [][]answerCase{answerBodies, answerHeads} {
		for _, test := range table {
			if len(test.raw) <= fuzzSeed {
				f.Add([]byte(test.raw))
			}
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		whole := readWhole(raw)
		w := newWire(t, Options{AnswerTimeout: patience / 2}, badThen(func(c *wireConn, _ *http.Request) bool {
			_, _ = c.Write(raw)
			return !whole
		}))
		w.asksOwn(t, "before")
		c := w.dial(t)
		c.say("GET /web/bad HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		got, err := io.ReadAll(c)
		if isTimeout(err) {
			t.Error("the gateway waits for an instance that has ended")
		}
		wantOneAnswer(t, got)
		w.asksOwn(t, "after")
		if s := w.settled(t); s.Requests != 7 || s.Classes["2xx"] < 6 || s.Classes["aborted"]+s.Classes["connect"] > 0 {
			t.Errorf("counted %v", s.Classes)
		}
	})
}

// readWhole says whether an instance that sent this may stay: it is a whole answer, and maybe more.
func readWhole(raw []byte) bool {
	in := bufio.NewReaderSize(bytes.NewReader(raw), len(raw)+16)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return false
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode >= 200 || resp.StatusCode < 100 || resp.StatusCode == http.StatusSwitchingProtocols {
			closed := resp.Close && resp.ContentLength < 0 && len(resp.TransferEncoding) == 0
			return err == nil && !closed
		}
	}
}

// wantOneAnswer wants at most one final answer, of which only the end may be missing.
func wantOneAnswer(t *testing.T, got []byte) {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(got))
	for {
		resp, err := http.ReadResponse(in, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return
		case err != nil:
			t.Errorf("the client was sent %q: %v", got, err)
			return
		case resp.StatusCode < 200:
			continue
		}
		for name, values := range resp.Header {
			for _, v := range values {
				if strings.ContainsAny(v, "\x00\r\n") {
					t.Errorf("the client was sent %s: %q", name, v)
				}
			}
		}
		if rest, _ := io.ReadAll(in); len(rest) > 0 {
			t.Errorf("behind its answer the client was sent %q", rest)
		}
		return
	}
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
