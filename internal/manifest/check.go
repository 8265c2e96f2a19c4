package manifest

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/yamldoc"
)

// check reports what is wrong with values that could be read.
func check(doc *yamldoc.Document, m *Manifest) {
	checkFields(doc, m)
	checkName(doc, "tenant", m.Tenant)
	checkName(doc, "application", m.Application)
	checkLabel(doc, "scenario", m.Scenario)
	checkLabel(doc, "group", m.Group)
	checkComponents(doc, m.Components)
	if doc.Has("environments") && len(m.Environment) == 0 {
		doc.Report("environments", "no environment", "name one, as in production: {branch: main}, or remove the field")
	}
	for name, e := range m.Environment {
		at := yamldoc.Child("environments", name)
		if err := release.CheckName(name); err != nil {
			report(doc, at, err)
			continue
		}
		checkEnvironment(doc, at, e)
		checkTrigger(doc, at, name, m.Environment)
	}
}

// checkFields reports what the reference alone can tell: what is missing, not among the values,
// or out of range.
func checkFields(doc *yamldoc.Document, m *Manifest) {
	rules := map[string]Field{}
	for _, f := range Reference() {
		rules[f.Path] = f
	}
	// As for defaults, each range is read once.
	ranges := map[string]limits{}
	yamldoc.Walk(m, func(f yamldoc.Field) {
		rule := rules[f.Shape]
		if _, known := ranges[f.Shape]; rule.Min != "" && !known {
			ranges[f.Shape] = limitsOf(f.Value.Type(), rule)
		}
		switch {
		case !doc.Sound(f.Path):
		case rule.Required && !doc.Has(f.Path):
			doc.Report(f.Path, missing(rule), remedy(rule))
		case rule.Required && f.Value.Kind() == reflect.Slice && f.Value.Len() == 0:
			doc.Report(f.Path, "nothing in the list", remedy(rule))
		case rule.Values != nil && !slices.Contains(rule.Values, f.Value.String()):
			doc.Report(f.Path, fmt.Sprintf("%q is unknown", f.Value.String()), yamldoc.Suggest(f.Value.String(), rule.Values))
		case rule.Default == "" && !doc.Has(f.Path) && f.Value.IsZero(): // left to whoever uses it
		case rule.Min != "" && ranges[f.Shape].exclude(f.Value):
			doc.Report(f.Path, fmt.Sprintf("%s is outside %s to %s", written(f.Value), rule.Min, rule.Max),
				fmt.Sprintf("write a value from %s to %s", rule.Min, rule.Max))
		}
	})
}

func missing(rule Field) string {
	return fmt.Sprintf("%s is missing", rule.Path[strings.LastIndex(rule.Path, ".")+1:])
}

func remedy(rule Field) string {
	name := rule.Path[strings.LastIndex(rule.Path, ".")+1:]
	if rule.Example == "" {
		return "add " + name
	}
	return fmt.Sprintf("add %s, as in %s: %s", name, name, rule.Example)
}

// limits are a rule's range as numbers, both ends included.
type limits struct{ least, most float64 }

func limitsOf(t reflect.Type, rule Field) limits {
	least, most := reflect.New(t).Elem(), reflect.New(t).Elem()
	if yamldoc.Set(least, rule.Min) != nil || yamldoc.Set(most, rule.Max) != nil {
		return limits{least: 1, most: -1} // A mistake in the reference, which its test finds; nothing is inside.
	}
	return limits{number(least), number(most)}
}

// exclude says whether a number, or a quantity made of one, is out of the range.
func (l limits) exclude(v reflect.Value) bool { return number(v) < l.least || number(v) > l.most }

func number(v reflect.Value) float64 {
	if v.CanInt() {
		return float64(v.Int())
	}
	return v.Float()
}

func written(v reflect.Value) string { return fmt.Sprint(v.Interface()) }

// report puts an error of the form "what is wrong: what to do" at a path.
func report(doc *yamldoc.Document, path string, err error) {
	message, fix, _ := strings.Cut(err.Error(), ": ")
	doc.Report(path, message, fix)
}

func checkName(doc *yamldoc.Document, path, name string) {
	if !doc.Has(path) {
		return
	}
	if err := release.CheckName(name); err != nil {
		report(doc, path, err)
	}
}

var (
	label    = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N} ._/-]{0,62}$`)
	token    = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")
	variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	branches = regexp.MustCompile(`^[^\s~^:?*\[\\]{1,250}$`)
)

// checkLabel checks a text that only people and searches read.
func checkLabel(doc *yamldoc.Document, path, text string) {
	if text != "" && !label.MatchString(text) {
		doc.Report(path, fmt.Sprintf("%q is not a label", text),
			"use 1 to 63 letters, digits, blanks and . _ / -, beginning with a letter or digit")
	}
}

// checkUnique reports items of a list that are there twice.
func checkUnique(doc *yamldoc.Document, path string, items []string) {
	for i, item := range items {
		if slices.Contains(items[:i], item) {
			doc.Report(fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%q is in the list twice", item), "keep one of them")
		}
	}
}
