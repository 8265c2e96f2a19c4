package manifest

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/yamldoc"
)

// FileName is what the manifest is called, in the root of the user's repository.
const FileName = "skyisland.yaml"

// APIVersion is the only version of the format there is.
const APIVersion = "skyisland/v1"

// Manifest is what skyisland.yaml says, with every default filled in.
type Manifest struct {
	APIVersion  string              `json:"apiVersion"`
	Tenant      string              `json:"tenant"`
	Application string              `json:"application"`
	Scenario    string              `json:"scenario"`
	Group       string              `json:"group"`
	Components  []release.Component `json:"components"`
	// Environment is by name. A manifest without any gets production, from the branch main.
	Environment map[string]*Environment `json:"environments"`

	problems error
}

// Environment is how an application is released to one place.
type Environment struct {
	Branch      string               `json:"branch"`
	Tags        []string             `json:"tags"`
	After       string               `json:"after"`
	Preview     string               `json:"preview"`
	Concurrency release.Concurrency  `json:"concurrency"`
	Units       []string             `json:"units"`
	Pressure    *release.Pressure    `json:"pressure"`
	Ramp        release.Ramp         `json:"ramp"`
	Analysis    Analysis             `json:"analysis"`
	Approval    *release.Approval    `json:"approval"`
	Freeze      release.FreezeAction `json:"freeze"`
	Watch       release.Duration     `json:"watch"`
}

// Analysis is [release.Analysis] as a person writes it, by metric.
type Analysis struct {
	Errors        Errors           `json:"errors"`
	Latency       Latency          `json:"latency"`
	FalseRollback release.Share    `json:"false-rollback"`
	Detect        release.Share    `json:"detect"`
	Blind         release.Duration `json:"blind"`
	BlindBack     release.Duration `json:"blind-back"`
}

// Errors is when a canary's errors are too many.
type Errors struct {
	Margin release.Share `json:"margin"`
}

// Latency is when a canary is too slow.
type Latency struct {
	Quantile float64       `json:"quantile"`
	Margin   release.Share `json:"margin"`
}

// defaultEnvironment is the environment of a manifest that names none.
const defaultEnvironment = "production"

// Read reads a manifest; file is its path as the person knows it. What is wrong is returned as
// [release.Problems], all of it, in the order of the file. The manifest is never nil: with problems
// it holds what could be read, so that one can tell whom the refusal concerns.
func Read(file string, data []byte) (*Manifest, error) {
	m := &Manifest{}
	doc := yamldoc.Read(file, data, m, "components[].cases", "components[].paths", "environments.*.tags")
	if !doc.Has("environments") && doc.Sound("environments") {
		m.Environment = map[string]*Environment{defaultEnvironment: {}}
	}
	m.fill(doc)
	check(doc, m)
	m.problems = doc.Err()
	return m, m.problems
}

// fill gives every field that the file does not have its default.
func (m *Manifest) fill(doc *yamldoc.Document) {
	defaults := map[string]string{}
	for _, f := range Reference() {
		defaults[f.Path] = f.Default
	}
	// Each is read once: a file may have thousands of environments, each with all its defaults.
	read := map[string]reflect.Value{}
	yamldoc.Walk(m, func(f yamldoc.Field) {
		text := defaults[f.Shape]
		if text == "" || doc.Has(f.Path) {
			return
		}
		value, ok := read[f.Shape]
		if !ok {
			value = reflect.New(f.Value.Type()).Elem()
			if err := yamldoc.Set(value, text); err != nil {
				// A mistake in our own table, which its test finds; nobody's manifest is right then.
				doc.Report(f.Path, "its default cannot be read: "+err.Error(), "")
			}
			read[f.Shape] = value
		}
		if value.Kind() == reflect.Slice {
			value = reflect.AppendSlice(reflect.MakeSlice(value.Type(), 0, value.Len()), value)
		}
		f.Value.Set(value)
	})
	for _, e := range m.Environment {
		if e != nil && e.Approval != nil && e.Approval.Remind == 0 {
			e.Approval.Remind = e.Approval.Within / 2
		}
	}
	m.fillBranches(doc)
	for i := range m.Components {
		c := &m.Components[i]
		if c.Ingress.Path != "" || doc.Has(fmt.Sprintf("components[%d].route.path", i)) {
			continue
		}
		c.Ingress.Path = "/"
		if len(m.Components) > 1 {
			c.Ingress.Path += c.Name
		}
	}
}

// fillBranches gives an environment that others are promoted to the branch of the one they come from.
func (m *Manifest) fillBranches(doc *yamldoc.Document) {
	for name, e := range m.Environment {
		if e == nil || e.After == "" || doc.Has(yamldoc.Child("environments", name)+".branch") {
			continue
		}
		from := e
		for range m.Environment { // no chain is longer, and one that goes in a circle ends too
			next := m.Environment[from.After]
			if from.After == "" || next == nil {
				break
			}
			from = next
		}
		e.Branch = from.Branch
	}
}

// Trigger is what releases there other than a push.
func (e *Environment) Trigger() release.Trigger {
	return release.Trigger{Tags: e.Tags, After: e.After, Preview: e.Preview}
}

// Environments are the names of the environments that are released from a branch, sorted.
func (m *Manifest) Environments(branch string) []string {
	var out []string
	for name, e := range m.Environment {
		if e.Branch == branch {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Spec is the manifest resolved for one environment. It returns the manifest's problems when it
// has any, and [release.ErrNotFound] for an environment it does not have.
func (m *Manifest) Spec(environment string) (release.Spec, error) {
	if m.problems != nil {
		return release.Spec{}, m.problems
	}
	e, ok := m.Environment[environment]
	if !ok {
		known := slices.Sorted(maps.Keys(m.Environment))
		return release.Spec{}, fmt.Errorf("environment %q: %w; the manifest has %s",
			environment, release.ErrNotFound, strings.Join(known, ", "))
	}
	return release.Spec{
		Lane:        release.Lane{Tenant: m.Tenant, Application: m.Application, Environment: environment},
		Scenario:    m.Scenario,
		Group:       m.Group,
		Branch:      e.Branch,
		Trigger:     e.Trigger(),
		Concurrency: e.Concurrency,
		Units:       e.Units,
		Components:  m.Components,
		Pressure:    e.Pressure,
		Ramp:        e.Ramp,
		Analysis: release.Analysis{
			ErrorMargin:     e.Analysis.Errors.Margin,
			LatencyQuantile: e.Analysis.Latency.Quantile,
			LatencyMargin:   e.Analysis.Latency.Margin,
			FalseRollback:   e.Analysis.FalseRollback,
			Detect:          e.Analysis.Detect,
			Blind:           e.Analysis.Blind,
			BlindBack:       e.Analysis.BlindBack,
		},
		Approval: e.Approval,
		Freeze:   e.Freeze,
		Watch:    e.Watch,
	}, nil
}

// ProblemsOf are the problems an error of [Read] or [Manifest.Spec] carries, and nil for any other.
func ProblemsOf(err error) release.Problems {
	var problems release.Problems
	if errors.As(err, &problems) {
		return problems
	}
	return nil
}
