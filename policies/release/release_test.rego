package release_test

_lane := {"tenant": "demo", "application": "hello", "environment": "production"}

_digest := "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

_commit := "0123456789abcdef0123456789abcdef01234567"

_question := {
	"version": 1,
	"gate": "step",
	"release": {"lane": _lane, "number": 2},
	"request": {"lane": _lane, "commit": _commit, "requester": {"name": "ada", "source": "github"}},
	"plan": {
		"release": {"lane": _lane, "number": 2},
		"commit": _commit,
		"units": ["local"],
		"moves": [{
			"component": "web",
			"stable": {"id": "web-1"},
			"candidate": {"id": "web-2", "artifact": concat("", ["sha256:", _digest])},
		}],
		"steps": [{"weight": "5%"}, {"weight": "50%"}],
		"freeze": "hold",
	},
	"plan_hash": _digest,
	"step": {"unit": "local", "from_permyriad": 0, "to_permyriad": 500},
	"at": "2026-03-02T12:00:00Z",
}

_window := {"starts": "2026-03-01T00:00:00Z", "ends": "2026-03-03T00:00:00Z", "reason": "stock-taking"}

test_no_reason_against_is_a_yes if {
	decision := data.release.decision with input as _question
	decision == {"allow": true, "deny": set(), "obligations": set()}
}

test_without_input_the_answer_is_no if {
	decision := data.release.decision
	not decision.allow
}

test_one_reason_against_is_a_no if {
	decision := data.release.decision with input as _question with data.freeze_windows as [_window]
	not decision.allow
	{denial.code | some denial in decision.deny} == {"freeze.open"}
}

test_every_topic_is_joined if {
	asked := json.patch(_question, [
		{"op": "remove", "path": "version"},
		{"op": "remove", "path": "plan_hash"},
		{"op": "remove", "path": "request/requester"},
		{"op": "replace", "path": "step/to_permyriad", "value": 700},
	])
	decision := data.release.decision with input as asked with data.freeze_windows as [_window]
	{denial.code | some denial in decision.deny} == {
		"question.version",
		"artifact.plan_hash",
		"requester.unidentified",
		"step.unplanned",
		"step.skipped",
		"freeze.open",
	}
}
