package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// maxRequest bounds what a gateway reads of a request, maxReply what a client reads of an answer.
	maxRequest = 32 << 20
	maxReply   = 64 << 20
	// maxKeys bounds the routes named in one renewal or one reading of evidence.
	maxKeys = 1000
)

// routeList is the body of PUT /v1/routes and POST /v1/routes/check.
type routeList struct {
	Routes []release.Route `json:"routes"`
}

// renewal is the body of POST /v1/leases.
type renewal struct {
	Keys    []string         `json:"keys"`
	Version int64            `json:"version"`
	TTL     release.Duration `json:"ttl"`
}

// problem is the body of every answer that is no success.
type problem struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// The codes of problems. Clients turn them back into the errors they came from.
const (
	codeConflict     = "conflict"
	codeLapsed       = "lapsed"
	codeNotFound     = "not_found"
	codeInvalid      = "invalid"
	codeNotSaved     = "not_saved"
	codeUnauthorized = "unauthorized"
	codeUnfinished   = "unfinished"
	codeInternal     = "internal"
)

// decodeStrict reads one JSON value of at most limit bytes, and refuses unknown fields and anything
// after it.
func decodeStrict(r io.Reader, limit int64, into any) error {
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return err
	}
	if int64(len(content)) > limit {
		return fmt.Errorf("more than %d bytes", limit)
	}
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// encodeCursor writes run.seq.key, the form of the query parameter "after".
func encodeCursor(key string, c gateway.Cursor) string {
	return strconv.FormatUint(c.Run, 10) + "." + strconv.FormatUint(c.Seq, 10) + "." + key
}

func decodeCursor(s string) (key string, c gateway.Cursor, err error) {
	parts := strings.SplitN(s, ".", 3)
	if len(parts) != 3 || parts[2] == "" {
		return "", c, fmt.Errorf("after %.100q: want run.seq.key", s)
	}
	if c.Run, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return "", c, fmt.Errorf("after %.100q: run %.30q is no number", s, parts[0])
	}
	if c.Seq, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return "", c, fmt.Errorf("after %.100q: seq %.30q is no number", s, parts[1])
	}
	return parts[2], c, nil
}

// decodeWait reads the query parameter "wait"; an empty one is no wait.
func decodeWait(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(s)
	if err != nil || wait < 0 || wait > gateway.MaxEvidenceWait {
		return 0, fmt.Errorf("wait %.30q: want a duration from 0 to %s", s, gateway.MaxEvidenceWait)
	}
	return wait, nil
}
