package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.temporal.io/sdk/log"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/workflows"
)

// released matches the heading of a released version in the changelog.
var released = regexp.MustCompile(`(?m)^## \[v?[0-9]`)

// A release under way is replayed by the next version of the program. So what released versions have
// written into histories has to be followed to the letter; a change that cannot needs workflow.GetVersion.
func TestRecordedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "histories", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		changelog, err := os.ReadFile(filepath.Join("..", "CHANGELOG.md"))
		if err != nil {
			t.Fatal(err)
		}
		if released.Match(changelog) {
			t.Fatal("a version is released, and testdata/histories has none of its histories")
		}
		t.Skip("no version is released, and no history is recorded: nothing is bound to the past")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			replayer := sdkworker.NewWorkflowReplayer()
			replayer.RegisterWorkflowWithOptions(workflows.Lane, workflow.RegisterOptions{Name: workflows.LaneType})
			replayer.RegisterWorkflowWithOptions(workflows.Release, workflow.RegisterOptions{Name: workflows.ReleaseType})
			quiet := log.NewStructuredLogger(slog.New(slog.DiscardHandler))
			if err := replayer.ReplayWorkflowHistoryFromJSONFile(quiet, file); err != nil {
				t.Errorf("%s: %v; a change of the workflows that older histories do not survive needs workflow.GetVersion", file, err)
			}
		})
	}
}
