// Package architecture holds the import rules of this repository, so that they are checked and not only agreed.
//
// Imports point one way: cmd and internal/app know everybody, workflows know activities, activities know the
// interfaces they need, and all of them stand on pure packages. A provider knows nobody beside it. That is what keeps
// the release process readable without its providers, and each provider replaceable.
package architecture

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Module is the path that every package of this repository begins with.
const Module = "github.com/skyisland/skyisland"

// Package is one package as `go list` sees it, without its tests.
type Package struct {
	ImportPath string   // full path
	Imports    []string // full paths of what it imports itself
	Deps       []string // full paths of everything it reaches
}

// Ground and the other pure packages: no I/O, no clock, nothing outside the standard library. Everybody may stand
// on them, and of each other they know what is listed.
var pure = map[string][]string{
	"internal/release": nil,
	"internal/canary":  {"internal/release"},
	// Whoever wants to check a statement elsewhere can take it as it is.
	"internal/provenance": nil,
}

// Packages of the standard library through which a pure package could touch the world.
var worldly = []string{"crypto/rand", "database/sql", "net", "net/http", "os", "os/exec", "os/signal", "syscall"}

// Process packages and the packages of ours they may reach besides pure ones and themselves. From outside they use
// the Temporal SDK only: a workflow that could reach a database driver would sooner or later call one.
var process = map[string][]string{
	"activities": nil,
	"workflows":  {"activities"},
	"worker":     {"activities", "workflows"},
}

var processModules = []string{"go.temporal.io/sdk", "go.temporal.io/api"}

// Shared packages are neither pure nor providers: anything under internal may use them, and they stand on pure
// packages like a provider does.
var shared = map[string]string{
	"internal/events":   "is what happens in the words of CloudEvents, for who keeps, sends or shows it",
	"internal/yamldoc":  "reads every YAML file that people write, with one kind of error",
	"internal/schedule": "says when a cron expression is due, in one way for the configuration and for who sees to it",
	"internal/glob":     "matches names against the patterns that people write",
	"policies":          "is the embedded Rego, and no code",
}

// Assemblers are the packages under internal that may know others, with the reason. Every other package under
// internal is a provider, new ones too.
var assemblers = map[string]string{
	"internal/app":       "wires everything, once",
	"internal/api":       "offers what dispatch and the store can do over HTTP",
	"internal/cli":       "speaks the API's own types",
	"internal/console":   "shows what the API offers",
	"internal/desk":      "turns what people say into what dispatch tells releases",
	"internal/dispatch":  "is the one door to the workflows",
	"internal/gitremote": "turns a push into an event for intake",
	"internal/intake":    "turns events into requests to dispatch",
	"internal/page":      "says what people answer to the desk, in the words of notify",
	"internal/server":    "mounts the HTTP surfaces beside each other",
}

// The Temporal server and its UI take minutes to compile and 200 MB of binary.
var heavy = []string{"go.temporal.io/server", "github.com/temporalio/ui-server"}

// Where the embedded server may be reached from.
var heavyAllowed = []string{"cmd/skyisland-standalone", "internal/embedded", "test"}

// Violations lists every import that points the wrong way, sorted, one sentence each; nil when there is none. A rule
// whose package is missing from pkgs is a violation as well, because it would guard nothing.
func Violations(pkgs []Package) []string {
	var found []string
	seen := map[string]bool{}
	for _, p := range pkgs {
		name, ok := ours(p.ImportPath)
		if !ok {
			continue
		}
		seen[top(name)] = true
		found = append(found, checkPure(name, p)...)
		found = append(found, checkProcess(name, p)...)
		found = append(found, checkProvider(name, p)...)
		found = append(found, checkHeavy(name, p)...)
	}
	guarded := slices.Concat(slices.Collect(maps.Keys(pure)), slices.Collect(maps.Keys(process)))
	for _, name := range guarded {
		if !seen[name] {
			found = append(found, fmt.Sprintf("%s: no such package, and a rule that guards it", name))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func checkPure(name string, p Package) []string {
	known, ok := pure[top(name)]
	if !ok {
		return nil
	}
	var found []string
	for _, path := range p.Imports {
		other, isOurs := ours(path)
		switch {
		case isOurs && (within(other, top(name)) || withinAny(other, known)):
		case isOurs:
			found = append(found, fmt.Sprintf("%s imports %s: of ours it may import %s", name, other, list(known)))
		case !standard(path):
			found = append(found, fmt.Sprintf("%s imports %s: a pure package imports nothing from outside", name, path))
		case slices.Contains(worldly, path):
			found = append(found, fmt.Sprintf("%s imports %s: a pure package does not touch the world", name, path))
		}
	}
	return found
}

func checkProcess(name string, p Package) []string {
	known, ok := process[top(name)]
	if !ok {
		return nil
	}
	var found []string
	for _, path := range p.Deps {
		other, isOurs := ours(path)
		if isOurs && !within(other, top(name)) && !withinAny(other, known) && !isPure(other) {
			found = append(found, fmt.Sprintf("%s reaches %s: besides pure packages it may reach %s", name, other, list(known)))
		}
	}
	for _, path := range p.Imports {
		if _, isOurs := ours(path); !isOurs && !standard(path) && !withinAny(path, processModules) {
			found = append(found, fmt.Sprintf("%s imports %s: from outside it uses the Temporal SDK only", name, path))
		}
	}
	return found
}

func checkProvider(name string, p Package) []string {
	isProvider := strings.HasPrefix(name, "internal/") && !isPure(name) && assemblers[top(name)] == ""
	if !isProvider && shared[top(name)] == "" {
		return nil
	}
	var found []string
	for _, path := range p.Imports {
		if other, isOurs := ours(path); isOurs && !within(other, top(name)) && !isPure(other) && shared[top(other)] == "" {
			found = append(found, fmt.Sprintf("%s imports %s: a provider knows nobody beside it, only pure and shared packages", name, other))
		}
	}
	return found
}

func checkHeavy(name string, p Package) []string {
	if withinAny(name, heavyAllowed) {
		return nil
	}
	for _, path := range p.Deps {
		if withinAny(path, heavy) {
			return []string{fmt.Sprintf("%s reaches %s: the Temporal server belongs in %s", name, path, list(heavyAllowed))}
		}
	}
	return nil
}

// ours returns the path below the module, and whether the package is of this repository.
func ours(path string) (string, bool) {
	return strings.CutPrefix(path, Module+"/")
}

// top is the tree that the rules speak of: "internal/gateway" for "internal/gateway/admin", "workflows" for itself.
func top(name string) string {
	parts := strings.Split(name, "/")
	if parts[0] == "internal" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

func within(path, tree string) bool {
	return path == tree || strings.HasPrefix(path, tree+"/")
}

func withinAny(path string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return within(path, tree) })
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func isPure(name string) bool {
	_, ok := pure[top(name)]
	return ok
}

// standard: only the standard library has import paths whose first element has no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}
