package openapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/openapi"
)

const root = "../../.."

// `make generate` writes the document; tests compare.
var update = flag.Bool("update", false, "write the document anew")

func current(t *testing.T) []byte {
	t.Helper()
	document, err := openapi.Document(api.Operations(), root)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestTheDocumentIsThatOfTheCode(t *testing.T) {
	want := current(t)
	// One is served, the other is for those who read the repository.
	for _, file := range []string{"internal/api/openapi.json", "docs/openapi.json"} {
		path := filepath.Join(root, file)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is out of date (%v): run make generate", file, err)
		}
	}
}

// compiled is a schema of this package's testdata or of a document.
func compiled(t *testing.T, name string, data []byte, at string) *jsonschema.Schema {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(name, value); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(name + at)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// The schema in testdata is the one that the OpenAPI Initiative publishes, of 2022-10-07.
func TestTheDocumentIsOpenAPI(t *testing.T) {
	official, err := os.ReadFile("testdata/oas-3.1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	schema := compiled(t, "https://spec.openapis.org/oas/3.1/schema/2022-10-07", official, "")
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(current(t)))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("the document is not OpenAPI 3.1: %v", err)
	}
	// The schema is looked at too: one that takes everything would prove nothing.
	value.(map[string]any)["paths"].(map[string]any)["/healthz"].(map[string]any)["get"].(map[string]any)["responses"] = 1
	if err := schema.Validate(value); err == nil {
		t.Error("a document with nonsense in it is taken for OpenAPI 3.1")
	}
}

// OpenAPI leaves what is in a schema to JSON Schema: each has to be one, and to lead nowhere that is not there.
func TestEverySchemaOfTheDocumentCompiles(t *testing.T) {
	document := current(t)
	var parsed struct {
		Components struct {
			Schemas map[string]struct {
				Type string `json:"type"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(document, &parsed); err != nil {
		t.Fatal(err)
	}
	if len(parsed.Components.Schemas) < 30 {
		t.Fatalf("only %d schemas", len(parsed.Components.Schemas))
	}
	for name := range parsed.Components.Schemas {
		compiled(t, "https://example.com/openapi.json", document, "#/components/schemas/"+name)
	}
}

func TestTypesAreExplained(t *testing.T) {
	document := string(current(t))
	for _, want := range []string{
		"InForce what the gateway gives the canary now",                              // of package api
		"PlanHash is empty until the artifacts are built",                            // of package release
		"Queue waits, oldest first",                                                  // of package workflows
		`"x-skyisland-scope": "configure"`, `"$ref": "#/components/schemas/Problem"`, // of the operations
	} {
		if !strings.Contains(document, want) {
			t.Errorf("the document lacks %q", want)
		}
	}
	if strings.Contains(document, "$defs") {
		t.Error("a schema refers to definitions of its own")
	}
}
