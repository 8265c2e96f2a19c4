package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/cli"
)

func TestAReplayGoesOnPastWhatItCannotRead(t *testing.T) {
	i := installation()
	decisions := decided(t)
	for n, question := range []string{`{"release": 7}`, `{}`} {
		bad := decisions[0]
		bad.ID, bad.Question = "bad-"+string(rune('a'+n)), json.RawMessage(question)
		decisions = append(decisions, bad)
	}
	i.SetDecisions(id("shop", "production", 1), decisions...)
	// Also when nothing else is to be told.
	alone := installation()
	alone.SetDecisions(id("shop", "production", 1), decisions[3])
	out, errs := newOutput(), newOutput()
	if code := cli.Run(t.Context(), surroundings(t, alone.Start(t, info()), out, errs), []string{"policy", "replay", "--since", "9999d"}); code != 3 {
		t.Errorf("with nothing but what it cannot read, exit code %d, want 3\n%s%s", code, out, errs)
	}
	server := i.Start(t, info())
	out = newOutput()
	code := cli.Run(t.Context(), surroundings(t, server, out, errs), []string{"policy", "replay", "--since", "9999d"})
	if code != 3 {
		t.Errorf("exit code %d, want 3\n%s", code, errs)
	}
	for _, want := range []string{
		"admit: no → yes",
		"decision bad-a  admit: not replayed: the recorded question cannot be read",
		"decision bad-b  admit: not replayed: the recorded question cannot be read: it has no version",
		"2 of the decisions could not be replayed",
		"5 decisions, 2 would change",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	out = newOutput()
	if code := cli.Run(t.Context(), surroundings(t, server, out, errs), []string{"policy", "replay", "--since", "9999d", "-o", "json"}); code != 3 {
		t.Errorf("as JSON, exit code %d", code)
	}
	var told struct {
		Unreadable []struct{ ID, Gate, Why string }
	}
	if err := json.Unmarshal([]byte(out.String()), &told); err != nil || len(told.Unreadable) != 2 || told.Unreadable[0].ID != "bad-a" || told.Unreadable[0].Why == "" {
		t.Errorf("as JSON it tells %+v, %v", told, err)
	}
}
