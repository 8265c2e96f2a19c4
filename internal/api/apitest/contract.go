package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/skyisland/skyisland/internal/api"
)

// Checked lets a test fail when the API behind it does anything that its own OpenAPI document does not say: a status, a
// field or a media type that is not there, a value that does not fit, or a request that was carried out although the
// document forbids it.
func Checked(t testing.TB, next http.Handler) http.Handler {
	t.Helper()
	c, err := newContract(api.Document())
	if err != nil {
		t.Fatalf("read the OpenAPI document: %v", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
		if err != nil {
			t.Errorf("%s %s: read the request: %v", r.Method, r.URL.Path, err)
		}
		r.Body = io.NopCloser(bytes.NewReader(asked))
		copied := &copied{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(copied, r)
		if err := c.check(r, asked, copied); err != nil {
			t.Errorf("%s %s is not as docs/openapi.json says: %v", r.Method, r.URL, err)
		}
	})
}

// copied keeps what is answered, but for streams.
type copied struct {
	http.ResponseWriter

	status int
	body   bytes.Buffer
}

func (c *copied) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *copied) Write(p []byte) (int, error) {
	if strings.Contains(c.Header().Get("Content-Type"), "json") {
		c.body.Write(p)
	}
	return c.ResponseWriter.Write(p)
}

// Unwrap lets a [http.ResponseController] through.
func (c *copied) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// contract is an OpenAPI document that can be held against requests and answers.
type contract struct {
	paths map[string]map[string]described
	// templates finds the path of a request, those without parameters first.
	templates []template

	mu       sync.Mutex
	compiler *jsonschema.Compiler
}

type template struct {
	path    string
	pattern *regexp.Regexp
}

type described struct {
	Parameters []struct {
		Name   string          `json:"name"`
		In     string          `json:"in"`
		Schema json.RawMessage `json:"schema"`
	} `json:"parameters"`
	RequestBody *struct {
		Required bool `json:"required"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Content map[string]json.RawMessage `json:"content"`
	} `json:"responses"`
}

// resource is the name under which the compiler knows the document.
const resource = "https://skyisland.example/openapi.json"

func newContract(document []byte) (*contract, error) {
	var parsed struct {
		Paths map[string]map[string]described `json:"paths"`
	}
	if err := json.Unmarshal(document, &parsed); err != nil {
		return nil, err
	}
	c := &contract{paths: parsed.Paths, compiler: jsonschema.NewCompiler()}
	for path := range parsed.Paths {
		pattern := regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`)
		c.templates = append(c.templates, template{path, regexp.MustCompile("^" + pattern + "$")})
	}
	slices.SortFunc(c.templates, func(a, b template) int {
		return strings.Count(a.path, "{") - strings.Count(b.path, "{")
	})
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	// Clients are told to expect more than they know. Here nothing is answered that is not described.
	open, _ := value.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any)
	for _, schema := range open {
		if object, is := schema.(map[string]any); is && object["properties"] != nil && object["additionalProperties"] == nil {
			object["additionalProperties"] = false
		}
	}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	return c, c.compiler.AddResource(resource, value)
}

// check compares one request and its answer with the document.
func (c *contract) check(r *http.Request, asked []byte, answer *copied) error {
	media, _, err := mime.ParseMediaType(answer.Header().Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("status %d has no media type: %w", answer.status, err)
	}
	path, operation, found := c.find(r)
	if !found {
		if answer.status/100 != 4 || media != api.ProblemType {
			return fmt.Errorf("what is not there is answered %d as %s", answer.status, media)
		}
		return c.valid("/components/schemas/Problem", answer.body.Bytes())
	}
	at := "/paths/" + escape(path) + "/" + strings.ToLower(r.Method)
	response, documented := operation.Responses[fmt.Sprint(answer.status)]
	if !documented {
		return fmt.Errorf("status %d is not documented: %s", answer.status, answer.body.String())
	}
	if _, documented := response.Content[media]; !documented {
		return fmt.Errorf("status %d is sent as %s", answer.status, media)
	}
	if strings.Contains(media, "json") && path != "/api/v1/openapi.json" {
		if err := c.valid(fmt.Sprintf("%s/responses/%d/content/%s/schema", at, answer.status, escape(media)), answer.body.Bytes()); err != nil {
			return fmt.Errorf("status %d: %w: %s", answer.status, err, answer.body.String())
		}
	}
	if answer.status/100 != 2 {
		return nil
	}
	return c.carriedOut(r, at, operation, asked)
}

// carriedOut says what the document forbids about a request that was carried out.
func (c *contract) carriedOut(r *http.Request, at string, o described, asked []byte) error {
	known := map[string]bool{}
	for _, parameter := range o.Parameters {
		known[parameter.In+" "+parameter.Name] = true
	}
	for name := range r.URL.Query() {
		if !known["query "+name] {
			return fmt.Errorf("it took the parameter %s, which is not documented", name)
		}
	}
	if r.Header.Get("Idempotency-Key") != "" && !known["header Idempotency-Key"] {
		return fmt.Errorf("it took an Idempotency-Key, which is not documented")
	}
	switch {
	case o.RequestBody == nil && len(asked) > 0:
		return fmt.Errorf("it took a body, which is not documented: %s", asked)
	case o.RequestBody != nil && o.RequestBody.Required && len(asked) == 0:
		return fmt.Errorf("it was carried out without a body")
	case o.RequestBody != nil && len(asked) > 0:
		if err := c.valid(at+"/requestBody/content/"+escape("application/json")+"/schema", asked); err != nil {
			return fmt.Errorf("the request: %w: %s", err, asked)
		}
	}
	return nil
}

func (c *contract) find(r *http.Request) (string, described, bool) {
	for _, one := range c.templates {
		if one.pattern.MatchString(r.URL.Path) {
			if operation, there := c.paths[one.path][strings.ToLower(r.Method)]; there {
				return one.path, operation, true
			}
		}
	}
	return "", described{}, false
}

// valid holds a JSON text against a schema of the document.
func (c *contract) valid(at string, text []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	c.mu.Lock()
	schema, err := c.compiler.Compile(resource + "#" + at)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// escape writes a name as a part of a JSON pointer in a URL.
func escape(name string) string {
	return url.PathEscape(strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1"))
}
