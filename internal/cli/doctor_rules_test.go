package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/cli"
)

func TestDoctorSaysWhichRulesAnswer(t *testing.T) {
	since := noon.Add(time.Hour)
	in := api.Rules{From: "https://rules.example/b", Bundle: "0123456789abcdef", Since: noon}
	refused, away, broken, named := in, in, in, in
	named.Revision = "release-42"
	refused.Refused = &api.RefusedRules{Tag: `"e1"`, Revision: "release-43", Why: "a.rego:1: it is no rule", Since: since}
	away.Unreached, away.UnreachedSince = "it answers 502", &since
	broken.Broken = "policy data d.yaml cannot be used"
	for name, c := range map[string]struct {
		rules api.Rules
		want  string
	}{
		"in force":    {in, "ok    policies  bundle 0123456789abcdef in force since 2026-03-01T12:00:00Z, rules of https://rules.example/b\n"},
		"built in":    {api.Rules{Bundle: "0", Since: noon}, "rules of the program itself\n"},
		"named":       {named, "ok    policies  bundle 0123456789abcdef (release-42) in force"},
		"refused":     {refused, `warn  policies  the rules with ETag "e1" (release-43) are refused since 2026-03-01T13:00:00Z: a.rego:1: it is no rule` + "\n"},
		"away":        {away, "warn  policies  the rules cannot be looked at since 2026-03-01T13:00:00Z: it answers 502\n"},
		"broken data": {broken, "fail  policies  policy data d.yaml cannot be used\n"},
	} {
		t.Run(name, func(t *testing.T) {
			told := info()
			told.GitRemote, told.Rules = "", &c.rules
			out, errs := newOutput(), newOutput()
			cli.Run(t.Context(), surroundings(t, installation().Start(t, told), out, errs), []string{"doctor"})
			if !strings.Contains(out.String(), c.want) {
				t.Errorf("want %q in\n%s%s", c.want, out, errs)
			}
		})
	}
}
