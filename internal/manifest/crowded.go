package manifest

import (
	"fmt"
	"maps"
	"slices"
)

// Crowded says which environments cannot be released beside each other, a sentence for each two: a route belongs to one
// environment in a unit, and the components have the same routes in all. It is no error, because one of them may never be
// released; and an environment without units is in all that the installation has.
func (m *Manifest) Crowded() []string {
	var out []string
	names := slices.Sorted(maps.Keys(m.Environment))
	for i, one := range names {
		for _, other := range names[i+1:] {
			where := shared(m.Environment[one].Units, m.Environment[other].Units)
			if where == "" {
				continue
			}
			out = append(out, fmt.Sprintf("%s and %s are both in %s, where a route belongs to one environment: what is released to the second fails; give each units of its own", one, other, where))
		}
	}
	return out
}

// shared says in which units two environments both are; "" for none. Without units it is all there are.
func shared(a, b []string) string {
	switch {
	case len(a) == 0 && len(b) == 0:
		return "all units"
	case len(a) == 0:
		return "unit " + b[0]
	case len(b) == 0:
		return "unit " + a[0]
	}
	for _, unit := range a {
		if slices.Contains(b, unit) {
			return "unit " + unit
		}
	}
	return ""
}
