package yamldoc

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/skyisland/skyisland/internal/release"
)

// The bounds of what a file means, aliases followed.
const (
	maxNodes = 20_000
	maxDepth = 32
)

// Read reads a file into a pointer to a struct, whose fields are named by their json tags. Values of
// type int64 are sizes in bytes and may be written as 16MiB. At the paths of oneOrMany, such as
// "components[].cases", a single text stands for a list of one.
//
// What could be read is in the struct even when something is wrong; [Document.Err] says what.
func Read(file string, data []byte, into any, oneOrMany ...string) *Document {
	d := &Document{
		file: file, keys: map[string]position{}, values: map[string]position{},
		wrong: map[string]bool{}, broken: map[string]bool{},
	}
	text, ok := d.text(data)
	if !ok {
		d.wrong[""] = true
		return d
	}
	roots := d.parse(text)
	r := &decoder{doc: d, oneOrMany: oneOrMany, anchors: map[string]ast.Node{}}
	for _, root := range roots {
		for _, node := range ast.Filter(ast.AnchorType, root) {
			if anchor, ok := node.(*ast.AnchorNode); ok {
				r.anchors[anchor.Name.GetToken().Value] = anchor.Value
			}
		}
	}
	if len(roots) == 0 && len(d.problems) == 0 {
		d.Report("", "the file is empty", "write its fields")
	}
	for _, root := range roots {
		r.value(root, place{}, reflect.ValueOf(into).Elem())
	}
	return d
}

// Set reads a value written as YAML, such as "30s" or "[1%, 5%]".
func Set(into reflect.Value, text string) error {
	holder := reflect.New(reflect.StructOf([]reflect.StructField{
		{Name: "Value", Type: into.Type(), Tag: `json:"value"`},
	}))
	if err := Read("", []byte("value: "+text), holder.Interface()).Err(); err != nil {
		return err
	}
	into.Set(holder.Elem().Field(0))
	return nil
}

// place is where the decoder is: the path, the same with indexes and keys left out ("a[].b.*"), and
// how deep.
type place struct {
	path, shape string
	depth       int
}

func (p place) field(name string) place {
	return place{Child(p.path, name), Child(p.shape, name), p.depth + 1}
}

func (p place) key(name string) place {
	return place{Child(p.path, name), Child(p.shape, "*"), p.depth + 1}
}

func (p place) item(i int) place {
	return place{fmt.Sprintf("%s[%d]", p.path, i), p.shape + "[]", p.depth + 1}
}

// decoder turns nodes into values, and what does not fit into problems.
type decoder struct {
	doc       *Document
	oneOrMany []string
	anchors   map[string]ast.Node
	nodes     int
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// value reads a node into a settable value.
func (r *decoder) value(node ast.Node, at place, into reflect.Value) {
	if r.nodes++; r.nodes > maxNodes || at.depth > maxDepth {
		if r.nodes <= maxNodes+1 {
			r.note(node, at)
			r.doc.Report(at.path, "the file means more than is sensible, aliases followed", "use fewer aliases and nest less")
		}
		return
	}
	switch n := node.(type) {
	case *ast.AnchorNode:
		r.value(n.Value, at, into)
		return
	case *ast.AliasNode:
		r.alias(n, at, into)
		return
	case *ast.TagNode:
		r.note(node, at)
		r.doc.Report(at.path, "the tag "+n.Start.Value+" is not read", "remove it")
		return
	}
	r.note(node, at)
	if node == nil || node.Type() == ast.NullType {
		if into.Kind() == reflect.Interface {
			return // What has no shape of its own may be null.
		}
		r.doc.Report(at.path, "no value", remedyForNothing(into.Type()))
		return
	}
	if reflect.PointerTo(into.Type()).Implements(textUnmarshaler) {
		r.quantity(node, at, into)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		r.value(node, at, into.Elem())
	case reflect.Struct:
		r.object(node, at, into)
	case reflect.Map:
		r.mapping(node, at, into)
	case reflect.Slice:
		r.list(node, at, into)
	case reflect.Interface:
		if v := r.anything(node, at); v != nil {
			into.Set(reflect.ValueOf(v))
		}
	default:
		r.scalar(node, at, into)
	}
}

// note remembers where a value is.
func (r *decoder) note(node ast.Node, at place) {
	if key, ok := r.doc.keys[at.path]; ok && (node == nil || node.Type() == ast.NullType) {
		r.doc.values[at.path] = key
		return
	}
	r.doc.values[at.path] = positionOf(node)
}

func (r *decoder) alias(n *ast.AliasNode, at place, into reflect.Value) {
	name := n.Value.GetToken().Value
	meant, ok := r.anchors[name]
	if !ok {
		r.note(n, at)
		r.doc.Report(at.path, "*"+name+" refers to nothing", "write &"+name+" before the value that is meant")
		return
	}
	// One level deeper, so that an anchor inside its own value comes to an end.
	at.depth++
	r.value(meant, at, into)
}

// entry is one key of a mapping with its value.
type entry struct {
	name string
	node ast.Node
}

// entries are the keys of a mapping that are plain and named once, in order.
func (r *decoder) entries(node ast.Node, at place, into reflect.Type) ([]entry, bool) {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.doc.Report(at.path, "want a mapping, got "+describe(node), remedyForObject(node, into))
		return nil, false
	}
	seen := map[string]int{}
	var out []entry
	for _, pair := range pairs {
		where := positionOf(pair.Key)
		name := pair.Key.GetToken().Value
		path := Child(at.path, name)
		if _, plain := pair.Key.(ast.ScalarNode); !plain || pair.Key.IsMergeKey() {
			r.doc.add(release.Problem{Path: at.path, Message: "a key that is not plain text", Fix: "write the fields themselves"}, where)
			// What the key would have brought is not missing as well.
			r.doc.wrong[at.path] = true
			continue
		}
		if first, ok := seen[name]; ok {
			r.doc.add(release.Problem{
				Path: path, Message: fmt.Sprintf("%s is given again, after line %d", name, first), Fix: "keep one of them",
			}, where)
			continue
		}
		seen[name] = where.line
		r.doc.keys[path] = where
		out = append(out, entry{name, pair.Value})
	}
	return out, true
}

func (r *decoder) object(node ast.Node, at place, into reflect.Value) {
	entries, ok := r.entries(node, at, into.Type())
	if !ok {
		return
	}
	fields := fieldsOf(into.Type())
	known := names(into.Type())
	for _, e := range entries {
		index, ok := fields[e.name]
		if !ok {
			path := Child(at.path, e.name)
			r.doc.values[path] = r.doc.keys[path]
			r.doc.Report(path, "unknown field "+e.name, Suggest(e.name, known))
			if meant := Nearest(e.name, known); meant != "" {
				// What was meant is not missing as well.
				r.doc.wrong[Child(at.path, meant)] = true
			}
			continue
		}
		r.value(e.node, at.field(e.name), into.Field(index))
	}
}

func (r *decoder) mapping(node ast.Node, at place, into reflect.Value) {
	entries, ok := r.entries(node, at, into.Type())
	if !ok {
		return
	}
	if into.IsNil() {
		into.Set(reflect.MakeMapWithSize(into.Type(), len(entries)))
	}
	for _, e := range entries {
		item := reflect.New(into.Type().Elem()).Elem()
		r.value(e.node, at.key(e.name), item)
		if item.Kind() == reflect.Pointer && item.IsNil() {
			item.Set(reflect.New(item.Type().Elem()))
		}
		into.SetMapIndex(reflect.ValueOf(e.name), item)
	}
}

func (r *decoder) list(node ast.Node, at place, into reflect.Value) {
	n, ok := node.(*ast.SequenceNode)
	if !ok {
		if slices.Contains(r.oneOrMany, at.shape) && isScalar(node) {
			item := reflect.New(into.Type().Elem()).Elem()
			r.value(node, at.item(0), item)
			into.Set(reflect.Append(into, item))
			return
		}
		r.doc.Report(at.path, "want a list, got "+describe(node), remedyForList(node))
		return
	}
	// Items that are over the bound are not made either, but for the first, which is where it is said:
	// whoever checks the list would go through all of them.
	values := n.Values[:min(len(n.Values), max(maxNodes-r.nodes, 0)+1)]
	items := reflect.MakeSlice(into.Type(), len(values), len(values))
	for i, v := range values {
		r.value(v, at.item(i), items.Index(i))
	}
	into.Set(items)
}

// anything reads what has no shape of its own: nil, bool, int64, uint64, float64, string, []any or
// map[string]any.
func (r *decoder) anything(node ast.Node, at place) any {
	switch n := node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		into := map[string]any{}
		r.mapping(node, at, reflect.ValueOf(into))
		return into
	case *ast.SequenceNode:
		into := reflect.New(reflect.TypeFor[[]any]()).Elem()
		r.list(n, at, into)
		return into.Interface()
	case *ast.BoolNode:
		return n.Value
	case *ast.IntegerNode:
		if whole, ok := n.Value.(uint64); ok && whole <= 1<<62 {
			return int64(whole)
		}
		return n.Value
	case *ast.FloatNode:
		return n.Value
	default:
		text, _ := textOf(node)
		return text
	}
}

// fieldsOf are the indexes of a struct's fields by their names in the file.
func fieldsOf(t reflect.Type) map[string]int {
	out := map[string]int{}
	for i := range t.NumField() {
		if name := fieldName(t.Field(i)); name != "" {
			out[name] = i
		}
	}
	return out
}

// fieldName is a field's name in the file, or "" when it has none.
func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

func names(t reflect.Type) []string { return slices.Sorted(maps.Keys(fieldsOf(t))) }

func positionOf(node ast.Node) position {
	if node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return position{1, 1}
	}
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return positionOf(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return positionOf(n.Key)
	}
	p := node.GetToken().Position
	return position{p.Line, p.Column}
}
