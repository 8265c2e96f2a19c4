package yamldoc

import (
	"reflect"
	"slices"
	"strings"
)

// Field is one field of a value that [Walk] comes by.
type Field struct {
	// Path is where it is, Shape the same with indexes and map keys left out: components[0].name
	// has the shape components[].name.
	Path, Shape string
	// Value is settable.
	Value reflect.Value
}

// Walk calls visit for every named field that can be reached from a pointer to a struct, parents
// first, in the order of declaration; maps in the order of their keys. It follows pointers that
// are not nil, lists and maps of structs, as they are after visit.
func Walk(v any, visit func(Field)) {
	walk(reflect.ValueOf(v).Elem(), place{}, visit)
}

func walk(v reflect.Value, at place, visit func(Field)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), at, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), at.item(i), visit)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			walk(v.MapIndex(k), at.key(k.String()), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := fieldName(v.Type().Field(i))
			if name == "" {
				continue
			}
			to := at.field(name)
			visit(Field{Path: to.path, Shape: to.shape, Value: v.Field(i)})
			walk(v.Field(i), to, visit)
		}
	}
}
