package release.requester_test

import data.release.requester

_ada := {"name": "ada", "source": "github", "groups": ["release-managers"]}

_lane := {"tenant": "fliggy", "application": "rail-tour", "environment": "production"}

_asks(gate, actor) := {"gate": gate, "release": {"lane": _lane, "number": 1}, "request": {"requester": actor}}

_override(actor) := object.union(_asks("override", _ada), {"by": actor})

_codes(asked) := {denial.code | some denial in requester.deny with input as asked}

_listed(asked, entries) := {denial.code |
	some denial in requester.deny with input as asked with data.requesters as entries
}

_malformed(entries) := {denial.code |
	some denial in requester.malformed with data.requesters as entries
}

test_an_identified_requester_passes_at_every_gate if {
	every gate in ["admit", "build", "deploy", "press", "approve", "step", "cutover"] {
		_codes(_asks(gate, _ada)) == set()
	}
}

test_a_requester_without_name_or_source_is_denied if {
	every actor in [
		{}, null, "ada", [], {"name": "ada"}, {"source": "github"},
		{"name": "", "source": "github"}, {"name": " ", "source": "github"}, {"name": "ada", "source": ""},
		{"name": 1, "source": "github"}, {"name": "ada", "source": null},
	] {
		_codes(_asks("admit", actor)) == {"requester.unidentified"}
	}
	_codes({}) == {"requester.unidentified"}
}

test_a_source_nobody_vouches_for_is_denied if {
	denials := requester.deny with input as _asks("admit", {"name": "ada", "source": "rumour"})
	denials == {{
		"code": "requester.unknown_source",
		"msg": concat("", [
			"ada comes from rumour, which is none of alarm, api, cron, dingtalk, feishu, git, gitea, github, gitlab, ",
			"page, slack, standard, system",
		]),
	}}
}

test_whoever_a_source_of_events_vouches_for_may_ask if {
	every source in ["api", "cron", "git", "gitea", "github", "gitlab", "standard"] {
		_codes(_asks("admit", {"name": "ada", "source": source})) == set()
	}
}

test_an_override_needs_somebody if {
	_codes(_override(_ada)) == set()
	_codes(_asks("override", _ada)) == {"requester.unidentified"}
	_codes(_override({"name": "ada"})) == {"requester.unidentified"}
	_codes(_override({"name": "ada", "source": "rumour"})) == {"requester.unknown_source"}
}

test_without_entries_everybody_may_ask if {
	_listed(_asks("admit", _ada), []) == set()
}

test_entries_of_others_do_not_restrict if {
	_listed(_asks("admit", _ada), [
		{"tenant": "other", "names": ["bob"]},
		{"tenant": "fliggy", "application": "hotels", "names": ["bob"]},
	]) == set()
}

test_those_an_entry_means_may_ask if {
	every entry in [
		{"tenant": "fliggy", "names": ["bob", "ada"]},
		{"tenant": "fliggy", "application": "rail-tour", "groups": ["release-managers"]},
		{"tenant": "fliggy", "sources": ["github"]},
		{"tenant": "fliggy", "names": ["ada"], "groups": ["nobody"], "sources": ["api", "github"]},
	] {
		_listed(_asks("admit", _ada), [{"tenant": "fliggy", "names": ["eve"]}, entry]) == set()
	}
}

test_others_may_not if {
	every entry in [
		{"tenant": "fliggy", "names": ["bob"]},
		{"tenant": "fliggy", "groups": ["testers"]},
		{"tenant": "fliggy", "sources": ["api"]},
		{"tenant": "fliggy", "names": ["ada"], "sources": ["api"]},
	] {
		_listed(_asks("admit", _ada), [entry]) == {"requester.not_allowed"}
		_listed(_override(_ada), [entry]) == {"requester.not_allowed"}
	}
}

test_the_refusal_names_who_and_what if {
	denials := requester.deny with input as _asks("admit", _ada)
		with data.requesters as [{"tenant": "fliggy", "names": ["bob"]}]
	denials == {{
		"code": "requester.not_allowed",
		"msg": "ada (github) may not ask for releases of fliggy/rail-tour",
	}}
}

test_breaking_the_glass_is_for_another_topic if {
	asked := object.union(_override({"name": "bob", "source": "slack"}), {"breaking": true})
	_listed(asked, [{"tenant": "fliggy", "names": ["ada"]}]) == set()
	_codes(json.patch(asked, [{"op": "remove", "path": "by"}])) == {"requester.unidentified"}
}

# Taking somebody off the list stops the next release, and does not roll back the one under way.
test_the_list_is_asked_at_admission_and_override_only if {
	every gate in ["build", "deploy", "press", "approve", "step", "cutover"] {
		_listed(_asks(gate, _ada), [{"tenant": "fliggy", "names": ["bob"]}]) == set()
	}
}

test_what_is_no_list_is_malformed if {
	every requesters in [null, false, "ada", {"tenant": "fliggy"}] {
		_malformed(requesters) == {"requester.malformed"}
	}
}

test_an_entry_that_is_no_rule_is_malformed if {
	every entry in [
		null, "ada", {}, {"names": ["ada"]}, {"tenant": "fliggy"}, {"tenant": "", "names": ["ada"]},
		{"tenant": "fliggy", "names": "ada"}, {"tenant": "fliggy", "names": []},
		{"tenant": "fliggy", "names": [1]}, {"tenant": "fliggy", "names": false}, {"tenant": "fliggy", "groups": null},
		{"tenant": "fliggy", "application": null, "names": ["ada"]},
		{"tenant": "fliggy", "name": "ada", "names": ["ada"]},
	] {
		_malformed([{"tenant": "fliggy", "names": ["ada"]}, entry]) == {"requester.malformed"}
	}
}
