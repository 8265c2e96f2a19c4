package bench_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/notify/notifytest/slacktest"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

// pressBar is the time from a button to the workflow that goes on (issue: button press to workflow resumed).
const pressBar = 100 * time.Millisecond

const (
	pressRoom   = "C0000000001"
	pressPerson = "U0000000ADA"
	pressConfig = `
directory: people.yaml
slack: {bot-token: xoxb-test-token, app-token: xapp-1-test-token, api: %q}
notify: {rules: [{to: ["slack:C0000000001"], events: [asked]}]}
`
	pressPeople = "unknown: accept\npeople: [{name: ada, slack: U0000000ADA, groups: [managers]}]\n"
)

// benchPress lets a person approve one release after the other in Slack, over Socket Mode, and measures from sending the
// form to the moment at which the release goes on: it asks the rules about its first weight. The moment is the server's,
// from the history; looking at the release all the time would be load of its own.
func benchPress(b *testing.B, r *report) {
	slack := slacktest.New(slacktest.Options{
		Now: time.Now, BotToken: "xoxb-test-token", AppToken: "xapp-1-test-token", Channels: []string{pressRoom}, Members: []string{pressPerson}, Command: "/skyisland",
	})
	defer slack.Close()
	data := b.TempDir()
	require.NoError(b, os.WriteFile(filepath.Join(data, "config.yaml"), fmt.Appendf(nil, pressConfig, slack.APIURL()), 0o600))
	require.NoError(b, os.WriteFile(filepath.Join(data, "people.yaml"), []byte(pressPeople), 0o600))
	world := island.Start(b, island.Options{Data: data})
	temporal, err := client.Dial(client.Options{HostPort: world.Temporal, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(b, err)
	defer temporal.Close()
	repo := world.Repo(b, "bench", "press")
	repo.Release(island.Version("stable")).WaitEnd(release.Completed)
	var took []time.Duration
	for b.Loop() {
		for n := range *presses {
			m := island.Version(fmt.Sprintf("candidate %d", n)).With("approval: {before: ramp, from: [managers], within: 1h}")
			m.Ramp = fmt.Sprintf(longRamp, "5%")
			under := repo.Release(m)
			under.Wait("a question to people", func(s release.Status) bool { return s.Ask != nil })
			began := press(b, world, slack, under)
			under.WaitPhase(release.Ramping)
			took = append(took, wentOnAt(b, temporal, under.ID).Sub(began))
			under.Instruct(dispatch.Abort)
			under.WaitEnd(release.RolledBack)
		}
	}
	p99 := quantile(took, 0.99)
	r.judge("button in Slack to the release that goes on, p99", "< 100 ms", p99 < pressBar,
		"%.0f ms (p50 %.0f ms; %d presses)", ms(p99), ms(median(took)), len(took))
	b.ReportMetric(ms(median(took)), "p50-ms")
	b.ReportMetric(ms(p99), "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// press answers a release's question, and returns when it did.
func press(b *testing.B, world *island.Island, slack *slacktest.Server, under *island.Release) time.Time {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	var message slacktest.Message
	world.Eventually("a question in Slack", func() error {
		for _, m := range slack.Messages() {
			if strings.Contains(string(m.Raw), under.ID.String()) {
				message = m
				return nil
			}
		}
		return fmt.Errorf("nothing about %s", under.ID)
	})
	forms := len(slack.Views())
	_, err := slack.Push(ctx, slack.Envelope(), slack.Click(pressPerson, message, "skyisland.approve"))
	require.NoError(b, err)
	world.Eventually("a form", func() error {
		if len(slack.Views()) == forms {
			return fmt.Errorf("%d forms", forms)
		}
		return nil
	})
	form := slack.Submit(pressPerson, slack.Views()[forms], "fine")
	began := time.Now()
	_, err = slack.Push(ctx, slack.Envelope(), form)
	require.NoError(b, err)
	return began
}

// wentOnAt is when a release asked the rules for the second time after the approval came: first about the approval, then
// about its first weight.
func wentOnAt(b *testing.B, c client.Client, id release.ID) time.Time {
	b.Helper()
	approved, asked := false, 0
	events := c.GetWorkflowHistory(b.Context(), id.WorkflowID(), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(b, err)
		switch {
		case event.GetWorkflowExecutionUpdateAcceptedEventAttributes() != nil:
			approved = true
		case approved && event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == "Decide":
			if asked++; asked == 2 {
				return event.GetEventTime().AsTime()
			}
		}
	}
	b.Fatalf("release %s did not go on", id)
	return time.Time{}
}
