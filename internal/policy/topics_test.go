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
