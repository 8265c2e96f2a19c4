package http1

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// HasBody says that a body belongs to a request. As in requests that a server got, a length of 0 is none, whatever Body is:
// HTTP/2 gives every request one.
func HasBody(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody && req.ContentLength != 0
}

// writeHead writes the head of a request. Errors stay in w until it is flushed. Names and values are those that
// net/http's server has let in, so there is no line end in them.
func writeHead(w *bufio.Writer, req *http.Request, content []byte, address string) {
	put := func(parts ...string) {
		for _, s := range parts {
			_, _ = w.WriteString(s)
		}
	}
	host := req.Host
	if host == "" {
		host = address
	}
	target := req.RequestURI
	if !strings.HasPrefix(target, "/") {
		target = req.URL.RequestURI()
	}
	put(req.Method, " ", target, " HTTP/1.1\r\nHost: ", host, "\r\n")
	for name, values := range req.Header {
		if frames(name) {
			continue
		}
		for _, value := range values {
			put(name, ": ", value, "\r\n")
		}
	}
	switch {
	case content != nil:
		put("Content-Length: ", strconv.Itoa(len(content)), "\r\n")
	case !HasBody(req):
		if req.Method == http.MethodPost || req.Method == http.MethodPut || req.Method == http.MethodPatch {
			put("Content-Length: 0\r\n")
		}
	case req.ContentLength > 0:
		put("Content-Length: ", strconv.FormatInt(req.ContentLength, 10), "\r\n")
	default:
		put("Transfer-Encoding: chunked\r\n")
		if names := trailers(req); len(names) > 0 {
			put("Trailer: ", strings.Join(names, ", "), "\r\n")
		}
	}
	put("\r\n")
}

// frames says that a field says where a message ends, or whose it is; those are written anew.
func frames(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		return true
	}
	return false
}

// trailers are the names a request has announced for behind its body, sorted.
func trailers(req *http.Request) []string {
	var names []string
	for name := range req.Trailer {
		if httpguts.ValidTrailerHeader(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// check refuses the header of an answer with bytes that would mean something else to whoever reads it next.
func check(resp *http.Response) error {
	for name, values := range resp.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("%w: field name %.64q", ErrMalformed, name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("%w: a value of field %.64q", ErrMalformed, name)
			}
		}
	}
	return nil
}
