package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	enums "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/skyisland/skyisland/test/island"
	"github.com/skyisland/skyisland/workflows"
)

// record writes the histories that the workflows' replay test reads. They are recorded from what is
// released, so that a change that older releases under way would not survive is found.
var record = flag.Bool("update", false, "record workflows/testdata/histories anew")

// recorded are the workflows of the shared island whose histories are kept, by file.
func recorded() map[string]string {
	out := map[string]string{"lane": "lane/e2e/alarm/production"}
	for file, id := range map[string]string{
		"group":              "group/production/2",
		"failed":             "gates/production/2",
		"refused":            "refused/production/2",
		"denied":             "denied/production/1",
		"aborted-in-ramp":    "abort/production/2",
		"alarm-in-ramp":      "alarm/production/2",
		"alarm-in-watch":     "alarm-in-watch/production/2",
		"superseded":         "supersede/production/2",
		"promoted":           "queue/production/2",
		"approved":           "approval/production/2",
		"rejected":           "approval/production/3",
		"paused-and-resumed": "pause/production/2",
		"held-by-a-freeze":   "frozen/production/1",
		"unchanged":          "unchanged/production/2",
	} {
		out[file] = "release/e2e/" + id
	}
	return out
}

// histories replays every history of an island: code that is not deterministic is found here, and not in
// an installation that restarts. With -update it keeps some of them, by file.
func histories(t *testing.T, i *island.Island, kept map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), island.Patience)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{HostPort: i.Temporal, Namespace: "default", Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(workflows.Lane, workflow.RegisterOptions{Name: workflows.LaneType})
	replayer.RegisterWorkflowWithOptions(workflows.Release, workflow.RegisterOptions{Name: workflows.ReleaseType})
	replayed := map[string]*historypb.History{}
	for page := []byte(nil); ; {
		list, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{NextPageToken: page})
		if err != nil {
			t.Fatal(err)
		}
		for _, execution := range list.GetExecutions() {
			id := execution.GetExecution().GetWorkflowId()
			history := historyOf(ctx, t, c, id, execution.GetExecution().GetRunId())
			if err := replayer.ReplayWorkflowHistory(quiet{}, history); err != nil {
				t.Errorf("%s does not replay: %v", id, err)
			}
			replayed[id] = history
		}
		if page = list.GetNextPageToken(); len(page) == 0 {
			break
		}
	}
	if len(replayed) == 0 {
		t.Error("there are no histories")
	}
	if *record {
		keep(t, replayer, replayed, kept)
	}
}

func historyOf(ctx context.Context, t *testing.T, c client.Client, id, run string) *historypb.History {
	t.Helper()
	history := &historypb.History{}
	events := c.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		history.Events = append(history.Events, event)
	}
	return history
}

func keep(t *testing.T, replayer worker.WorkflowReplayer, all map[string]*historypb.History, kept map[string]string) {
	t.Helper()
	dir := filepath.Join("..", "..", "workflows", "testdata", "histories")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, id := range kept {
		history, there := all[id]
		if !there {
			t.Errorf("%s is not recorded: there is no workflow %s", name, id)
			continue
		}
		data, err := protojson.Marshal(history)
		if err != nil {
			t.Fatal(err)
		}
		// The spaces that protojson writes differ from build to build.
		var text bytes.Buffer
		if err := json.Indent(&text, data, "", " "); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name+".json")
		if err := os.WriteFile(file, append(text.Bytes(), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := replayer.ReplayWorkflowHistoryFromJSONFile(quiet{}, file); err != nil {
			t.Errorf("%s does not replay from its file: %v", name, err)
		}
	}
}

// quiet is a log of what has been logged once already, when it happened.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
