package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const taskQueue = "embedded-test"

// slowPerson takes longer to approve than the server holds a request, so the client has to ask again.
const slowPerson = "slow"

var phaseKey = temporal.NewSearchAttributeKeyKeyword("TestPhase")

func testAttributes() map[string]enums.IndexedValueType {
	return map[string]enums.IndexedValueType{
		"TestPhase":  enums.INDEXED_VALUE_TYPE_KEYWORD,
		"TestTenant": enums.INDEXED_VALUE_TYPE_KEYWORD,
		"TestCount":  enums.INDEXED_VALUE_TYPE_INT,
	}
}

// journey waits for a person, for an alarm and for a while, and does one piece of work between.
func journey(ctx workflow.Context) (string, error) {
	phase := "waiting"
	err := workflow.SetUpdateHandlerWithOptions(ctx, "approve",
		func(ctx workflow.Context, who string) (string, error) {
			if who == slowPerson {
				if err := workflow.Sleep(ctx, 1500*time.Millisecond); err != nil {
					return "", err
				}
			}
			phase = "approved by " + who
			return phase, nil
		},
		workflow.UpdateHandlerOptions{Validator: func(who string) error {
			if who == "" {
				return errors.New("an approval needs a name")
			}
			return nil
		}})
	if err != nil {
		return "", err
	}
	if err := workflow.Await(ctx, func() bool { return phase != "waiting" }); err != nil {
		return "", err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, phaseKey.ValueSet("approved")); err != nil {
		return "", err
	}
	workflow.SetCurrentDetails(ctx, "| step | weight |\n|---|---|\n| 1 | 5 % |")
	var alarm string
	workflow.GetSignalChannel(ctx, "alarm").Receive(ctx, &alarm)
	timer := workflow.NewTimerWithOptions(ctx, 10*time.Millisecond, workflow.TimerOptions{Summary: "bake step 1"})
	if err := timer.Get(ctx, nil); err != nil {
		return "", err
	}
	var done string
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Second,
		Summary:             "set weight to 5 %",
	})
	err = workflow.ExecuteActivity(ctx, work, alarm).Get(ctx, &done)
	return phase + ", " + done, err
}

func work(_ context.Context, what string) (string, error) { return "worked on " + what, nil }

// steps runs n activities one after the other.
func steps(ctx workflow.Context, n int) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	for range n {
		if err := workflow.ExecuteActivity(ctx, nothing).Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func nothing(context.Context) error { return nil }

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func startServer(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	began := time.Now()
	s, err := Start(testContext(t), o)
	require.NoError(t, err)
	t.Logf("started in %s", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		began := time.Now()
		s.Stop()
		t.Logf("stopped in %s", time.Since(began).Round(time.Millisecond))
	})
	return s
}

func connect(t testing.TB, s *Server) client.Client {
	t.Helper()
	c, err := s.Client(testContext(t), client.Options{})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func startWorker(t testing.TB, c client.Client) {
	t.Helper()
	w := newWorker(c)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
}

func newWorker(c client.Client) worker.Worker {
	w := worker.New(c, taskQueue, worker.Options{})
	for _, wf := range []any{journey, steps, reaction} {
		w.RegisterWorkflow(wf)
	}
	for _, a := range []any{work, nothing, since} {
		w.RegisterActivity(a)
	}
	return w
}

// approve starts journey under id, or finds it, and sends it an approval.
func approve(ctx context.Context, c client.Client, id, who string) (string, error) {
	start := c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                taskQueue,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword("TestTenant").ValueSet(id),
			temporal.NewSearchAttributeKeyInt64("TestCount").ValueSet(7)),
	}, journey)
	handle, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateName: "approve", Args: []any{who}, WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	if err != nil {
		return "", err
	}
	var answer string
	err = handle.Get(ctx, &answer)
	return answer, err
}

func TestServer(t *testing.T) {
	s := startServer(t, Options{
		DataFile:         filepath.Join(t.TempDir(), "temporal.db"),
		UIAddr:           "127.0.0.1:0",
		SearchAttributes: testAttributes(),
	})
	c := connect(t, s)
	startWorker(t, c)

	t.Run("a workflow goes through update with start, signal, timer and activity", func(t *testing.T) {
		ctx := testContext(t)
		answer, err := approve(ctx, c, "whole", "ada")
		require.NoError(t, err)
		require.Equal(t, "approved by ada", answer)
		require.NoError(t, c.SignalWorkflow(ctx, "whole", "", "alarm", "latency"))
		var result string
		require.NoError(t, c.GetWorkflow(ctx, "whole", "").Get(ctx, &result))
		require.Equal(t, "approved by ada, worked on latency", result)
	})
	t.Run("a validator's refusal reaches the caller and leaves no trace", func(t *testing.T) {
		ctx := testContext(t)
		_, err := approve(ctx, c, "refused", "")
		var refusal *temporal.ApplicationError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "an approval needs a name", refusal.Message())
	})
	t.Run("an update outlasts the time the server holds a request", func(t *testing.T) {
		answer, err := approve(testContext(t), c, "outlasting", slowPerson)
		require.NoError(t, err)
		require.Equal(t, "approved by "+slowPerson, answer)
	})
	t.Run("lists find workflows by search attribute", func(t *testing.T) {
		ctx := testContext(t)
		_, err := approve(ctx, c, "listed", "ada")
		require.NoError(t, err)
		require.Equal(t, "listed", awaitListed(ctx, t, c, "TestTenant = 'listed' AND TestPhase = 'approved' AND TestCount = 7"))
	})
	t.Run("summaries and current details can be read", func(t *testing.T) { testMetadata(t, c) })
	t.Run("the UI serves its page and its API", func(t *testing.T) { testUI(t, s) })
	t.Run("a second stop does nothing", func(t *testing.T) {
		began := time.Now()
		s.Stop()
		t.Logf("stopped with a worker and a client connected in %s", time.Since(began))
		s.Stop()
		require.NoError(t, s.Err())
		_, err := net.DialTimeout("tcp", s.FrontendHostPort(), time.Second)
		require.Error(t, err)
	})
}

// awaitListed returns the workflow a query finds. Lists lag behind by the time a task takes.
func awaitListed(ctx context.Context, t *testing.T, c client.Client, query string) string {
	t.Helper()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for {
		found, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		require.NoError(t, err)
		if len(found.GetExecutions()) > 0 {
			return found.GetExecutions()[0].GetExecution().GetWorkflowId()
		}
		select {
		case <-ctx.Done():
			t.Fatalf("nothing found for %s", query)
		case <-pause.C:
		}
	}
}

func testMetadata(t *testing.T, c client.Client) {
	ctx := testContext(t)
	_, err := approve(ctx, c, "described", "ada")
	require.NoError(t, err)

	answer, err := c.QueryWorkflow(ctx, "described", "", "__temporal_workflow_metadata")
	require.NoError(t, err)
	var metadata sdkpb.WorkflowMetadata
	require.NoError(t, answer.Get(&metadata))
	require.Contains(t, metadata.GetCurrentDetails(), "| step | weight |")

	require.NoError(t, c.SignalWorkflow(ctx, "described", "", "alarm", "latency"))
	require.NoError(t, c.GetWorkflow(ctx, "described", "").Get(ctx, nil))
	summaries := map[enums.EventType]string{}
	events := c.GetWorkflowHistory(ctx, "described", "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		if payload := event.GetUserMetadata().GetSummary(); payload != nil {
			summaries[event.GetEventType()] = text(t, payload)
		}
	}
	require.Equal(t, map[enums.EventType]string{
		enums.EVENT_TYPE_TIMER_STARTED:           "bake step 1",
		enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "set weight to 5 %",
	}, summaries)
}

func text(t *testing.T, payload *commonpb.Payload) string {
	t.Helper()
	var s string
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(payload, &s))
	return s
}

func testUI(t *testing.T, s *Server) {
	get := func(path, host string) (*http.Response, string) {
		request, err := http.NewRequestWithContext(testContext(t), http.MethodGet, s.UIURL()+path, nil)
		require.NoError(t, err)
		if host != "" {
			request.Host = host
		}
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response, string(body)
	}
	response, body := get("/", "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Contains(t, response.Header.Get("Content-Type"), "text/html")
	require.Contains(t, body, "<html")

	response, body = get("/api/v1/namespaces", "")
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	var listed struct {
		Namespaces []struct {
			NamespaceInfo struct{ Name string }
			Config        struct {
				Retention string `json:"workflowExecutionRetentionTtl"`
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &listed))
	retention := map[string]string{}
	for _, n := range listed.Namespaces {
		retention[n.NamespaceInfo.Name] = n.Config.Retention
	}
	require.Equal(t, "2592000s", retention["default"], body)

	response, _ = get("/api/v1/releases", "")
	require.Equal(t, http.StatusNotFound, response.StatusCode, "the check for releases would call the internet")
	response, _ = get("/api/v1/namespaces", "attacker.example")
	require.Equal(t, http.StatusMisdirectedRequest, response.StatusCode)
}
