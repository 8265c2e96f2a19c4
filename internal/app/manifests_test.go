package app

import (
	"strings"
	"testing"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/git"
	"github.com/skyisland/skyisland/internal/git/gittest"
	"github.com/skyisland/skyisland/internal/release"
)

func TestAManifestThatCannotBeReadIsRefusedForWhatIsWrongWithIt(t *testing.T) {
	for _, test := range []struct {
		name, file, content, says string
	}{
		{"there is none", "README", "hello", "the commit has no such file; add one to the root"},
		{"it is too large", activities.ManifestFile, strings.Repeat("# long\n", activities.ManifestLimit/7+1), "more than 262144 bytes, the most that is read; leave out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			repo := gittest.New(t)
			repo.Write(test.file, test.content)
			commit := repo.Commit("first")
			source, err := git.New(t.TempDir(), git.Options{})
			if err != nil {
				t.Fatal(err)
			}
			routes, err := manifests{repositories{source}}.Routes(t.Context(), release.Application{Repository: repo.Dir}, commit)
			if err != nil || len(routes.Problems) != 1 || !strings.Contains(routes.Problems.Error(), test.says) {
				t.Errorf("problems %v, %v; want %s", routes.Problems, err, test.says)
			}
		})
	}
}
