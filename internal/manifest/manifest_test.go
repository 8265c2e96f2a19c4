package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares what people read with the file that holds it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", file, got)
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no files for %s: %v", pattern, err)
	}
	return found
}

func TestBrokenManifestsSayEverythingThatIsWrong(t *testing.T) {
	for _, file := range files(t, "testdata/broken/*.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Read(FileName, data)
			if m == nil || err == nil {
				t.Fatalf("Read = %v, %v: want what could be read, and problems", m, err)
			}
			for _, p := range ProblemsOf(err) {
				if p.Line < 1 || p.Column < 1 || p.Message == "" || p.Fix == "" {
					t.Errorf("problem without place, message or fix: %+v", p)
				}
			}
			if _, err := m.Spec("production"); err == nil {
				t.Error("a broken manifest resolved to a spec")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", []byte(err.Error()+"\n"))
		})
	}
}

func TestGoodManifestsResolveWithEveryDefault(t *testing.T) {
	for _, file := range files(t, "testdata/good/*.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Read(FileName, data)
			if err != nil {
				t.Fatal(err)
			}
			specs := map[string]release.Spec{}
			for name := range m.Environment {
				if specs[name], err = m.Spec(name); err != nil {
					t.Fatal(err)
				}
			}
			out, err := json.MarshalIndent(specs, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", append(out, '\n'))
		})
	}
}

func TestTheSketchOfTheDesignParsesExactly(t *testing.T) {
	data, err := os.ReadFile("testdata/good/sketch.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Read(FileName, data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Spec("production")
	if err != nil {
		t.Fatal(err)
	}
	const second, minute, hour = release.Duration(time.Second), release.Duration(time.Minute), release.Duration(time.Hour)
	want := release.Spec{
		Lane:     release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"},
		Scenario: "shopping-guide", Branch: "main", Concurrency: release.Supersede, Units: []string{"a", "b"},
		Components: []release.Component{{
			Name: "timetable", Path: "functions/timetable",
			Build:   release.Build{Run: []string{"go", "build", "-o", "bin/timetable", "."}, Timeout: 10 * minute, Output: 16 << 20},
			Test:    release.Command{Run: []string{"go", "test", "./..."}, Timeout: 10 * minute, Output: 16 << 20},
			Run:     release.Run{Command: []string{"bin/timetable"}, Health: "/healthz", Instances: 2, Start: 30 * second, Drain: 10 * second},
			Cases:   []string{"cases/*.yaml"},
			Ingress: release.Ingress{Path: "/rail/timetable"},
		}},
		Pressure: &release.Pressure{Rate: 300, For: 30 * second, P99: release.Duration(200 * time.Millisecond), Errors: 0.001, Forecast: 900},
		Ramp: release.Ramp{
			Steps: []release.Weight{100, 500, 2000, 5000}, Bake: 2 * minute, Patience: 30 * minute, Probe: 30 * second,
			Sticky: release.StickyUser,
		},
		Analysis: release.Analysis{
			ErrorMargin: 0.005, LatencyQuantile: 99, LatencyMargin: 0.2, FalseRollback: 0.01, Detect: 0.05,
			Blind: 30 * second, BlindBack: 5 * minute,
		},
		Approval: &release.Approval{Before: release.BeforeRamp, From: []string{"release-managers"}, Count: 2, Within: 24 * hour, Remind: 12 * hour},
		Freeze:   release.HoldFreeze,
		Watch:    2 * hour,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEnvironmentsOfABranch(t *testing.T) {
	for _, c := range []struct {
		name, manifest, branch string
		want                   []string
	}{
		{"no environments means production from main", "apiVersion: skyisland/v1", "main", []string{"production"}},
		{"no environments means nothing from other branches", "apiVersion: skyisland/v1", "feature", nil},
		{"two environments may claim a branch", "environments: {b: {}, a: {branch: main}, c: {branch: x}}", "main", []string{"a", "b"}},
		{"a wrong field elsewhere hides no environment", "application: 5 5\nenvironments: {a: {branch: x, wach: 1m}}", "x", []string{"a"}},
		{"broken syntax elsewhere hides no environment", "components: [}\nenvironments:\n  a: {branch: x}", "x", []string{"a"}},
		{"broken syntax beside it hides no environment", "environments:\n  a:\n    branch: x\n    ramp: {steps: [}\n", "x", []string{"a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _ := Read(FileName, []byte(c.manifest))
			if got := m.Environments(c.branch); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestAnUnknownEnvironmentIsNotFoundAndSaysWhatExists(t *testing.T) {
	data, err := os.ReadFile("testdata/good/several.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Read(FileName, data)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Spec("moon")
	if !errors.Is(err, release.ErrNotFound) || !strings.Contains(err.Error(), "asia, production, staging") {
		t.Errorf("got %v", err)
	}
}

func TestATooLargeFileIsRefusedUnread(t *testing.T) {
	_, err := Read(FileName, append([]byte("apiVersion: skyisland/v1\n"), bytes.Repeat([]byte("# long\n"), 50_000)...))
	if problems := ProblemsOf(err); len(problems) != 1 || !strings.Contains(problems[0].Message, "350025 bytes") {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, pattern := range []string{"testdata/broken/*.yaml", "testdata/good/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range found {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Read(FileName, data)
		if m == nil {
			t.Fatal("no manifest at all")
		}
		m.Environments("main")
		if err != nil {
			if len(ProblemsOf(err)) == 0 {
				t.Fatalf("an error without problems: %v", err)
			}
			return
		}
		if m.Application == "" || len(m.Components) == 0 || len(m.Environment) == 0 {
			t.Fatalf("accepted, but not whole: %+v", m)
		}
		for name := range m.Environment {
			spec, err := m.Spec(name)
			if err != nil {
				t.Fatalf("accepted, but does not resolve: %v", err)
			}
			if err := spec.Lane.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Anybody who can push can make a file such as these, and reading one must not take seconds.
func TestWhatAFileMeansIsBoundedAndDefaultsAreReadOnce(t *testing.T) {
	t.Run("a list is not made longer than it is read", func(t *testing.T) {
		m, err := Read(FileName, []byte("components: ["+strings.Repeat(strings.Repeat("1,", 4000)+"\n", 25)+"]\n"))
		if err == nil || len(m.Components) > 20_000 {
			t.Errorf("%d components of 100000, with %v", len(m.Components), err)
		}
	})
	t.Run("an environment costs no parsing of its defaults", func(t *testing.T) {
		var text strings.Builder
		text.WriteString("apiVersion: skyisland/v1\napplication: a\ncomponents: [{name: a, run: {command: [a]}}]\nenvironments:\n")
		const environments = 500
		for i := range environments {
			fmt.Fprintf(&text, "  e%d: {}\n", i)
		}
		each := testing.AllocsPerRun(1, func() {
			if _, err := Read(FileName, []byte(text.String())); err != nil {
				t.Error(err)
			}
		}) / environments
		if each > 2000 {
			t.Errorf("%.0f allocations an environment", each)
		}
	})
}
