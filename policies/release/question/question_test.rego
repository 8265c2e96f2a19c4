package release.question_test

import data.release.question

_lane := {"tenant": "demo", "application": "hello", "environment": "production"}

_release := {"lane": _lane, "number": 3}

_commit := "0123456789abcdef0123456789abcdef01234567"

_admit := {
	"version": 1,
	"gate": "admit",
	"release": _release,
	"request": {"lane": _lane, "commit": _commit},
	"at": "2026-03-02T12:00:00Z",
}

_step := object.union(_admit, {
	"gate": "step",
	"plan": {"release": _release, "commit": _commit},
	"step": {"unit": "local", "from_permyriad": 0, "to_permyriad": 500},
	"evidence": {"verdict": "pass"},
})

_codes(asked) := {denial.code | some denial in question.deny with input as asked}

# Patches are applied one at a time, so that each shows what it alone breaks.
_breaks(asked, patches, code) if {
	every patch in patches {
		_codes(json.patch(asked, [patch])) == {code}
	}
}

test_whole_questions_pass if {
	every asked in [_admit, _step, object.union(_step, {"gate": "cutover"})] {
		_codes(asked) == set()
	}
}

test_nothing_at_all_is_denied if {
	wanted := {"question.version", "question.gate", "question.clock", "question.release", "question.request", "question.plan"}
	{denial.code | some denial in question.deny} == wanted
	every asked in [{}, null, "admit", [], 1] {
		_codes(asked) == wanted
	}
}

test_another_version_is_denied if {
	_breaks(
		_admit, [
			{"op": "remove", "path": "version"},
			{"op": "replace", "path": "version", "value": 2},
			{"op": "replace", "path": "version", "value": "1"},
		],
		"question.version",
	)
}

test_an_unknown_gate_is_denied if {
	_breaks(_step, [{"op": "replace", "path": "gate", "value": "rollback"}], "question.gate")
}

test_no_clock_is_denied if {
	_breaks(
		_admit, [
			{"op": "remove", "path": "at"},
			{"op": "replace", "path": "at", "value": "noon"},
			{"op": "replace", "path": "at", "value": "0001-01-01T00:00:00Z"},
		],
		"question.clock",
	)
}

test_an_unnamed_release_is_denied if {
	_breaks(
		_admit, [
			{"op": "replace", "path": "release/number", "value": 0},
			{"op": "replace", "path": "release/number", "value": 1.5},
			{"op": "replace", "path": "release/number", "value": "3"},
		],
		"question.release",
	)
	every tenant in ["", "Demo", "a/b", 7, null] {
		named := json.patch(_admit, [
			{"op": "replace", "path": "release/lane/tenant", "value": tenant},
			{"op": "replace", "path": "request/lane/tenant", "value": tenant},
		])
		_codes(named) == {"question.release"}
	}
}

test_a_request_for_something_else_is_denied if {
	_breaks(
		_admit, [
			{"op": "remove", "path": "request"},
			{"op": "replace", "path": "request/lane/environment", "value": "staging"},
			{"op": "replace", "path": "request/commit", "value": "main"},
			{"op": "replace", "path": "request/commit", "value": 12},
		],
		"question.request",
	)
}

test_a_missing_or_foreign_plan_is_denied_once_artifacts_are_built if {
	_breaks(
		_step, [
			{"op": "remove", "path": "plan"},
			{"op": "replace", "path": "plan/release/number", "value": 4},
			{"op": "replace", "path": "plan/commit", "value": "fedcba9876543210fedcba9876543210fedcba98"},
		],
		"question.plan",
	)
}

test_a_step_without_its_weights_is_denied if {
	_breaks(
		_step, [
			{"op": "remove", "path": "step"},
			{"op": "replace", "path": "step/unit", "value": ""},
			{"op": "replace", "path": "step/from_permyriad", "value": -1},
			{"op": "replace", "path": "step/to_permyriad", "value": 10001},
			{"op": "replace", "path": "step/to_permyriad", "value": 0.5},
			{"op": "replace", "path": "step/to_permyriad", "value": "5%"},
			{"op": "remove", "path": "step/from_permyriad"},
		],
		"question.step",
	)
}

test_evidence_without_a_verdict_is_denied if {
	_breaks(
		_step, [
			{"op": "replace", "path": "evidence", "value": {}},
			{"op": "replace", "path": "evidence", "value": null},
			{"op": "replace", "path": "evidence/verdict", "value": "fine"},
		],
		"question.evidence",
	)
}

_facts := {
	"ramping": [{"release": _release, "units": ["local"]}, {"release": _release}],
	"freezes": [{"id": "1", "starts": "2026-03-02T12:00:00Z", "reason": "", "by": {"name": "ada"}, "line": true}],
	"provenance": [
		{"component": "web", "artifact": "sha256:00", "verified": true, "builder": "https://sky.example/builder"},
		{"component": "api", "artifact": "sha256:11", "verified": false, "problem": "nothing is stated"},
	],
	"foreseen": false,
}

test_facts_are_what_they_should_be if {
	every facts in [{}, _facts, object.union(_facts, {"freezes": []})] {
		_codes(object.union(_step, {"facts": facts})) == set()
	}
	_breaks(
		object.union(_step, {"facts": _facts}), [
			{"op": "replace", "path": "facts", "value": null},
			{"op": "replace", "path": "facts/ramping", "value": "none"},
			{"op": "replace", "path": "facts/ramping/0", "value": "demo/hello/production/3"},
			{"op": "replace", "path": "facts/ramping/0/units", "value": "local"},
			{"op": "remove", "path": "facts/ramping/0/release/number"},
			{"op": "replace", "path": "facts/ramping/0/release/lane/tenant", "value": ""},
			{"op": "replace", "path": "facts/freezes", "value": {}},
			{"op": "remove", "path": "facts/freezes/0/starts"},
			{"op": "remove", "path": "facts/freezes/0/by"},
			{"op": "remove", "path": "facts/freezes/0/reason"},
			{"op": "add", "path": "facts/freezes/0/ends", "value": "tomorrow"},
			{"op": "replace", "path": "facts/freezes/0/line", "value": "yes"},
			{"op": "replace", "path": "facts/provenance", "value": {}},
			{"op": "replace", "path": "facts/provenance/1", "value": "api"},
			{"op": "remove", "path": "facts/provenance/1/component"},
			{"op": "replace", "path": "facts/provenance/1/artifact", "value": ""},
			{"op": "replace", "path": "facts/provenance/0/verified", "value": "true"},
			{"op": "remove", "path": "facts/provenance/0/verified"},
			{"op": "replace", "path": "facts/foreseen", "value": "yes"},
		],
		"question.facts",
	)
}
