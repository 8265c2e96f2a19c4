package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/skyisland/skyisland/internal/release"
)

// bodyLimit bounds a request's body, in bytes.
const bodyLimit = 1 << 20

// decode reads a JSON body into value. An empty body leaves it as it is.
func decode(w http.ResponseWriter, r *http.Request, value any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(value)
	if err == nil {
		// A second value would be silently dropped.
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = badRequest("the body holds more than one JSON object: send one")
		}
	}
	var large *http.MaxBytesError
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	var known *fault
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &large):
		return tooLarge()
	case errors.As(err, &known):
		return err
	case errors.As(err, &syntax):
		return badRequest("the body is not JSON: byte %d: %v", syntax.Offset, syntax)
	case errors.As(err, &wrong):
		return badRequest("the body's field %q cannot be a %s: want %s", wrong.Field, wrong.Value, wrong.Type)
	default:
		return badRequest("the body cannot be read: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
}

func tooLarge() error {
	return &fault{http.StatusRequestEntityTooLarge, CodeTooLarge, "the body is larger than 1 MiB"}
}

// The media types of what is sent.
const (
	mediaJSON   = "application/json"
	mediaText   = "text/plain; charset=utf-8"
	mediaEvents = "text/event-stream"
	mediaBytes  = "application/octet-stream"
)

// checkMedia refuses a body that says of itself that it is no JSON. One that says nothing is taken for it.
func checkMedia(r *http.Request) error {
	given := r.Header.Get("Content-Type")
	if given == "" || r.ContentLength == 0 {
		return nil
	}
	media, _, err := mime.ParseMediaType(given)
	if err != nil || media != mediaJSON {
		return &fault{http.StatusUnsupportedMediaType, CodeUnsupported, fmt.Sprintf("the body is sent as %q: send JSON, with the header \"Content-Type: application/json\"", given)}
	}
	return nil
}

func laneOf(r *http.Request) (release.Lane, error) {
	lane := release.Lane{Tenant: r.PathValue("tenant"), Application: r.PathValue("application"), Environment: r.PathValue("environment")}
	if err := lane.Check(); err != nil {
		return lane, badRequest("%v", err)
	}
	return lane, nil
}

func idOf(r *http.Request) (release.ID, error) {
	lane, err := laneOf(r)
	if err != nil {
		return release.ID{}, err
	}
	n, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || n < 1 {
		return release.ID{}, badRequest("%q is not the number of a release: want 1 or more", r.PathValue("number"))
	}
	return release.ID{Lane: lane, Number: n}, nil
}

// commits are whole commits, of either of git's hashes.
var commits = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// isRef says whether git takes a text for the name of a ref (git check-ref-format), and for nothing else: not for an
// option, a range or a search in the history.
func isRef(text string) bool {
	if len(text) > refLimit || strings.HasPrefix(text, "-") || strings.HasSuffix(text, ".") || strings.Contains(text, "..") || strings.Contains(text, "@{") || text == "@" {
		return false
	}
	for _, part := range strings.Split(text, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(c rune) bool {
		return unicode.IsSpace(c) || unicode.IsControl(c) || strings.ContainsRune(`~^:?*[\`, c)
	})
}
