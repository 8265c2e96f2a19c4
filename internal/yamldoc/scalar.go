package yamldoc

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// quantity reads a scalar by the type's own words for it, such as 30s or 5%.
func (r *decoder) quantity(node ast.Node, at place, into reflect.Value) {
	text, ok := textOf(node)
	if !ok {
		r.doc.Report(at.path, "want a single value, got "+describe(node), "write one value")
		return
	}
	unmarshaler, ok := into.Addr().Interface().(encoding.TextUnmarshaler)
	if !ok {
		return
	}
	if err := unmarshaler.UnmarshalText([]byte(text)); err != nil {
		r.misfit(at, err)
	}
}

// misfit reports an error of the form "what is wrong: what would be right".
func (r *decoder) misfit(at place, err error) {
	message, fix, found := strings.Cut(err.Error(), ": ")
	if !found {
		fix = "write a value within it"
	}
	r.doc.Report(at.path, message, fix)
}

func (r *decoder) scalar(node ast.Node, at place, into reflect.Value) {
	text, ok := textOf(node)
	if !ok {
		r.doc.Report(at.path, "want "+kindName(into.Type())+", got "+describe(node), "write one value")
		return
	}
	var err error
	switch into.Kind() {
	case reflect.String:
		into.SetString(text)
	case reflect.Bool:
		var b bool
		if b, err = strconv.ParseBool(text); err != nil {
			err = fmt.Errorf("%q is not a truth value: write true or false", text)
		}
		into.SetBool(b)
	case reflect.Int64:
		var n int64
		n, err = ParseSize(text)
		into.SetInt(n)
	case reflect.Int:
		var n int64
		if n, err = strconv.ParseInt(text, 10, 32); err != nil {
			err = fmt.Errorf("%q is not a whole number: write digits only, such as 2", text)
		}
		into.SetInt(n)
	case reflect.Float64:
		var f float64
		if f, err = strconv.ParseFloat(text, 64); err != nil || f-f != 0 {
			err = fmt.Errorf("%q is not a number: write digits, such as 99 or 99.9", text)
		}
		into.SetFloat(f)
	}
	if err != nil {
		r.misfit(at, err)
	}
}

// ParseSize reads a number of bytes: digits alone, or with KiB, MiB or GiB.
func ParseSize(s string) (int64, error) {
	number, shift := strings.TrimSpace(s), 0
	for _, unit := range []struct {
		name  string
		shift int
	}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"B", 0}} {
		if before, found := strings.CutSuffix(number, unit.name); found {
			number, shift = strings.TrimSpace(before), unit.shift
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size: write bytes, or a number with its unit, such as 512KiB or 16MiB", s)
	}
	return int64(n) << shift, nil
}

// textOf is a scalar as it was written, without its quotes. Numbers keep their digits, so that
// "1.10" in a list of arguments is not turned into 1.1.
func textOf(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	}
	return "", false
}

func isScalar(node ast.Node) bool {
	_, ok := textOf(node)
	return ok
}

// describe names what a person wrote.
func describe(node ast.Node) string {
	switch n := node.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value
	}
	if text, ok := textOf(node); ok {
		return fmt.Sprintf("the text %q", clip(text))
	}
	return "something else"
}

func clip(s string) string {
	const longest = 60
	if runes := []rune(s); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return s
}

// kindName names what a type wants.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Int64:
		return "a size"
	case reflect.Float64:
		return "a number"
	default:
		return "text"
	}
}

// remedyForList shows the list that a text probably stood for.
func remedyForList(node ast.Node) string {
	if list, ok := asList(node); ok {
		return "write a list: " + list
	}
	return "write a list, as in [first, second]"
}

// remedyForObject shows the fields that a text probably stood for: a struct whose first field is a
// list of texts is a command, and the text its words.
func remedyForObject(node ast.Node, t reflect.Type) string {
	if t.Kind() == reflect.Struct && t.NumField() > 0 && t.Field(0).Type == reflect.TypeFor[[]string]() {
		if list, ok := asList(node); ok {
			return fmt.Sprintf("write {%s: %s}", fieldName(t.Field(0)), list)
		}
	}
	if t.Kind() == reflect.Struct {
		return "write fields of it, which are " + strings.Join(names(t), ", ")
	}
	return "write keys and values, as in {name: value}"
}

func asList(node ast.Node) (string, bool) {
	text, ok := textOf(node)
	words := strings.Fields(clip(text))
	if !ok || len(words) == 0 {
		return "", false
	}
	for i, w := range words {
		if strings.ContainsAny(w, `,[]{}:#&*!|>'"%@`+"`") {
			words[i] = strconv.Quote(w)
		}
	}
	return "[" + strings.Join(words, ", ") + "]", true
}

func remedyForNothing(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return remedyForNothing(t.Elem())
	case t.Kind() == reflect.Struct || t.Kind() == reflect.Map:
		return "write its fields below it, {} for its defaults, or remove it"
	default:
		return "write a value, or remove it"
	}
}
