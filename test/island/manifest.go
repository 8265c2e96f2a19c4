package island

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// Manifest is what most tests want to say in a skyisland.yaml; the rest they write themselves. Its
// zero value is one component "web" that goes live in one quick step.
type Manifest struct {
	// Components are one called "web" when empty.
	Components []Component
	// Ramp, Watch and Concurrency are values of the environment as YAML writes them. The ramp is
	// [QuickRamp] when empty, the watch 0s.
	Ramp, Watch, Concurrency string
	// Environment are further lines of the environment, without indentation.
	Environment []string
}

// QuickRamp is one step that ends as soon as its evidence is in.
const QuickRamp = "{steps: [50%], bake: 0s, probe: 0s, patience: 2m}"

// Component is one function of a [Manifest].
type Component struct {
	Name string
	// Env is the environment of the sample function; see its documentation.
	Env map[string]string
	// Run are further lines of the component's run, Extra of the component, without indentation; Route are further fields of
	// its route, as in "timeout: 1s".
	Run, Extra, Route []string
}

// Version is a manifest of one component "web" that answers with a version, and does what further pairs
// of name and value in its environment say.
func Version(version string, env ...string) Manifest {
	return Manifest{Components: []Component{Web(version, env...)}}
}

// Web is the component of [Version].
func Web(version string, env ...string) Component { return Function("web", version, env...) }

// Function is a component that runs the sample function.
func Function(name, version string, env ...string) Component {
	c := Component{Name: name, Env: map[string]string{"VERSION": version}}
	for n := 0; n+1 < len(env); n += 2 {
		c.Env[env[n]] = env[n+1]
	}
	return c
}

// With adds lines to the environment.
func (m Manifest) With(lines ...string) Manifest {
	m.Environment = append(slices.Clone(m.Environment), lines...)
	return m
}

// And adds lines to the first component.
func (m Manifest) And(lines ...string) Manifest {
	m.Components = slices.Clone(m.Components)
	m.Components[0].Extra = append(slices.Clone(m.Components[0].Extra), lines...)
	return m
}

// In is the text of the manifest for a lane.
func (m Manifest) In(lane release.Lane) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: skyisland/v1\ntenant: %s\napplication: %s\ncomponents:\n", lane.Tenant, lane.Application)
	for _, c := range m.components() {
		fmt.Fprintf(&b, "  - name: %s\n    run:\n      command: [%s]\n      drain: 2s\n      env:\n", c.Name, FunctionCommand)
		for _, name := range slices.Sorted(maps.Keys(c.Env)) {
			fmt.Fprintf(&b, "        %s: %q\n", name, c.Env[name])
		}
		indented(&b, "      ", c.Run)
		fmt.Fprintf(&b, "    route: {%s}\n", strings.Join(append([]string{"path: " + path(lane, c.Name)}, c.Route...), ", "))
		indented(&b, "    ", c.Extra)
	}
	fmt.Fprintf(&b, "environments:\n  %s:\n    ramp: %s\n    watch: %s\n", lane.Environment, or(m.Ramp, QuickRamp), or(m.Watch, "0s"))
	if m.Concurrency != "" {
		fmt.Fprintf(&b, "    concurrency: %s\n", m.Concurrency)
	}
	indented(&b, "    ", m.Environment)
	return b.String()
}

func (m Manifest) components() []Component {
	if len(m.Components) == 0 {
		return []Component{Web("v1")}
	}
	return m.Components
}

// name is what people would call it.
func (m Manifest) name() string {
	var versions []string
	for _, c := range m.components() {
		versions = append(versions, c.Name+" "+c.Env["VERSION"])
	}
	return strings.Join(versions, ", ")
}

func indented(b *strings.Builder, by string, lines []string) {
	for _, line := range lines {
		b.WriteString(by + line + "\n")
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
