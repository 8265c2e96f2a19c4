package openapi

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	module  = "github.com/skyisland/skyisland/"
	schemas = "#/components/schemas/"

	namePattern     = `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`
	number          = `\d+(\.\d+)?`
	durationPattern = `^-?(\d+d)?((` + number + `)(ns|us|µs|ms|s|m|h))*$`
)

// types are the schemas of Go types, by the name they have in the document.
type types struct {
	all object
	// answers and questions reflect. What is sent may grow, and what is received is refused with a field too many.
	answers, questions *jsonschema.Reflector
	// named are the types that have a name, so that two never share one.
	named map[string]reflect.Type
}

// newTypes reads the comments of the packages whose types are sent, below the repository's root.
func newTypes(root string) (*types, error) {
	t := &types{all: object{}, named: map[string]reflect.Type{}}
	t.answers = &jsonschema.Reflector{Anonymous: true, AllowAdditionalProperties: true, Mapper: mapped, Namer: t.name}
	t.questions = &jsonschema.Reflector{Anonymous: true, Mapper: mapped, Namer: t.name}
	for _, folder := range []string{"internal/api", "internal/release", "workflows"} {
		// The comments are found by the import path, which the library makes from the folder as it is given.
		comments := map[string]string{}
		reader := &jsonschema.Reflector{CommentMap: comments}
		if err := reader.AddGoComments("", filepath.Join(root, folder), jsonschema.WithFullComment()); err != nil {
			return nil, fmt.Errorf("read the comments of %s: %w", folder, err)
		}
		for _, r := range []*jsonschema.Reflector{t.answers, t.questions} {
			if r.CommentMap == nil {
				r.CommentMap = map[string]string{}
			}
			for name, comment := range comments {
				r.CommentMap[module+folder+strings.TrimPrefix(name, path.Clean(filepath.ToSlash(filepath.Join(root, folder))))] = plain(comment)
			}
		}
	}
	return t, nil
}

// links are how comments refer to other names of the code.
var links = regexp.MustCompile(`\[\*?([A-Za-z.]+)\](\.[A-Za-z]+)?`)

// plain is a comment for readers who do not see the code.
func plain(comment string) string {
	return strings.Join(strings.Fields(links.ReplaceAllString(comment, "$1$2")), " ")
}

// name is what a type is called in the document: as in Go, and with its package where two types would share a name.
func (t *types) name(of reflect.Type) string {
	name := of.Name()
	if name == "" {
		return "" // a list or a map, which is described where it stands
	}
	if pkg := path.Base(of.PkgPath()); pkg != "api" && reflect.TypeFor[api.Problem]().PkgPath() != of.PkgPath() {
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
		// Releases are what it is all about, and lanes and releases are what workflows are of.
		if short := strings.TrimPrefix(strings.TrimPrefix(name, "Workflows"), "Release"); short != "" && !slices.Contains(taken(), short) {
			name = short
		}
	}
	t.named[name] = of
	return name
}

// taken are names that types of package api have.
func taken() []string { return []string{"Decision", "Problem", "Route"} }

// mapped are types that are written in another way than Go would have it.
func mapped(t reflect.Type) *jsonschema.Schema {
	text := func(pattern, description string, examples ...any) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: pattern, Description: description, Examples: examples}
	}
	switch t {
	case reflect.TypeFor[release.Duration]():
		return text(durationPattern, "A length of time.", "90s", "2h30m")
	case reflect.TypeFor[release.Weight]():
		return text(`^-?`+number+`%$`, "A part of the requests, as a percentage.", "5%", "0.25%")
	case reflect.TypeFor[release.Share]():
		return text(`^-?\d+(\.\d+)?(e-?\d+)?%$`, "A part of a whole, as a percentage.", "0.1%")
	case reflect.TypeFor[release.Rate]():
		return text(`^`+number+` ?/ ?[smh]$`, "How many in a time.", "300/s")
	case reflect.TypeFor[release.Phase]():
		schema := &jsonschema.Schema{Type: "string"}
		for _, phase := range api.Phases() {
			schema.Enum = append(schema.Enum, phase)
		}
		return schema
	case reflect.TypeFor[release.Scope]():
		schema := &jsonschema.Schema{Type: "string"}
		for _, scope := range release.Scopes() {
			schema.Enum = append(schema.Enum, string(scope))
		}
		return schema
	}
	return nil
}

func (t *types) response(value any) (object, error) { return t.add(t.answers, value) }

func (t *types) request(value any) (object, error) { return t.add(t.questions, value) }

// add is the schema of a value's type, and keeps those of all types that it is made of.
func (t *types) add(r *jsonschema.Reflector, value any) (object, error) {
	encoded, err := json.Marshal(r.Reflect(value))
	if err != nil {
		return nil, fmt.Errorf("write the schema of %T: %w", value, err)
	}
	// One address for all, instead of each schema's own.
	encoded = []byte(strings.ReplaceAll(string(encoded), `"#/$defs/`, `"`+schemas))
	var schema object
	if err := json.Unmarshal(encoded, &schema); err != nil {
		return nil, fmt.Errorf("read the schema of %T: %w", value, err)
	}
	made, _ := schema["$defs"].(object)
	for name, one := range made {
		t.nullable(one.(object), t.named[name])
		if there, known := t.all[name]; known && !reflect.DeepEqual(there, one) {
			return nil, fmt.Errorf("%s is not the same in what is asked and what is answered, or two types have that name: give one of them another type", name)
		}
		t.all[name] = one
	}
	delete(schema, "$defs")
	delete(schema, "$schema")
	return schema, nil
}

// nullable lets lists and the like be null that Go writes as null when they are empty. The API's own never are.
func (t *types) nullable(schema object, of reflect.Type) {
	properties, _ := schema["properties"].(object)
	if of == nil || of.Kind() != reflect.Struct || of.PkgPath() == reflect.TypeFor[api.Problem]().PkgPath() {
		return
	}
	for _, field := range reflect.VisibleFields(of) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		property, there := properties[name].(object)
		if !there || strings.Contains(options, "omit") {
			continue
		}
		switch field.Type.Kind() {
		case reflect.Slice, reflect.Map:
			if kind, simple := property["type"].(string); simple {
				property["type"] = []any{kind, "null"}
			}
		case reflect.Pointer:
			properties[name] = object{"anyOf": []any{property, object{"type": "null"}}}
		}
	}
}

// demands says whether an operation needs a body at all: whether a field of it is required.
func (t *types) demands(o api.Operation) (bool, error) {
	if len(o.Needs) > 0 {
		return true, nil
	}
	schema, found := t.all[t.name(reflect.TypeOf(o.Body))].(object)
	if !found {
		return false, fmt.Errorf("the body has no schema of its own: make it a struct with a name")
	}
	required, _ := schema["required"].([]any)
	return len(required) > 0, nil
}
