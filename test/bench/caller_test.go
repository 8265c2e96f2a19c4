package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// clientPatience bounds one request.
const clientPatience = 5 * time.Second

// answer is what a client saw of one request.
type answer struct {
	// began is when the request was sent, took how long the whole answer was in coming.
	began    time.Time
	took     time.Duration
	status   int
	revision string
	// instance is what the instance called itself; "" where it has no name.
	instance string
	err      error
}

// failed says whether a client would call it a failure. Whatever is asked for here is there.
func (a answer) failed() bool { return a.err != nil || a.status != http.StatusOK }

// caller is one keep-alive connection. It understands as much of HTTP as the answers here need, so
// that the CPU that is measured goes to the other side of the connection.
type caller struct {
	addr    string
	request []byte
	conn    net.Conn
	in      *bufio.Reader
}

func newCaller(addr, method, path, body string) *caller {
	request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: skyisland-bench\r\nAccept: */*\r\n", method, path, addr)
	if body != "" {
		request += fmt.Sprintf("Content-Type: text/plain\r\nContent-Length: %d\r\n", len(body))
	}
	return &caller{addr: addr, request: []byte(request + "\r\n" + body)}
}

// ask sends the request and reads the answer. After an error the next request opens a new connection.
func (c *caller) ask() answer {
	a := answer{began: time.Now()}
	a.err = c.exchange(&a)
	a.took = time.Since(a.began)
	if a.err != nil {
		c.close()
	}
	return a
}

func (c *caller) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (c *caller) exchange(a *answer) error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.addr, clientPatience)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(a.began.Add(clientPatience)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	return c.read(a)
}

var (
	revisionField = []byte("X-Skyisland-Revision")
	instanceField = []byte(instanceHeader)
	lengthField   = []byte("Content-Length")
	closeField    = []byte("Connection")
)

func (c *caller) read(a *answer) error {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < len("HTTP/1.1 200\n") {
		return fmt.Errorf("answer begins %q", line)
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return err
	}
	length, last := -1, false
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return err
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			break
		}
		switch {
		case bytes.EqualFold(name, revisionField):
			a.revision = strings.TrimSpace(string(value))
		case bytes.EqualFold(name, instanceField):
			a.instance = strings.TrimSpace(string(value))
		case bytes.EqualFold(name, closeField):
			last = bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		case bytes.EqualFold(name, lengthField):
			if length, err = strconv.Atoi(strings.TrimSpace(string(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("the answer does not say its length")
	}
	_, err = io.CopyN(io.Discard, c.in, int64(length))
	if last {
		c.close()
	}
	return err
}

// flatOut lets every client ask as fast as it is answered, until ctx ends, and returns all answers.
func flatOut(ctx context.Context, clients []*caller) []answer {
	each := make([][]answer, len(clients))
	var asking sync.WaitGroup
	for i, c := range clients {
		asking.Go(func() {
			for ctx.Err() == nil {
				each[i] = append(each[i], c.ask())
			}
		})
	}
	asking.Wait()
	var all []answer
	for _, some := range each {
		all = append(all, some...)
	}
	return all
}

// paced sends rate requests a second over the clients until ctx ends, whatever the answers are, and
// hands each answer to take, several at a time. A client whose answer is late sends its next request
// at once.
func paced(ctx context.Context, rate int, clients []*caller, take func(answer)) {
	between := time.Duration(len(clients)) * time.Second / time.Duration(rate)
	began := time.Now()
	var asking sync.WaitGroup
	for i, c := range clients {
		next := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		asking.Go(func() {
			timer := time.NewTimer(time.Until(next))
			defer timer.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-timer.C:
				}
				take(c.ask())
				next = next.Add(between)
				timer.Reset(time.Until(next))
			}
		})
	}
	asking.Wait()
}

// callersOf are n callers that ask the same.
func callersOf(n int, addr, method, path, body string) []*caller {
	out := make([]*caller, n)
	for i := range out {
		out[i] = newCaller(addr, method, path, body)
	}
	return out
}

func closeAll(clients []*caller) {
	for _, c := range clients {
		c.close()
	}
}
