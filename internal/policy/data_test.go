package policy_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/policy"
)

const freeze = `
freeze_windows:
  - environments: [production]
    starts: 2026-03-01T00:00:00Z # without quotes, as people write it
    ends: "2026-03-03T00:00:00Z"
    reason: stock-taking
`

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADataFileIsInForceAsSoonAsItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy-data.yaml")
	var log bytes.Buffer
	e := engine(t, policy.Options{DataFile: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
	revisions := map[string]bool{}
	for _, step := range []struct {
		name   string
		change func()
		want   []string
	}{
		{"never there", func() {}, nil},
		{"written", func() { put(t, path, freeze) }, []string{"freeze.open"}},
		{"unchanged", func() {}, []string{"freeze.open"}},
		{"emptied", func() { put(t, path, "") }, nil},
		{"only a comment", func() { put(t, path, "# nothing is frozen\n") }, nil},
		{"changed without changing size", func() { put(t, path, "max_step_permyriad: 1400\n") }, []string{"step.too_far"}},
		{"and back", func() { put(t, path, "max_step_permyriad: 1500\n") }, nil},
		{"broken", func() { put(t, path, "freeze_windows: [") }, []string{policy.CodeData}},
		{"mended", func() { put(t, path, freeze) }, []string{"freeze.open"}},
		{"removed", func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, []string{policy.CodeData}},
		{"put back empty", func() { put(t, path, "") }, nil},
		{"replaced by a directory", func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{policy.CodeData}},
	} {
		step.change()
		d := decide(t, e, question())
		if got := codes(d); !slices.Equal(got, step.want) || d.Allow != (len(step.want) == 0) {
			t.Errorf("%s: allow %v, denied for %q, want %q: %+v", step.name, d.Allow, got, step.want, d.Deny)
		}
		if d.Denied(policy.CodeData) && !strings.Contains(d.Deny[0].Message, path) {
			t.Errorf("%s: %q does not name %s", step.name, d.Deny[0].Message, path)
		}
		if e.Bundle(t.Context()) != d.Bundle {
			t.Errorf("%s: bundle %s, decision by %s", step.name, e.Bundle(t.Context()), d.Bundle)
		}
		revisions[d.Bundle] = true
	}
	// Empty data, the freeze, two limits, and three ways to be broken.
	if len(revisions) != 7 {
		t.Errorf("%d revisions, want 7", len(revisions))
	}
	if n := strings.Count(log.String(), "policy data denies everything"); n != 3 {
		t.Errorf("what is wrong with the file was logged %d times, want once for each of 3", n)
	}
}

func TestADataFileThatCannotBeUnderstoodDeniesEverything(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"no YAML", "freeze_windows: [", "policy-data.yaml"},
		{"a list", "- starts: 1\n", "policy-data.yaml"},
		{"a word", "frozen", "policy-data.yaml"},
		{"a misspelt name", "freeze_window: []\n", "freeze_window: no rule reads this; they read break_glass, error_budget, freeze_calendars, freeze_windows"},
		{"the name of the rules", "release: {decision: {allow: true}}\n", "belongs to the rules"},
		{"a name given twice", "freeze_windows: [1]\nfreeze_windows: []\n", "already defined"},
		{"a second document", "max_step_permyriad: 5000\n---\nfreeze_windows: []\n", "more than one YAML document"},
		{"an alias", "requesters: &a []\nfreeze_windows: *a\n", "line 2: aliases are not allowed"},
		{"a number that is none", "max_step_permyriad: .nan\n", "policy-data.yaml"},
		{"too much", "# " + strings.Repeat("x", 1<<20), "more than 1048576 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "policy-data.yaml")
			put(t, path, test.content)
			d := decide(t, engine(t, policy.Options{DataFile: path}), question())
			if got := codes(d); d.Allow || !slices.Equal(got, []string{policy.CodeData}) {
				t.Fatalf("allow %v, denied for %q, want %s", d.Allow, got, policy.CodeData)
			}
			if !strings.Contains(d.Deny[0].Message, test.want) {
				t.Errorf("message %q, want one with %q", d.Deny[0].Message, test.want)
			}
		})
	}
}

// What the file says wrongly inside is for the rules, which know what they expect. A rule that failed
// over it, rather than denied it, would hide what the others say.
func TestDataOfAnotherShapeIsDeniedByItsTopic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy-data.json")
	for _, test := range []struct{ content, want string }{
		{"{\n\t\"freeze_windows\": [{\"starts\": \"2026-03-01\"}]\n}\n", "freeze.malformed"},
		{`{"freeze_windows": "always"}`, "freeze.malformed"},
		{`{"freeze_windows": [null, 7, "always", [], {"starts": 7, "ends": [], "reason": {}}]}`, "freeze.malformed"},
		{`{"freeze_windows": [{"starts": "2026-03-01T00:00:00Z", "ends": "2026-03-03T00:00:00Z", "reason": 7, "tenants": 7}]}`, "freeze.malformed"},
		{`{"requesters": {"tenant": "demo"}}`, "requester.malformed"},
		{`{"requesters": [null, 7, "ada", [], {"tenant": 7, "names": "ada"}]}`, "requester.malformed"},
		{`{"max_step_permyriad": "5000"}`, "step.limit_malformed"},
		{`{"max_step_permyriad": null}`, "step.limit_malformed"},
	} {
		put(t, path, test.content)
		got := slices.Compact(codes(decide(t, engine(t, policy.Options{DataFile: path}), question())))
		if !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s: denied for %q, want %s", test.content, got, test.want)
		}
	}
}
