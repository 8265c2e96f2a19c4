package architecture_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"testing"

	"github.com/skyisland/skyisland/test/architecture"
)

func TestImportsPointOneWay(t *testing.T) {
	for _, violation := range architecture.Violations(list(t)) {
		t.Error(violation)
	}
}

// The rules are worth something only if they find what breaks them.
func TestViolations(t *testing.T) {
	sound := map[string][]string{
		"internal/release":    {"time", "slices"},
		"internal/canary":     {"math", module("internal/release")},
		"internal/provenance": {"crypto/ed25519"},
		"internal/git":        {"os/exec", module("internal/git/gitcmd"), module("internal/release")},
		"internal/app":        {module("internal/git"), module("workflows")},
		"internal/embedded": {
			"go.temporal.io/server/temporal",
		},
		"activities":               {"go.temporal.io/sdk/activity", module("internal/release")},
		"workflows":                {"go.temporal.io/sdk/workflow", module("activities"), module("internal/canary")},
		"worker":                   {"go.temporal.io/sdk/worker", module("workflows"), module("activities")},
		"cmd/skyisland":            {"os", module("internal/app")},
		"cmd/skyisland-standalone": {module("internal/embedded")},
	}
	tests := []struct {
		name    string
		pkg     string
		imports []string
		want    string
	}{
		{"a sound tree has none", "internal/store", []string{"github.com/jmoiron/sqlx", module("internal/release"), module("internal/yamldoc")}, ""},
		{"the ground imports a module", "internal/release", []string{"github.com/goccy/go-yaml"},
			"internal/release imports github.com/goccy/go-yaml: a pure package imports nothing from outside"},
		{"the ground imports a pure package", "internal/release", []string{module("internal/canary")},
			"internal/release imports internal/canary: of ours it may import none"},
		{"a pure package reads files", "internal/canary", []string{"os"},
			"internal/canary imports os: a pure package does not touch the world"},
		{"a provider imports another", "internal/git", []string{module("internal/store")},
			"internal/git imports internal/store: a provider knows nobody beside it, only pure and shared packages"},
		{"a part of a provider imports activities", "internal/gateway/admin", []string{module("activities")},
			"internal/gateway/admin imports activities: a provider knows nobody beside it, only pure and shared packages"},
		{"a package nobody thought of is a provider", "internal/novel", []string{module("workflows")},
			"internal/novel imports workflows: a provider knows nobody beside it, only pure and shared packages"},
		{"a shared package imports a provider", "internal/yamldoc", []string{module("internal/git")},
			"internal/yamldoc imports internal/git: a provider knows nobody beside it, only pure and shared packages"},
		{"activities reach a provider", "activities", []string{module("internal/git")},
			"activities reaches internal/git: besides pure packages it may reach none"},
		{"workflows import a client library", "workflows", []string{"github.com/open-policy-agent/opa/v1/rego"},
			"workflows imports github.com/open-policy-agent/opa/v1/rego: from outside it uses the Temporal SDK only"},
		{"the worker reaches the wiring", "worker", []string{module("internal/app")},
			"worker reaches internal/app: besides pure packages it may reach activities, workflows"},
		{"the lean binary carries the server", "cmd/skyisland", []string{"go.temporal.io/server/temporal"},
			"cmd/skyisland reaches go.temporal.io/server/temporal: the Temporal server belongs in cmd/skyisland-standalone, internal/embedded, test"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			if got := architecture.Violations(tree(sound, tt.pkg, tt.imports)); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestARuleWithoutItsPackageIsAViolation(t *testing.T) {
	want := []string{
		"activities: no such package, and a rule that guards it",
		"internal/canary: no such package, and a rule that guards it",
		"internal/provenance: no such package, and a rule that guards it",
		"internal/release: no such package, and a rule that guards it",
		"worker: no such package, and a rule that guards it",
		"workflows: no such package, and a rule that guards it",
	}
	if got := architecture.Violations(nil); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func module(name string) string { return architecture.Module + "/" + name }

// tree is base with pkg added or replaced. What a package imports is all it reaches, which is enough for the rules.
func tree(base map[string][]string, pkg string, imports []string) []architecture.Package {
	pkgs := []architecture.Package{{ImportPath: module(pkg), Imports: imports, Deps: imports}}
	for name, imports := range base {
		if name != pkg {
			pkgs = append(pkgs, architecture.Package{ImportPath: module(name), Imports: imports, Deps: imports})
		}
	}
	return pkgs
}

// list asks the go command for every package of the module. It reads sources only and compiles nothing.
func list(t *testing.T) []architecture.Package {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", architecture.Module+"/...")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.Bytes())
	}
	var pkgs []architecture.Package
	decoder := json.NewDecoder(&stdout)
	for {
		var p architecture.Package
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatalf("read the output of %v: %v", cmd, err)
		}
		pkgs = append(pkgs, p)
	}
}
