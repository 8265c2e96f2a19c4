package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
)

func TestTheAPITellsWhichRulesAreInForce(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data.yaml")
	if err := os.WriteFile(data, []byte("freeze_windows: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	rules, err := policy.New(policyOptions(config.Policy{Data: data}, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	i := apitest.New()
	i.KnowPolicies(rulesView{rules})
	c, err := client.New(i.Start(t, api.Info{}), apitest.Reader)
	if err != nil {
		t.Fatal(err)
	}
	info, err := c.Info(t.Context())
	if err != nil || info.Rules == nil || info.Rules.Bundle != rules.Bundle(t.Context()) || info.Rules.Since.IsZero() || !strings.Contains(info.Rules.Broken, data) {
		t.Errorf("it tells %+v, %v", info.Rules, err)
	}
}

// A source whose people the built-in rules do not know would take every event, and have each release refused.
func TestTheRulesKnowWhoeverASourceOfEventsNames(t *testing.T) {
	rules, err := policy.New(policyOptions(config.Policy{}, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	lane := release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}
	// "git" is who wrote a commit that no event told of.
	for _, source := range []string{
		intake.SourceGitHub, intake.SourceGitLab, intake.SourceGitea, intake.SourceStandard, intake.SourceSchedule, intake.SourceAPI, "git",
	} {
		decision, err := rules.Decide(t.Context(), release.Question{
			Version: release.QuestionVersion, Gate: release.GateAdmit, Release: release.ID{Lane: lane, Number: 1}, At: time.Now(),
			Request: release.Request{
				Key: "push", Lane: lane, Repository: "demo/hello", Ref: "refs/heads/main", Commit: strings.Repeat("0", 40),
				Requester: release.Actor{Name: "ada", Source: source},
			},
		})
		if err != nil || !decision.Allow {
			t.Errorf("a release that %s asks for is answered %+v, %v", source, decision.Deny, err)
		}
	}
}
