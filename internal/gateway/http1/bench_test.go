package http1

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"testing"
)

// serveOK answers every request on every connection, at as little cost as can be.
func (i *instance) serveOK() {
	for {
		c, err := i.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			r := bufio.NewReader(c)
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == 2 {
					if _, err := io.WriteString(c, ok); err != nil {
						return
					}
				}
			}
		}()
	}
}

// BenchmarkKeptGET is one GET after the other on one connection, beside what net/http's transport takes for it.
func BenchmarkKeptGET(b *testing.B) {
	in := newInstance(b)
	go in.serveOK()
	pool := in.pool()
	transport := &http.Transport{DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	for _, bench := range []struct {
		name string
		do   func(*http.Request) (*http.Response, error)
	}{
		{"http1", func(req *http.Request) (*http.Response, error) { return pool.Do(req, patient) }},
		{"transport", transport.RoundTrip},
	} {
		b.Run(bench.name, func(b *testing.B) {
			req := get("/some/path?of=it")
			req.URL = &url.URL{Scheme: "http", Host: in.Addr().String(), Path: "/some/path", RawQuery: "of=it"}
			buffer := make([]byte, 64)
			b.ReportAllocs()
			for b.Loop() {
				resp, err := bench.do(req)
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = resp.Body.Read(buffer)
				}
				resp.Body.Close()
			}
		})
	}
}
