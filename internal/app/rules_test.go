package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/policy"
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
