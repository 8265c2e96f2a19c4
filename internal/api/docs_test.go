package api_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/dispatch"
)

// The reference names every route that the server has, and no other.
func TestEveryRouteIsInTheReference(t *testing.T) {
	source, err := os.ReadFile("server.go")
	if err != nil {
		t.Fatal(err)
	}
	reference, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, found := range regexp.MustCompile(`HandleFunc\("([A-Z]+) (/[^"]*)?"(\+releases(?:\+"([^"]*)")?)?`).FindAllStringSubmatch(strings.ReplaceAll(string(source), " + ", "+"), -1) {
		path := found[2]
		switch {
		case found[4] != "":
			path = "…/{number}" + found[4]
		case found[3] != "":
			path = "/api/v1/releases/{tenant}/{application}/{environment}/{number}"
		}
		served[found[1]+" "+path] = true
	}
	told := map[string]bool{}
	for _, found := range regexp.MustCompile("(?m)^\\| `((?:GET|PUT|POST|DELETE) [^`]+)`").FindAllStringSubmatch(string(reference), -1) {
		told[found[1]] = true
	}
	if len(served) < 14 {
		t.Fatalf("only %d routes were found in the source: %v", len(served), served)
	}
	for route := range served {
		if !told[route] {
			t.Errorf("docs/api.md lacks %s", route)
		}
	}
	for route := range told {
		if !served[route] {
			t.Errorf("docs/api.md has %s, which is not served", route)
		}
	}
	for _, what := range dispatch.Instructions() {
		if !strings.Contains(string(reference), "`"+string(what)+"`") {
			t.Errorf("docs/api.md lacks the instruction %s", what)
		}
	}
}
