package policy_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/policies"
)

// A topic that nobody joins is one that nobody asks.
func TestEveryTopicIsJoinedIntoTheDecision(t *testing.T) {
	joined, err := fs.ReadFile(policies.FS, "release/release.rego")
	if err != nil {
		t.Fatal(err)
	}
	topics := 0
	err = fs.WalkDir(policies.FS, "release", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".rego" || strings.HasSuffix(name, "_test.rego") {
			return err
		}
		text, err := fs.ReadFile(policies.FS, name)
		if err != nil {
			return err
		}
		for _, part := range []string{"deny", "malformed"} {
			if !strings.Contains(string(text), "\n"+part+" contains ") {
				continue
			}
			topics++
			if topic := path.Base(path.Dir(name)); !strings.Contains(string(joined), "\t"+topic+"."+part+",\n") {
				t.Errorf("%s has %s, but release.rego does not join %s.%s", name, part, topic, part)
			}
		}
		return nil
	})
	if err != nil || topics == 0 {
		t.Errorf("%d topics, error %v", topics, err)
	}
}

// A zone that the rules know and the clock does not would be an error of every decision.
func TestEveryZoneTheRulesKnowIsThere(t *testing.T) {
	text, err := fs.ReadFile(policies.FS, "release/zone/zone.rego")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(string(text), -1)
	if len(names) < 400 {
		t.Fatalf("%d zones, want all there are", len(names))
	}
	for _, name := range names {
		if _, err := time.LoadLocation(name[1]); err != nil {
			t.Error(err)
		}
	}
}

// documented is the page that people write their data by.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

func TestEveryCodeIsDocumented(t *testing.T) {
	page, codes := documented(t), 0
	err := fs.WalkDir(policies.FS, "release", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".rego" || strings.HasSuffix(name, "_test.rego") {
			return err
		}
		text, err := fs.ReadFile(policies.FS, name)
		for _, code := range regexp.MustCompile(`(?:"code": |_denial\()"([a-z_.]+)"`).FindAllStringSubmatch(string(text), -1) {
			codes++
			if !strings.Contains(page, "`"+code[1]+"`") {
				t.Errorf("%s denies with %s, which docs/policies.md does not have", name, code[1])
			}
		}
		return err
	})
	if err != nil || codes < 50 {
		t.Errorf("%d codes, error %v", codes, err)
	}
}

func TestEveryDocumentedExampleIsValidAndEveryKeyHasOne(t *testing.T) {
	_, section, _ := strings.Cut(documented(t), "\n## What you can set")
	section, _, _ = strings.Cut(section, "\n## Codes")
	var examples []string
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(section, -1) {
		examples = append(examples, block[1])
	}
	file := filepath.Join(t.TempDir(), "policy-data.yaml")
	put(t, file, strings.Join(examples, ""))
	e := engine(t, policy.Options{DataFile: file})
	q := question()
	q.Gate, q.Plan, q.PlanHash, q.Step, q.Evidence = release.GateBuild, nil, "", nil, nil
	if d := decide(t, e, q); !d.Allow {
		t.Errorf("denied for %+v", d.Deny)
	}

	_, err := policy.New(policy.Options{Bundle: policies.FS, Data: map[string]any{"nothing": true}})
	if err == nil {
		t.Fatal("data that no rule reads were taken")
	}
	_, known, _ := strings.Cut(err.Error(), "they read ")
	for key := range strings.SplitSeq(known, ", ") {
		if !slices.ContainsFunc(examples, func(example string) bool { return strings.Contains("\n"+example, "\n"+key+":") }) {
			t.Errorf("%s has no example in docs/policies.md", key)
		}
	}
}

// The example in the package's documentation is what people copy.
func TestTheDocumentedDataIsValid(t *testing.T) {
	source, err := os.ReadFile("../../policies/embed.go")
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for line := range strings.Lines(string(source)) {
		if text, found := strings.CutPrefix(line, "//\t"); found {
			example.WriteString(text)
		}
	}
	file := filepath.Join(t.TempDir(), "policy-data.yaml")
	put(t, file, example.String())
	e := engine(t, policy.Options{DataFile: file})
	if d := decide(t, e, question()); !d.Allow {
		t.Errorf("denied for %+v", d.Deny)
	}
	q := question()
	q.At = time.Date(2026, 10, 2, 0, 0, 0, 0, time.UTC)
	if got := codes(decide(t, e, q)); !slices.Equal(got, []string{"freeze.open"}) {
		t.Errorf("during the example's freeze denied for %q, want freeze.open", got)
	}
}
