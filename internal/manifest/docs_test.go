package manifest

import (
	"os"
	"strings"
	"testing"
)

func TestTheManifestsInTheDocumentationOfBuildsAreRight(t *testing.T) {
	text, err := os.ReadFile("../../docs/builds.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		if !strings.HasPrefix(block, "apiVersion:") {
			continue
		}
		found++
		if _, err := Read(FileName, []byte(block)); err != nil {
			t.Errorf("%v in\n%s", err, block)
		}
	}
	if found < 2 {
		t.Errorf("found %d manifests, want one for each way", found)
	}
}
