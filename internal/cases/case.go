package cases

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/yamldoc"
)

// Case is one request and what its answer has to be.
type Case struct {
	// Name says what is expected, in words; it is unique in its file.
	Name    string  `json:"name"`
	Request Request `json:"request"`
	Expect  Expect  `json:"expect"`
	// File and Line are where the case is written.
	File string `json:"-"`
	Line int    `json:"-"`
}

// Request is what is sent. Path is as clients see it, the route's prefix included.
type Request struct {
	// Method is GET when there is nothing to send, and POST otherwise.
	Method string `json:"method"`
	// Path begins with / and has no query; the route's own path when empty.
	Path    string            `json:"path"`
	Query   map[string]string `json:"query"`
	Headers map[string]string `json:"headers"`
	// Body is sent as it is, JSON as JSON with its content type. At most one of them is set.
	Body string `json:"body"`
	JSON any    `json:"json"`
}

// Expect is what an answer has to be. What is not set is not looked at, but for the status.
type Expect struct {
	// Status is 200 by default.
	Status int `json:"status"`
	// Headers have these values.
	Headers map[string]string `json:"headers"`
	Body    Body              `json:"body"`
	// Within bounds the time until the whole answer has come, 10 s by default.
	Within release.Duration `json:"within"`
}

// Body is what the body of an answer has to be; everything that is set applies.
type Body struct {
	// Contains are texts that occur in the body.
	Contains []string `json:"contains"`
	// Equals is the whole body, but for white space around it.
	Equals *string `json:"equals"`
	// JSON is contained in the body's JSON: every field named is there and matches, fields not
	// named may be anything, a list has as many items and each matches, other values are equal.
	JSON any `json:"json"`
}

const (
	defaultWithin = release.Duration(10 * time.Second)
	maxWithin     = release.Duration(time.Minute)
	// maxCases bounds a file, and so the time its run may take.
	maxCases = 1000
)

// document is what a file of cases looks like.
type document struct {
	Cases []Case `json:"cases"`
}

// Read reads a file of cases; file is its path as its owner knows it. What is wrong is returned as
// [release.Problems], all of it. Cases that could be read are returned even then.
func Read(file string, data []byte) ([]Case, error) {
	var d document
	doc := yamldoc.Read(file, data, &d, "cases[].expect.body.contains")
	if doc.Sound("cases") && len(d.Cases) == 0 {
		doc.Report("cases", "no cases", "write cases: [{name: …, request: {path: /}, expect: {status: 200}}]")
	}
	if len(d.Cases) > maxCases {
		doc.Report("cases", fmt.Sprintf("%d cases", len(d.Cases)), fmt.Sprintf("write at most %d in a file", maxCases))
	}
	seen := map[string]int{}
	for i := range d.Cases {
		c := &d.Cases[i]
		at := fmt.Sprintf("cases[%d]", i)
		c.File, c.Line = file, doc.Line(at)
		c.fill(doc, at)
		if first, ok := seen[c.Name]; ok && c.Name != "" {
			doc.Report(at+".name", fmt.Sprintf("%q is the name of cases[%d] too", c.Name, first), "give each case its own name")
		} else {
			seen[c.Name] = i
		}
		c.check(doc, at)
	}
	return d.Cases, doc.Err()
}

// fill gives a case its defaults.
func (c *Case) fill(doc *yamldoc.Document, at string) {
	if !doc.Has(at + ".request.method") {
		c.Request.Method = http.MethodGet
		if c.Request.Body != "" || c.Request.JSON != nil {
			c.Request.Method = http.MethodPost
		}
	}
	if !doc.Has(at + ".expect.status") {
		c.Expect.Status = http.StatusOK
	}
	if !doc.Has(at + ".expect.within") {
		c.Expect.Within = defaultWithin
	}
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")

func (c *Case) check(doc *yamldoc.Document, at string) {
	if strings.TrimSpace(c.Name) == "" {
		doc.Report(at+".name", "a case without a name", "add name, a sentence such as: name: an unknown line is not found")
	}
	c.Request.check(doc, at+".request")
	if c.Expect.Status < 200 || c.Expect.Status > 599 {
		doc.Report(at+".expect.status", fmt.Sprintf("%d is not the status of an answer", c.Expect.Status), "write one from 200 to 599")
	}
	if c.Expect.Within <= 0 || c.Expect.Within > maxWithin {
		doc.Report(at+".expect.within", fmt.Sprintf("%s is no useful bound", c.Expect.Within), "write one up to "+maxWithin.String())
	}
	checkHeaders(doc, at+".expect.headers", c.Expect.Headers)
	for i, text := range c.Expect.Body.Contains {
		if text == "" {
			doc.Report(fmt.Sprintf("%s.expect.body.contains[%d]", at, i), "every body contains an empty text", "write what it should contain")
		}
	}
}

func (r *Request) check(doc *yamldoc.Document, at string) {
	known := false
	for _, m := range methods {
		known = known || r.Method == m
	}
	if !known {
		doc.Report(at+".method", fmt.Sprintf("%q is unknown", r.Method), yamldoc.Suggest(r.Method, methods))
	}
	if r.Path != "" {
		switch {
		case !strings.HasPrefix(r.Path, "/"):
			doc.Report(at+".path", fmt.Sprintf("%q is not a path", r.Path), "begin it with /, and leave out the host")
		case strings.ContainsAny(r.Path, "?#"):
			doc.Report(at+".path", fmt.Sprintf("%q is more than a path", r.Path), "write the query as query: {name: value}")
		default:
			if _, err := url.PathUnescape(r.Path); err != nil {
				doc.Report(at+".path", fmt.Sprintf("%q is not a path", r.Path), "escape % as %25")
			}
		}
	}
	if r.Body != "" && r.JSON != nil {
		doc.Report(at+".body", "a body and JSON at once", "write one of them")
	}
	checkHeaders(doc, at+".headers", r.Headers)
}

func checkHeaders(doc *yamldoc.Document, at string, headers map[string]string) {
	for name, value := range headers {
		switch {
		case !headerName.MatchString(name):
			doc.Report(yamldoc.Child(at, name), fmt.Sprintf("%q is not the name of a header", name), "write one such as Accept-Language")
		case strings.ContainsAny(value, "\r\n\x00"):
			doc.Report(yamldoc.Child(at, name), "a line break in a header", "write the value in one line")
		}
	}
}
