package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

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
		return &fault{http.StatusRequestEntityTooLarge, CodeTooLarge, "the body is larger than 1 MiB"}
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

// query is a request's parameters. One nobody knows is refused: a mistyped filter would answer with
// everything.
func query(r *http.Request, known ...string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the parameters cannot be read: %v", err)
	}
	for name, given := range values {
		if !slices.Contains(known, name) {
			return nil, badRequest("there is no parameter %q here: there are %s", name, strings.Join(known, ", "))
		}
		if len(given) > 1 {
			return nil, badRequest("the parameter %s is there %d times: give it once", name, len(given))
		}
	}
	return values, nil
}

// number reads a parameter between 1 and most; one that is not there is standard.
func number(values url.Values, name string, standard, most int) (int, error) {
	text := values.Get(name)
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badRequest("%s=%q: want a number from 1 to %d", name, text, most)
	}
	return n, nil
}

// flag reads a parameter that is true or false; one that is not there is false.
func flag(values url.Values, name string) (bool, error) {
	text := values.Get(name)
	if text == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, badRequest("%s=%q: want true or false", name, text)
	}
	return on, nil
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
