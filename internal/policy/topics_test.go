package policy_test

import (
	"io/fs"
	"path"
	"strings"
	"testing"

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
		if err != nil || !strings.Contains(string(text), "\ndeny contains ") {
			return err
		}
		topics++
		if topic := path.Base(path.Dir(name)); !strings.Contains(string(joined), "\t"+topic+".deny,\n") {
			t.Errorf("%s denies, but release.rego does not join %s.deny", name, topic)
		}
		return nil
	})
	if err != nil || topics == 0 {
		t.Errorf("%d topics, error %v", topics, err)
	}
}
