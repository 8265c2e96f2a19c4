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
	decision == {"allow": true, "deny": set(), "lifted": set(), "obligations": set()}
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

# Whoever measures the budget, and two people of one group, in data that switch on every topic.
_everything := {
	"break_glass": {"groups": ["incident-commanders"], "lifts": ["freeze.open", "hours.closed", "tier.approvals"]},
	"error_budget": [{"left_percent": 1, "least_percent": 10}],
	"freeze_windows": [_window],
	"hours": [{"time_zone": "UTC", "days": ["sun"], "from": "00:00", "to": "24:00"}],
	"max_ramping": 1,
	"overriders": [{"from": ["release-managers"]}],
	"provenance": [{}],
	"repositories": [{"from": ["https://github.com/demo/*"]}],
	"separation": {"requester": true},
	"tiers": {"critical": [{}]},
	"tier_rules": {"critical": {"approvals": [{"count": 1, "before": "ramp"}]}},
}

_decided(asked, prepared) := decision if {
	decision := data.release.decision with input as asked
		with data.release.prepared as prepared
		with data.break_glass as _everything.break_glass
		with data.error_budget as _everything.error_budget
		with data.freeze_windows as _everything.freeze_windows
		with data.hours as _everything.hours
		with data.max_ramping as _everything.max_ramping
		with data.overriders as _everything.overriders
		with data.provenance as _everything.provenance
		with data.repositories as _everything.repositories
		with data.separation as _everything.separation
		with data.tiers as _everything.tiers
		with data.tier_rules as _everything.tier_rules
}

_codes(denials) := {denial.code | some denial in denials}

_full := object.union(_question, {"facts": {"ramping": [{"release": {"lane": _lane, "number": 1}, "units": ["local"]}]}})

_held := {"error_budget.spent", "freeze.open", "hours.closed", "concurrency.full"}

test_every_topic_has_its_say if {
	_codes(_decided(_full, {}).deny) == _held | {"artifact.repository", "tier.approvals"}
	_codes(_decided(object.union(_full, {"gate": "deploy"}), {}).deny) == {
		"artifact.repository",
		"error_budget.spent",
		"freeze.open",
		"hours.closed",
		"provenance.unknown",
		"tier.approvals",
	}
	_codes(_decided(object.union(_full, {"gate": "override", "by": {"name": "bob", "source": "api"}}), {}).deny) == {
		"artifact.repository",
		"override.not_allowed",
	}
	_codes(_decided(object.union(_full, {"gate": "approve", "by": {"name": "Ada", "source": "slack"}}), {}).deny) == {
		"artifact.repository",
		"approval.requester",
	}
}

test_obligations_come_with_the_build if {
	decision := _decided(object.union(_question, {"gate": "build", "request": {"repository": "https://github.com/demo/hello"}}), {})
	decision.allow
	decision.obligations == {{"kind": "approvals", "count": 1, "before": "ramp", "reason": "tier critical"}}
}

_broken := object.union(_full, {"break_glass": {
	"by": {"name": "bob", "source": "api", "groups": ["incident-commanders"]},
	"second": {"name": "cleo", "source": "slack", "groups": ["incident-commanders"]},
	"reason": "people cannot pay",
	"at": "2026-03-02T11:00:00Z",
}})

test_what_two_people_lift_is_told_apart if {
	decision := _decided(_broken, {})
	not decision.allow
	_codes(decision.lifted) == {"freeze.open", "hours.closed", "tier.approvals"}
	_codes(decision.deny) == {"artifact.repository", "concurrency.full", "error_budget.spent"}
}

test_a_lifted_rule_is_a_yes if {
	glass := {"groups": ["incident-commanders"], "lifts": ["freeze.open"]}
	decision := data.release.decision with input as _broken
		with data.freeze_windows as [_window]
		with data.break_glass as glass
	decision.allow
	decision.deny == set()
	_codes(decision.lifted) == {"freeze.open"}
}

test_breaking_the_glass_is_asked_too if {
	asked := object.union(_broken, {"gate": "override", "breaking": true, "by": {"name": "cleo", "source": "slack"}})
	_codes(_decided(asked, {}).deny) == {"artifact.repository"}
	decision := data.release.decision with input as asked
	_codes(decision.deny) == {"break_glass.off"}
}

test_what_was_prepared_comes_to_the_same if {
	prepared := data.release.prepare with data.freeze_windows as [_window]
		with data.release.prepared as {}
	_decided(_full, prepared) == _decided(_full, {})
	malformed := data.release.prepare with data.hours as "always"
	decision := data.release.decision with input as _question
		with data.release.prepared as malformed
	_codes(decision.deny) == {"hours.malformed"}
}

test_a_freeze_is_asked_about_without_a_release if {
	asked := {"version": 1, "gate": "lift", "at": _question.at, "by": {"name": "bob", "source": "api"}, "freeze": {"reason": "no"}}
	decision := data.release.decision with input as asked
	decision.allow
	limited := data.release.decision with input as asked with data.freezers as [{"from": ["ada"]}]
	_codes(limited.deny) == {"freezers.not_allowed"}
	malformed := data.release.decision with input as asked with data.hours as "always"
	_codes(malformed.deny) == {"hours.malformed"}
}
