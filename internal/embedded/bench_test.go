package embedded

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"
)

// benchActivities is the length of the workflow that others compare with: about as many activities
// as a release with nothing to wait for.
const benchActivities = 20

// reaction answers each signal with an activity, which takes when the signal was sent.
func reaction(ctx workflow.Context, signals int) ([]time.Duration, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	var took []time.Duration
	for range signals {
		var sent int64
		workflow.GetSignalChannel(ctx, "alarm").Receive(ctx, &sent)
		var d time.Duration
		if err := workflow.ExecuteActivity(ctx, since, sent).Get(ctx, &d); err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	return took, nil
}

func since(_ context.Context, sent int64) (time.Duration, error) {
	return time.Duration(time.Now().UnixNano() - sent), nil
}

// BenchmarkBareActivities runs one workflow after the other, each of benchActivities activities that
// do nothing. It reports milliseconds an activity, median and slowest hundredth, by the server's own
// times of start and end: a client that waits for the end can hear of it late, see settings.
func BenchmarkBareActivities(b *testing.B) {
	s := startServer(b, Options{DataFile: filepath.Join(b.TempDir(), "temporal.db")})
	c := connect(b, s)
	startWorker(b, c)
	ctx := context.Background()
	run := func(id string) time.Duration {
		r, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: taskQueue}, steps, benchActivities)
		require.NoError(b, err)
		require.NoError(b, r.Get(ctx, nil))
		d, err := c.DescribeWorkflowExecution(ctx, id, "")
		require.NoError(b, err)
		info := d.GetWorkflowExecutionInfo()
		return info.GetCloseTime().AsTime().Sub(info.GetStartTime().AsTime())
	}
	run("warm-up")
	var took []time.Duration
	for b.Loop() {
		took = append(took, run(fmt.Sprintf("bare-%d", len(took))))
	}
	report(b, took, benchActivities, "ms/activity")
}

// BenchmarkSignalToActivity reports the milliseconds from sending a signal to the first line of the
// activity that the workflow starts for it.
func BenchmarkSignalToActivity(b *testing.B) {
	s := startServer(b, Options{DataFile: filepath.Join(b.TempDir(), "temporal.db")})
	c := connect(b, s)
	startWorker(b, c)
	ctx := context.Background()
	const each = 20
	var took []time.Duration
	for b.Loop() {
		id := fmt.Sprintf("reaction-%d", len(took))
		r, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: taskQueue}, reaction, each)
		require.NoError(b, err)
		for range each {
			require.NoError(b, c.SignalWorkflow(ctx, id, "", "alarm", time.Now().UnixNano()))
			// Lets the workflow become idle, as it is when an alarm comes.
			time.Sleep(20 * time.Millisecond) //nolint:forbidigo // nothing tells when a workflow is idle
		}
		var some []time.Duration
		require.NoError(b, r.Get(ctx, &some))
		took = append(took, some...)
	}
	report(b, took, 1, "ms")
}

func report(b *testing.B, took []time.Duration, per int, unit string) {
	slices.Sort(took)
	ms := func(q float64) float64 {
		at := min(int(q*float64(len(took))), len(took)-1)
		return float64(took[at]) / float64(time.Millisecond) / float64(per)
	}
	b.ReportMetric(ms(0.5), "p50-"+unit)
	b.ReportMetric(ms(0.99), "p99-"+unit)
	b.ReportMetric(0, "ns/op")
}
