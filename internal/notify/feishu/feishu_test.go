package feishu

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/notifytest/feishutest"
	"github.com/skyisland/skyisland/internal/release"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

func TestSign(t *testing.T) {
	if timestamp, got := sign("demo-secret", time.Unix(1700000000, 0)); timestamp != "1700000000" || got != "mYHw2R2SOm8Rw/sne3lQdmz4sOfntKR+1P/8RKKTwmA=" {
		t.Errorf("sign = %s, %s", timestamp, got)
	}
}

func start(t *testing.T) (*feishutest.Server, *Channel, *time.Time) {
	t.Helper()
	now := time.Unix(1700000000, 0)
	clock := func() time.Time { return now }
	server := feishutest.New(clock, map[string]string{"tok-secret": "demo-secret", "open-token": ""})
	t.Cleanup(server.Close)
	c, err := New(Options{Now: clock, Bots: map[string]Bot{
		"ops": {URL: server.Address("tok-secret"), Secret: "demo-secret"}, "wrong": {URL: server.Address("tok-secret"), Secret: "another"},
		"gone": {URL: server.Address("gone-secret")}, "open": {URL: server.Address("open-token")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return server, c, &now
}

var id = release.ID{Lane: release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"}, Number: 3}

func TestEachNoticeIsInOneMessageAndTheLimitsAreKept(t *testing.T) {
	server, c, now := start(t)
	began := *now
	for i := 0; i < 150; {
		_, err := c.Send(t.Context(), "bot:ops", notify.Thread{}, []notify.Notice{{ID: fmt.Sprint(i), Release: id, Title: fmt.Sprintf("notice %03d.", i)}})
		var later *notify.LaterError
		if errors.As(err, &later) {
			*now = now.Add(later.After)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		i++
	}
	messages := server.Messages()
	for i := range 150 {
		if !strings.Contains(string(messages[i].Body), fmt.Sprintf("notice %03d.", i)) {
			t.Errorf("message %d is %s", i, messages[i].Body)
		}
	}
	if len(messages) != 150 || now.Sub(began) > 2*time.Minute {
		t.Errorf("%d messages in %s", len(messages), now.Sub(began))
	}
}

func TestGolden(t *testing.T) {
	server, c, _ := start(t)
	ask := release.Ask{Number: 1, Point: release.BeforeRamp, PlanHash: strings.Repeat("a1", 32), Units: []string{"a"}, Wants: []release.Approval{{Count: 1}},
		Until: time.Unix(1700003600, 0), Requester: release.Actor{Name: "<at id=all></at>"}, Commit: "0d1a26e67d8f5eaf", Changes: []release.Change{{Component: "c", To: "c-2"}}}
	n := notify.Notice{ID: "1", Release: id, Severity: notify.Critical, Title: "asks", Ask: &ask, Answer: "https://sky.example/answer", Link: "https://sky.example/r"}
	if _, err := c.Send(t.Context(), "bot:ops", notify.Thread{}, []notify.Notice{n}); err != nil {
		t.Fatal(err)
	}
	var value any
	_ = json.Unmarshal(server.Messages()[0].Body, &value)
	pretty, _ := json.MarshalIndent(value, "", "  ")
	if *updateGolden {
		_ = os.MkdirAll("testdata", 0o755)
		_ = os.WriteFile("testdata/question.json", append(pretty, '\n'), 0o644)
	}
	if want, err := os.ReadFile("testdata/question.json"); err != nil || string(want) != string(pretty)+"\n" {
		t.Errorf("testdata/question.json differs (%v); run with -update and look:\n%s", err, pretty)
	}
}

func TestALongMessageIsCutAndSaysSo(t *testing.T) {
	server, c, _ := start(t)
	for _, text := range []string{strings.Repeat(`"\`, 200), strings.Repeat("详", 130)} {
		n := notify.Notice{ID: "1", Release: id, Title: "long", Lines: make([]string, 200)}
		for i := range n.Lines {
			n.Lines[i] = text
		}
		if _, err := c.Send(t.Context(), "bot:open", notify.Thread{}, []notify.Notice{n}); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range server.Messages() {
		if len(m.Body) > 20<<10 || !strings.Contains(string(m.Body), "… and more") {
			t.Errorf("a message of %d bytes: %.100s", len(m.Body), m.Body)
		}
	}
}

func TestRefusals(t *testing.T) {
	_, c, _ := start(t)
	for target, forGood := range map[string]bool{"bot:wrong": false, "bot:gone": true, "bot:nobody": true, "else": true} {
		_, err := c.Send(t.Context(), target, notify.Thread{}, []notify.Notice{{ID: "1", Release: id, Title: "x"}})
		if err == nil || errors.Is(err, notify.ErrRefused) != forGood || strings.Contains(err.Error(), "-secret") {
			t.Errorf("Send to %s = %v, want an error, for good: %t", target, err, forGood)
		}
	}
	if _, err := New(Options{Bots: map[string]Bot{"x": {URL: "https://example.com/s3cret"}}}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("New = %v", err)
	}
}
