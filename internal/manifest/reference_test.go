package manifest

import (
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/yamldoc"
)

func TestTheReferenceHasEveryFieldAndNoOther(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range Reference() {
		if documented[f.Path] {
			t.Errorf("%s is in the reference twice", f.Path)
		}
		documented[f.Path] = true
		if f.Meaning == "" || !strings.HasSuffix(f.Meaning, ".") {
			t.Errorf("%s has no sentence for a meaning", f.Path)
		}
	}
	yamldoc.Walk(Full(), func(f yamldoc.Field) {
		if !documented[f.Shape] {
			t.Errorf("%s is not in the reference", f.Shape)
		}
		delete(documented, f.Shape)
	})
	for path := range documented {
		t.Errorf("the reference has %s, the manifest has not", path)
	}
}

func TestDefaultsExamplesAndRangesAreValuesOfTheirFields(t *testing.T) {
	fields := map[string]Field{}
	for _, f := range Reference() {
		fields[f.Path] = f
	}
	yamldoc.Walk(Full(), func(f yamldoc.Field) {
		field := fields[f.Shape]
		for _, text := range []string{field.Min, field.Max, field.Example, field.Default} {
			if text == "" || f.Shape == "components[].cases" {
				continue
			}
			if err := yamldoc.Set(f.Value, text); err != nil {
				t.Errorf("%s: %v", f.Shape, err)
			}
		}
		if field.Min != "" && field.Default != "" && limitsOf(f.Value.Type(), field).exclude(f.Value) {
			t.Errorf("%s: the default %s is outside %s to %s", f.Shape, field.Default, field.Min, field.Max)
		}
		if field.Required && field.Default != "" {
			t.Errorf("%s is required and has a default", f.Shape)
		}
	})
}
