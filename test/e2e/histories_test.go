package e2e

import (
	"context"
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
		"first-release":      "timetable/production/1",
		"completed":          "timetable/production/2",
		"rolled-back":        "timetable/production/3",
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

// histories replays every history that the tests before it have made: code that is not deterministic is
// found here, and not in an installation that restarts.
func histories(t *testing.T, i *island.Island) {
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
	if len(replayed) < 10 {
		t.Errorf("%d histories, want those of every test", len(replayed))
	}
	if *record && i.Units[len(i.Units)-1].Name == unitB {
		keep(t, replayed)
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

func keep(t *testing.T, all map[string]*historypb.History) {
	t.Helper()
	dir := filepath.Join("..", "..", "workflows", "testdata", "histories")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, id := range recorded() {
		history, there := all[id]
		if !there {
			t.Errorf("%s is not recorded: there is no workflow %s", name, id)
			continue
		}
		data, err := protojson.MarshalOptions{Indent: " "}.Marshal(history)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".json"), append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// quiet is a log of what has been logged once already, when it happened.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
