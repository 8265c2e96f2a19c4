package release.freezers_test

import data.release.freezers

_ada := {"name": "ada-l", "source": "slack", "person": "ada", "groups": ["release-managers"]}

_bob := {"name": "bob", "source": "api"}

_freeze := {
	"reason": "the till is down",
	"by": _bob,
	"tenants": ["demo"],
	"applications": ["hello"],
}

_asks(gate, by, freeze) := {"version": 1, "gate": gate, "at": "2026-03-02T12:00:00Z", "by": by, "freeze": freeze}

_codes(asked, list) := {denial.code | some denial in freezers.deny with input as asked with data.freezers as list}

_managers := [{"from": ["release-managers"]}]

_refused := {"freezers.not_allowed"}

test_without_data_everybody_may if {
	every gate in ["freeze", "lift"] {
		count(freezers.deny) == 0 with input as _asks(gate, _bob, _freeze)
		_codes(_asks(gate, _bob, _freeze), []) == set()
	}
}

test_who_is_let_in_may if {
	every gate in ["freeze", "lift"] {
		_codes(_asks(gate, _ada, _freeze), _managers) == set()
		_codes(_asks(gate, _ada, _freeze), [{"from": ["ada"]}]) == set()
		_codes(_asks(gate, {"name": "cleo", "source": "api"}, _freeze), _managers) == _refused
	}
}

test_who_declared_a_freeze_may_lift_it if {
	_codes(_asks("lift", _bob, _freeze), _managers) == set()
	_codes(_asks("freeze", _bob, _freeze), _managers) == _refused
	known := object.union(_bob, {"person": "robert"})
	elsewhere := {"name": "U02", "source": "slack", "person": "robert"}
	_codes(_asks("lift", elsewhere, object.union(_freeze, {"by": known})), _managers) == set()
}

test_a_name_of_another_system_is_somebody_else if {
	_codes(_asks("lift", {"name": "bob", "source": "slack"}, _freeze), _managers) == _refused
	_codes(_asks("lift", {"name": "x", "source": "slack", "person": "bob"}, _freeze), _managers) == _refused
	_codes(_asks("lift", {"name": "", "source": ""}, object.union(_freeze, {"by": {"name": "", "source": ""}})), _managers) == {
		"freezers.question",
		"freezers.not_allowed",
	}
}

test_an_entry_is_for_what_it_names if {
	every entry in [{"tenants": ["fliggy"]}, {"applications": ["hotels"]}, {"tenants": ["demo"], "applications": ["hotels"]}] {
		_codes(_asks("freeze", _bob, _freeze), [object.union(entry, {"from": ["release-managers"]})]) == set()
	}
	every entry in [{"tenants": ["demo"]}, {"applications": ["hello", "hotels"]}, {"environments": ["production"]}] {
		_codes(_asks("freeze", _bob, _freeze), [object.union(entry, {"from": ["release-managers"]})]) == _refused
	}
}

test_who_may_freeze_a_part_may_not_freeze_all_of_it if {
	everything := object.remove(_freeze, {"tenants", "applications"})
	every gate in ["freeze", "lift"] {
		asked := _asks(gate, _ada, everything)
		_codes(asked, [{"from": ["release-managers"], "tenants": ["demo"]}]) == _refused
		_codes(asked, _managers) == set()
	}
	_codes(_asks("freeze", _ada, _freeze), [{"from": ["ada"], "tenants": ["demo"], "environments": ["staging"]}]) == _refused
	two := object.union(_freeze, {"tenants": ["demo", "fliggy"]})
	_codes(_asks("freeze", _ada, two), [{"from": ["ada"], "tenants": ["demo"]}]) == _refused
}

test_the_sentence_says_what_it_is_about if {
	{denial.msg | some denial in freezers.deny} == {"bob may not declare a freeze of demo/hello: data.freezers says who may"} with input as _asks("freeze", _bob, _freeze)
		with data.freezers as _managers
	everything := object.union(object.remove(_freeze, {"tenants", "applications"}), {"by": _ada})
	{denial.msg | some denial in freezers.deny} == {"bob may not lift a freeze of everything: data.freezers says who may"} with input as _asks("lift", _bob, everything)
		with data.freezers as _managers
}

test_what_is_no_question_is_denied if {
	whole := _asks("freeze", _ada, _freeze)
	every part in ["version", "at", "by", "freeze"] {
		"freezers.question" in _codes(object.remove(whole, {part}), [])
		"freezers.question" in _codes(object.union(object.remove(whole, {part}), {part: null}), [])
	}
	every field in ["tenants", "applications", "environments"] {
		_codes(_asks("freeze", _ada, object.union(_freeze, {field: "demo"})), []) == {"freezers.question"}
	}
}

test_other_gates_are_none_of_it if {
	every gate in ["admit", "step", "override", "approve"] {
		_codes(_asks(gate, _bob, _freeze), _managers) == set()
	}
}

test_what_lets_nobody_in_is_malformed if {
	count(freezers.malformed) == 0
	every list in [[], _managers, [{"from": ["ada"], "environments": ["production"]}]] {
		count(freezers.malformed) == 0 with data.freezers as list
	}
	every list in [null, {}, "ada", ["ada"], [{}], [{"from": []}], [{"from": ["ada"], "tenant": "demo"}]] {
		{denial.code | some denial in freezers.malformed} == {"freezers.malformed"} with data.freezers as list
	}
}
