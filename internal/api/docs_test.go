package api_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
)

func reference(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The reference names every operation with the scope that it needs, and no other.
func TestEveryOperationIsInTheReference(t *testing.T) {
	const aRelease = "/api/v1/releases/{tenant}/{application}/{environment}/{number}"
	served := map[string]string{}
	for _, o := range api.Operations() {
		path := o.Path
		if rest, found := strings.CutPrefix(path, aRelease+"/"); found {
			path = "…/{number}/" + rest
			if slices.Contains(dispatch.Instructions(), dispatch.Instruction(rest)) {
				continue // they share a line, and are looked for below
			}
		}
		served[o.Method+" "+path] = string(o.Scope)
	}
	served["POST …/{number}/{instruction}"] = "release, approve"
	told := map[string]string{}
	for _, found := range regexp.MustCompile("(?m)^\\| `((?:GET|PUT|POST|DELETE) [^`]+)` \\|([^|]*)\\|").FindAllStringSubmatch(reference(t), -1) {
		told[found[1]] = strings.TrimSpace(strings.ReplaceAll(found[2], "`", ""))
	}
	for route, scope := range served {
		if got, there := told[route]; !there || got != scope {
			t.Errorf("docs/api.md has %s with the scope %q, %t; want %q", route, got, there, scope)
		}
	}
	for route := range told {
		if _, there := served[route]; !there {
			t.Errorf("docs/api.md has %s, which is not served", route)
		}
	}
	for _, what := range dispatch.Instructions() {
		if !strings.Contains(reference(t), "`"+string(what)+"`") {
			t.Errorf("docs/api.md lacks the instruction %s", what)
		}
	}
	for _, scope := range release.Scopes() {
		if !strings.Contains(reference(t), "| `"+string(scope)+"` | ") {
			t.Errorf("docs/api.md lacks the scope %s", scope)
		}
	}
}

// The table of problems is that of the code.
func TestEveryProblemIsInTheReference(t *testing.T) {
	var want []string
	for _, p := range api.Problems() {
		want = append(want, "| "+strconv.Itoa(p.Status)+" | `"+p.Code+"` | "+p.Meaning+" |")
	}
	got := regexp.MustCompile("(?m)^\\| \\d{3} \\| `.*$").FindAllString(reference(t), -1)
	if !slices.Equal(got, want) {
		t.Errorf("the problems of docs/api.md are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
