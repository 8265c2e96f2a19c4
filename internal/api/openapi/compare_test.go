package openapi_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/api/openapi"
)

// contract is the document as it was released last. See CONTRIBUTING.md on how it is advanced.
const contract = "testdata/contract-v1.json"

// Whoever was built on what was released has to go on working: if this fails, what was changed breaks somebody.
func TestNothingThatWasReleasedBreaks(t *testing.T) {
	released, err := os.ReadFile(contract)
	if err != nil {
		t.Fatal(err)
	}
	broken, err := openapi.Breaks(released, current(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range broken {
		t.Errorf("this breaks who relies on the released API: %s", one)
	}
}

// before is a small document with one of everything that is compared.
const before = `{
	"paths": {
		"/a/{id}": {
			"get": {
				"operationId": "getA", "x-skyisland-scope": "read", "x-skyisland-tenants": "path",
				"parameters": [
					{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
					{"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}},
					{"name": "kind", "in": "query", "schema": {"type": "string", "enum": ["x", "y"]}}
				],
				"responses": {
					"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}},
					"404": {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
				}
			},
			"post": {
				"operationId": "postA", "x-skyisland-scope": "release", "x-skyisland-tenants": "path",
				"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
				"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}},
				"responses": {"202": {"content": {"text/plain": {"schema": {"type": "string"}}}}}
			}
		}
	},
	"components": {"schemas": {
		"A": {
			"type": "object", "required": ["name", "list"],
			"properties": {
				"name": {"type": "string"}, "note": {"type": "string", "pattern": "^n"}, "phase": {"type": "string", "enum": ["one", "two"]},
				"list": {"type": "array", "items": {"$ref": "#/components/schemas/Inner"}}, "self": {"$ref": "#/components/schemas/A"},
				"map": {"type": "object", "additionalProperties": {"type": "integer"}}
			}
		},
		"Inner": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}}},
		"Body": {
			"type": "object", "additionalProperties": false, "required": ["must"],
			"properties": {"must": {"type": "string"}, "may": {"type": "string", "maxLength": 10}, "any": {}}
		},
		"Problem": {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}}
	}}
}`

func TestBreaks(t *testing.T) {
	for name, test := range map[string]struct{ old, new, want string }{
		"nothing":                        {"", "", ""},
		"an operation that is gone":      {`"post": {`, `"put": {`, "POST /a/{id}: the operation is gone"},
		"a path that is called another":  {`"/a/{id}"`, `"/b/{id}"`, "GET /a/{id}: the operation is gone"},
		"another operation ID":           {`"getA"`, `"showA"`, `GET /a/{id}: the operation ID was "getA" and is "showA"`},
		"another scope":                  {`"x-skyisland-scope": "read"`, `"x-skyisland-scope": "configure"`, `the scope was "read" and is "configure"`},
		"a scope that was not needed":    {`"x-skyisland-scope": "read", `, ``, `the scope was "read" and is ""`},
		"another rule for tenants":       {`"x-skyisland-tenants": "path"`, `"x-skyisland-tenants": "all"`, `the rule for tenants was "path"`},
		"a parameter that is gone":       {`{"name": "kind"`, `{"name": "sort"`, "the parameter kind is gone"},
		"a parameter that is required":   {`"name": "kind", "in": "query",`, `"name": "kind", "in": "query", "required": true,`, "the parameter kind is required now"},
		"a new one that is required":     {`{"name": "kind"`, `{"name": "since", "in": "query", "required": true, "schema": {}}, {"name": "kind"`, "the parameter since is required now"},
		"a new one that is not":          {`{"name": "kind"`, `{"name": "since", "in": "query", "schema": {"type": "string"}}, {"name": "kind"`, ""},
		"a value that is not taken":      {`["x", "y"]`, `["x"]`, "parameter kind: the value y is gone"},
		"one more value that is":         {`["x", "y"]`, `["x", "y", "z"]`, ""},
		"values where there was text":    {`{"name": "id", "in": "path", "required": true, "schema": {"type": "string"`, `{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "enum": ["x"]`, "only some values are taken now: [x]"},
		"a smaller most":                 {`"maximum": 500`, `"maximum": 100`, "parameter limit: the most is 100 now"},
		"a larger most":                  {`"maximum": 500`, `"maximum": 1000`, ""},
		"a larger least":                 {`"minimum": 1`, `"minimum": 2`, "parameter limit: the least is 2 now"},
		"another default":                {`"default": 50`, `"default": 20`, "the default was 50 and is 20"},
		"another type of a parameter":    {`"schema": {"type": "integer"`, `"schema": {"type": "string"`, "the type was integer and is string"},
		"a number where it was whole":    {`"schema": {"type": "integer"`, `"schema": {"type": "number"`, ""},
		"a body that is required":        {`"requestBody": {`, `"requestBody": {"required": true, `, "a body is required now"},
		"no body":                        {`"requestBody"`, `"x-body"`, "it no longer takes a body"},
		"another kind of body":           {`"requestBody": {"content": {"application/json"`, `"requestBody": {"content": {"application/xml"`, "it no longer takes application/json"},
		"a field required of a body":     {`"required": ["must"]`, `"required": ["must", "may"]`, "POST /a/{id} body: the field may is required now"},
		"a field no longer required":     {`"required": ["must"]`, `"required": []`, ""},
		"a field of a body that is gone": {`"may": {`, `"other": {`, "body: the field may is gone"},
		"one more field of a body":       {`"may": {`, `"other": {"type": "string"}, "may": {`, ""},
		"a shorter field":                {`"maxLength": 10`, `"maxLength": 5`, "body.may: the longest length is 5 now"},
		"a type where there was none":    {`"any": {}`, `"any": {"type": "string"}`, "body.any: the type was anything and is string"},
		"a pattern for what is asked":    {`"must": {"type": "string"`, `"must": {"type": "string", "pattern": "^x"`, `body.must: the pattern was "" and is "^x"`},
		"fields that were ignored":       {`"additionalProperties": false, "required": ["must"]`, `"required": ["must"]`, ""},
		"another status":                 {`"202": {`, `"200": {`, "it no longer answers 202"},
		"one more status":                {`"404": {`, `"409": {}, "404": {`, ""},
		"another way to send":            {`"text/plain"`, `"text/html"`, "202 is no longer sent as text/plain"},
		"a field that is gone":           {`"note": {`, `"notes": {`, "GET /a/{id} 200: the field note is gone"},
		"one more field":                 {`"note": {`, `"notes": {"type": "string"}, "note": {`, ""},
		"a field that may be missing":    {`"required": ["name", "list"]`, `"required": ["name"]`, "200: the field list may be missing now"},
		"a field that is always there":   {`"required": ["name", "list"]`, `"required": ["name", "list", "note"]`, ""},
		"another type":                   {`"n": {"type": "integer"}`, `"n": {"type": "string"}`, "200.list[].n: the type was integer and is string"},
		"a field that may be null":       {`"n": {"type": "integer"}`, `"n": {"type": ["integer", "null"]}`, "200.list[].n: the type was integer and is integer or null"},
		"an object that may be null":     {`"self": {"$ref": "#/components/schemas/A"}`, `"self": {"anyOf": [{"$ref": "#/components/schemas/A"}, {"type": "null"}]}`, "200.self: the type was object and is object or null"},
		"a value of an answer less":      {`["one", "two"]`, `["one"]`, "200.phase: the value two is gone"},
		"a value of an answer more":      {`["one", "two"]`, `["one", "two", "three"]`, ""},
		"another format":                 {`"format": "date-time"`, `"format": "date"`, `200.list[].at: the format was "date-time" and is "date"`},
		"another pattern":                {`"pattern": "^n"`, `"pattern": "^m"`, "200.note: the pattern"},
		"a list of something else":       {`"items": {"$ref": "#/components/schemas/Inner"}`, `"items": {"type": "string"}`, "200.list[]: the type was object and is string"},
		"a list of anything":             {`, "items": {"$ref": "#/components/schemas/Inner"}`, ``, "what the list holds is no longer told"},
		"another type in a map":          {`"additionalProperties": {"type": "integer"}`, `"additionalProperties": {"type": "string"}`, "200.map.*: the type was integer and is string"},
		"a field of a problem":           {`"required": ["type"]`, `"required": []`, "GET /a/{id} 404: the field type may be missing now"},
		"what a schema is called":        {`schemas/Inner"`, `schemas/Problem"`, "200.list[]: the field at is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			after := strings.ReplaceAll(before, test.old, test.new)
			if test.old != "" && after == before {
				t.Fatalf("there is no %s", test.old)
			}
			if !json.Valid([]byte(after)) {
				t.Fatalf("not JSON: %s", after)
			}
			broken, err := openapi.Breaks([]byte(before), []byte(after))
			got := strings.Join(broken, "\n")
			if err != nil || (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestDocumentsThatAreNone(t *testing.T) {
	for _, pair := range [][2]string{{"{", "{}"}, {"{}", "{"}, {`{"paths": 1}`, "{}"}} {
		if _, err := openapi.Breaks([]byte(pair[0]), []byte(pair[1])); err == nil {
			t.Errorf("%v were compared", pair)
		}
	}
}

// The real document is changed too, so that what it is made of is what is compared.
func TestAChangeOfTheRealDocumentIsFound(t *testing.T) {
	now := current(t)
	for name, test := range map[string]struct{ old, new, want string }{
		"a field of a release's status": {`"plan_hash": {`, `"plan": {`, "plan_hash"},
		"the next page":                 {`"next": {`, `"more": {`, "the field next is gone"},
		"what an approval needs":        {"            \"plan_hash\"\n", "            \"comment\"\n", "the field comment is required now"},
		"a limit":                       {`"maximum": 500`, `"maximum": 50`, "parameter limit: the most is 50 now"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := bytes.ReplaceAll(now, []byte(test.old), []byte(test.new))
			if bytes.Equal(changed, now) {
				// How deep it stands may change; what it is does not.
				changed = bytes.ReplaceAll(now, []byte(strings.TrimSpace(test.old)+"\n"), []byte(strings.TrimSpace(test.new)+"\n"))
			}
			broken, err := openapi.Breaks(now, changed)
			if err != nil || !strings.Contains(strings.Join(broken, "\n"), test.want) {
				t.Errorf("got %v, %v; want %s", broken, err, test.want)
			}
		})
	}
	if broken, err := openapi.Breaks(now, now); err != nil || len(broken) > 0 {
		t.Errorf("it breaks itself: %v, %v", broken, err)
	}
}
