package gateway

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// wireRequest is a request as it was sent to the instance.
type wireRequest struct {
	method, target string
	header         []string // lines
	chunked        bool
	length         int
	body           string
	trailer        []string
}

// String is what a test compares.
func (r wireRequest) String() string {
	return strings.TrimSpace(r.method + " " + r.target + " " + r.body)
}

// get returns the values of a header.
func (r wireRequest) get(name string) (values []string) {
	for _, line := range r.header {
		if key, value, _ := strings.Cut(line, ":"); strings.EqualFold(key, name) {
			values = append(values, strings.Trim(value, " \t"))
		}
	}
	return values
}

var (
	wireLine   = regexp.MustCompile(`^([!#$%&'*+.^_|~0-9A-Za-z\x60-]+) (/[\x21-\x7e]*|\*) HTTP/1\.1$`)
	wireHeader = regexp.MustCompile(`^[!#$%&'*+.^_|~0-9A-Za-z\x60-]+:[^\x00-\x08\x0a-\x1f\x7f]*$`)
	wireLength = regexp.MustCompile(`^[0-9]{1,15}$`)
	wireChunk  = regexp.MustCompile(`^[0-9a-fA-F]{1,8}$`)
)

// parseWire reads what came on one connection, more strictly than any server does: what two servers could understand
// differently is an error. rest is a request that broke off.
func parseWire(raw string) (all []wireRequest, rest string, err error) {
	for raw != "" {
		head, tail, whole := strings.Cut(raw, "\r\n\r\n")
		if !whole {
			return all, raw, nil
		}
		r, err := parseWireHead(strings.Split(head, "\r\n"))
		if err != nil {
			return all, "", err
		}
		if r.chunked {
			whole, tail, err = r.cutChunks(tail)
		} else if whole = len(tail) >= r.length; whole {
			r.body, tail = tail[:r.length], tail[r.length:]
		}
		if err != nil || !whole {
			return all, raw, err
		}
		all, raw = append(all, r), tail
	}
	return all, "", nil
}

func parseWireHead(lines []string) (r wireRequest, err error) {
	parts := wireLine.FindStringSubmatch(lines[0])
	if parts == nil {
		return r, fmt.Errorf("request line %q", lines[0])
	}
	r.method, r.target, r.header = parts[1], parts[2], lines[1:]
	for _, line := range r.header {
		if !wireHeader.MatchString(line) {
			return r, fmt.Errorf("header line %q", line)
		}
	}
	lengths, codings := r.get("Content-Length"), r.get("Transfer-Encoding")
	switch {
	case len(r.get("Host")) != 1:
		return r, fmt.Errorf("hosts %q", r.get("Host"))
	case len(lengths)+len(codings) > 1:
		return r, fmt.Errorf("lengths %q and codings %q", lengths, codings)
	case len(codings) == 1:
		if r.chunked = true; codings[0] != "chunked" {
			return r, fmt.Errorf("coding %q", codings[0])
		}
	case len(lengths) == 1:
		if !wireLength.MatchString(lengths[0]) {
			return r, fmt.Errorf("length %q", lengths[0])
		}
		r.length, err = strconv.Atoi(lengths[0])
	}
	return r, err
}

// cutChunks cuts a chunked body and its trailer from what follows a head.
func (r *wireRequest) cutChunks(raw string) (whole bool, rest string, err error) {
	for {
		line, tail, whole := strings.Cut(raw, "\r\n")
		if !whole {
			return false, "", nil
		}
		if !wireChunk.MatchString(line) {
			return false, "", fmt.Errorf("chunk size %q", line)
		}
		n, err := strconv.ParseUint(line, 16, 32)
		switch {
		case err != nil:
			return false, "", err
		case n == 0 && strings.HasPrefix(tail, "\r\n"):
			return true, tail[2:], nil
		case n == 0:
			trailer, tail, whole := strings.Cut(tail, "\r\n\r\n")
			r.trailer = strings.Split(trailer, "\r\n")
			if whole && slices.ContainsFunc(r.trailer, func(line string) bool { return !wireHeader.MatchString(line) }) {
				return false, "", fmt.Errorf("trailer %q", trailer)
			}
			return whole, tail, nil
		case uint64(len(tail)) < n+2:
			return false, "", nil
		case tail[n:n+2] != "\r\n":
			return false, "", fmt.Errorf("chunk of %d ends in %q", n, tail[n:n+2])
		}
		r.body, raw = r.body+tail[:n], tail[n+2:]
	}
}
