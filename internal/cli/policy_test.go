package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
)

// decided is what the rules answered to demo/shop/production/1: yes, then no for a freeze of that day, then yes by broken glass.
func decided(t testing.TB) []api.Decision {
	t.Helper()
	of := id("shop", "production", 1)
	until := noon.Add(time.Hour)
	asked := func(gate release.Gate, minute int) (time.Time, json.RawMessage) {
		question := release.Question{
			Version: release.QuestionVersion, Gate: gate, Release: of, At: noon.Add(time.Duration(minute) * time.Minute),
			Request: release.Request{
				Lane: of.Lane, Repository: "https://example.com/demo/shop.git", Ref: "refs/heads/main", Commit: strings.Repeat("a", 40),
				Requester: release.Actor{Name: "ana", Source: "github"}, At: noon,
			},
		}
		text, err := json.Marshal(question)
		if err != nil {
			t.Fatal(err)
		}
		return question.At, text
	}
	frozen := []release.Denial{{Code: "freeze.open", Message: "production is frozen", Until: &until, Hold: true}}
	answers := []api.Decision{
		{Took: release.Duration(1500 * time.Microsecond), Decision: release.Decision{ID: "d1", Allow: true}},
		{Decision: release.Decision{ID: "d2", Deny: frozen}},
		{Decision: release.Decision{ID: "d3", Allow: true, Lifted: frozen, Obligations: []release.Obligation{
			{Kind: release.ObligeApprovals, Count: 2, Before: release.BeforeRamp, From: []string{"leads"}, Reason: "tier one"},
		}}},
	}
	for i, gate := range []release.Gate{release.GateAdmit, release.GateAdmit, release.GateBuild} {
		answers[i].At, answers[i].Question = asked(gate, i)
		answers[i].Gate, answers[i].Bundle = gate, "0123456789abcdef"
	}
	return answers
}
