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

// The reference names every operation with the scope that it needs, in the order of the code, and no other.
func TestEveryOperationIsInTheReference(t *testing.T) {
	const aRelease = "/api/v1/releases/{tenant}/{application}/{environment}/{number}"
	var served, told []string
	for _, o := range api.Operations() {
		path, scope := o.Path, string(o.Scope)
		switch {
		case o.Tenants == api.TenantPublic:
			scope = "no token"
		case scope == "":
			scope = "any token"
		}
		if rest, found := strings.CutPrefix(path, aRelease+"/"); found {
			path = "…/{number}/" + rest
			if slices.Contains(dispatch.Instructions(), dispatch.Instruction(rest)) {
				path, scope = "…/{number}/{instruction}", "release, approve" // they share a line, and are looked for below
			}
		}
		if route := o.Method + " " + path + ": " + scope; !slices.Contains(served, route) {
			served = append(served, route)
		}
	}
	for _, found := range regexp.MustCompile("(?m)^\\| `((?:GET|PUT|POST|DELETE) [^`]+)` \\|([^|]*)\\|").FindAllStringSubmatch(reference(t), -1) {
		told = append(told, found[1]+": "+strings.TrimSpace(strings.ReplaceAll(found[2], "`", "")))
	}
	for n := range max(len(served), len(told)) {
		if n >= len(served) || n >= len(told) || served[n] != told[n] {
			t.Fatalf("the operations of docs/api.md are, from row %d on\n%s\nwant\n%s", n+1, strings.Join(told[min(n, len(told)):], "\n"), strings.Join(served[min(n, len(served)):], "\n"))
		}
	}
	for _, what := range dispatch.Instructions() {
		if !strings.Contains(reference(t), "`"+string(what)+"`") {
			t.Errorf("docs/api.md lacks the instruction %s", what)
		}
	}
	for _, outcome := range api.EventOutcomes() {
		if !strings.Contains(reference(t), "`"+outcome+"`") {
			t.Errorf("docs/api.md lacks the outcome %s", outcome)
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
