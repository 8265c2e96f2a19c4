package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/skyisland/skyisland/internal/manifest"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/yamldoc"
)

// quantity is how a type with a unit is written, for people and as a pattern.
type quantity struct{ name, pattern string }

const (
	number   = `\d+(\.\d+)?`
	namesAre = `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`
)

var quantities = map[reflect.Type]quantity{
	reflect.TypeFor[release.Duration](): {"duration", `^(\d+d)?((` + number + `)(ns|us|µs|ms|s|m|h))*$`},
	reflect.TypeFor[release.Rate]():     {"rate", `^` + number + ` ?/ ?[smh]$`},
	reflect.TypeFor[release.Share]():    {"share", `^` + number + ` ?%$`},
	reflect.TypeFor[release.Weight]():   {"weight", `^\d+(\.\d{1,2})? ?%$`},
}

// jsonSchema describes the manifest for editors: draft 2020-12, the types by the structs that are
// read into, everything else by the reference.
func jsonSchema() ([]byte, error) {
	reflector := jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, ExpandedStruct: true, RequiredFromJSONSchemaTags: true,
		Mapper: mapped,
	}
	root := reflector.Reflect(&manifest.Manifest{})
	root.Title = "skyisland.yaml"
	root.Description = "What an application is made of and how it is released. See docs/manifest.md."
	for _, field := range manifest.Reference() {
		if err := describe(root, field); err != nil {
			return nil, fmt.Errorf("describe %s: %w", field.Path, err)
		}
	}
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return append(out, '\n'), nil
}

// mapped are the types that are written in another way than Go would have it.
func mapped(t reflect.Type) *jsonschema.Schema {
	if q, ok := quantities[t]; ok {
		return &jsonschema.Schema{Type: "string", Pattern: q.pattern}
	}
	switch t.Kind() {
	case reflect.Int64:
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "integer"}, {Type: "string", Pattern: `^\d+ ?([KMG]iB|B)?$`},
		}}
	case reflect.Map:
		if t.Elem().Kind() == reflect.String {
			// Values are text, but YAML would make a number of 8080, and that is read as well.
			return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
				{Type: "string"}, {Type: "number"}, {Type: "boolean"},
			}}}
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
				{Type: "string"}, {Type: "number"}, {Type: "boolean"},
			}}}
		}
	}
	return nil
}

// describe adds to the schema what the reference says of one field.
func describe(root *jsonschema.Schema, field manifest.Field) error {
	owner, name := root, field.Path
	for {
		head, rest, more := strings.Cut(name, ".")
		if !more {
			break
		}
		var err error
		if owner, err = step(owner, head); err != nil {
			return err
		}
		name = rest
	}
	at, ok := owner.Properties.Get(name)
	if !ok {
		return fmt.Errorf("the manifest has no such field")
	}
	at.Description = field.Meaning
	if field.Required {
		owner.Required = append(owner.Required, name)
	}
	for _, v := range field.Values {
		at.Enum = append(at.Enum, v)
	}
	if at.Type == "integer" || at.Type == "number" {
		at.Minimum, at.Maximum = json.Number(field.Min), json.Number(field.Max)
	}
	if err := values(at, field); err != nil {
		return err
	}
	switch field.Path {
	case "components[].cases":
		list := &jsonschema.Schema{Type: at.Type, Items: at.Items}
		at.Type, at.Items, at.OneOf = "", nil, []*jsonschema.Schema{{Type: "string"}, list}
	case "tenant", "application", "components[].name":
		at.Pattern = namesAre
	case "environments":
		at.PropertyNames = &jsonschema.Schema{Pattern: namesAre}
	}
	return nil
}

// values adds the default and the example as the values they are written as.
func values(at *jsonschema.Schema, field manifest.Field) error {
	if field.Default != "" {
		v, err := value(field.Default)
		if err != nil {
			return err
		}
		at.Default = v
	}
	if field.Example != "" {
		v, err := value(field.Example)
		if err != nil {
			return err
		}
		at.Examples = []any{v}
	}
	return nil
}

func value(text string) (any, error) {
	var v any
	err := yamldoc.Set(reflect.ValueOf(&v).Elem(), text)
	return v, err
}

// step goes down one part of a path: a field, a field's items, or all keys of a mapping.
func step(from *jsonschema.Schema, part string) (*jsonschema.Schema, error) {
	if part == "*" {
		return from.AdditionalProperties, nil
	}
	name, items := strings.CutSuffix(part, "[]")
	to, ok := from.Properties.Get(name)
	if !ok {
		return nil, fmt.Errorf("the manifest has no field %s", name)
	}
	if items {
		to = to.Items
	}
	return to, nil
}
