package intake

import "testing"

func TestAnEventSaysWhatItIsAbout(t *testing.T) {
	for _, test := range []struct {
		source, kind, sample string
		want                 About
	}{
		{SourceGitHub, "push", "github-push", About{Repository: "acme/checkout", Ref: "refs/heads/main", Commit: commitB, Who: "mona"}},
		{SourceGitLab, "push", "gitlab-push", About{Repository: "acme/checkout", Ref: "refs/heads/main", Commit: commitB, Who: "mona"}},
		{SourceGitHub, "check_run", "github-check_run-abort", About{Repository: "acme/checkout", Application: "acme/checkout", Commit: commitB, Who: "mona"}},
		{SourceGitHub, "ping", "github-ping", About{}},
	} {
		if got := Describe(Event{Source: test.source, Kind: test.kind, Body: []byte(sample(t, test.sample))}); got != test.want {
			t.Errorf("%s is about %+v, want %+v", test.sample, got, test.want)
		}
	}
	for source, test := range map[string]struct {
		body string
		want About
	}{
		SourceAPI: {
			`{"tenant":"acme","application":"checkout","ref":"main","by":{"name":"olga","source":"api"}}`,
			About{Application: "acme/checkout", Ref: "main", Who: "olga"},
		},
		SourceSchedule: {`{"schedule":"nightly","tenant":"acme","application":"checkout","branch":"main"}`, About{Application: "acme/checkout", Ref: "refs/heads/main", Who: "nightly"}},
		sourcePromotion: {
			`{"release":{"lane":{"tenant":"acme","application":"checkout","environment":"staging"},"number":3},"commit":"` + commitA + `","requester":{"name":"ada","source":"github"}}`,
			About{Application: "acme/checkout", Commit: commitA, Who: "ada"},
		},
		SourceGitHub: {"", About{}},
	} {
		if got := Describe(Event{Source: source, Kind: kindRelease, Body: []byte(test.body)}); got != test.want {
			t.Errorf("%s is about %+v, want %+v", source, got, test.want)
		}
	}
}
