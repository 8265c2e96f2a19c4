package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files anew")

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	const root = "../../.."
	if *update {
		if err := run(root); err != nil {
			t.Fatal(err)
		}
	}
	files, err := generated()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: go generate ./internal/manifest writes it anew", name)
		}
	}
}

func TestTheSchemaKnowsUnitsRangesAndUnknownFields(t *testing.T) {
	text, err := jsonSchema()
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" || schema["additionalProperties"] != false {
		t.Errorf("$schema %v, additionalProperties %v", schema["$schema"], schema["additionalProperties"])
	}
	at := func(path ...string) map[string]any {
		here := schema
		for _, p := range path {
			next, ok := here[p].(map[string]any)
			if !ok {
				t.Fatalf("no %v", path)
			}
			here = next
		}
		return here
	}
	instances := at("properties", "components", "items", "properties", "run", "properties", "instances")
	if instances["minimum"] != 1.0 || instances["maximum"] != 64.0 || instances["default"] != 1.0 {
		t.Errorf("instances: %v", instances)
	}
	bake := at("properties", "environments", "additionalProperties", "properties", "ramp", "properties", "bake")
	pattern, ok := bake["pattern"].(string)
	if !ok || bake["default"] != "2m" {
		t.Fatalf("bake: %v", bake)
	}
	for text, want := range map[string]bool{"2m": true, "1d12h": true, "1.5h": true, "500ms": true, "30": false, "5 minutes": false, "-2m": false} {
		if got := regexp.MustCompile(pattern).MatchString(text); got != want {
			t.Errorf("the pattern of durations says %v of %q", got, text)
		}
	}
}
