package release.override_test

import data.release.override

_asks(by) := {
	"gate": "override",
	"release": {"lane": {"tenant": "fliggy", "application": "rail-tour", "environment": "production"}, "number": 1},
	"by": by,
}

_ada := {"name": "U01", "source": "slack", "person": "ada", "groups": ["release-managers"]}

_bob := {"name": "bob", "source": "api"}

_denials(asked, entries) := denials if {
	denials := override.deny with input as asked with data.overriders as entries
}

test_without_data_everybody_may if {
	count(override.deny) == 0 with input as _asks(_bob)
}

test_those_on_the_list_may if {
	_denials(_asks(_ada), [{"environments": ["production"], "from": ["release-managers"]}]) == set()
	_denials(_asks(_ada), [{"from": ["ada"]}]) == set()
	_denials(_asks(_bob), [{"from": ["ada"]}, {"tenants": ["fliggy"], "from": ["bob"]}]) == set()
}

test_nobody_else_may if {
	_denials(_asks(_bob), [{"from": ["release-managers"]}]) == {{
		"code": "override.not_allowed",
		"msg": "bob may not promote production of fliggy/rail-tour before the evidence is in",
	}}
	count(_denials(object.remove(_asks(_bob), {"by"}), [{"from": ["bob"]}])) == 1
}

test_where_no_entry_is_for_the_lane_everybody_may if {
	_denials(_asks(_bob), [{"tenants": ["other"], "from": ["ada"]}]) == set()
}

test_other_gates_and_broken_glass_are_not_for_it if {
	_denials(object.union(_asks(_bob), {"gate": "approve"}), [{"from": ["ada"]}]) == set()
	_denials(object.union(_asks(_bob), {"breaking": true}), [{"from": ["ada"]}]) == set()
}

test_what_lets_nobody_in_is_malformed if {
	count(override.malformed) == 0
	count(override.malformed) == 0 with data.overriders as [{"from": ["ada"]}]
	every entries in [
		null, {}, "ada", ["ada"], [{}], [{"from": []}], [{"from": "ada"}], [{"from": ["ada"], "tenants": []}],
		[{"from": ["ada"], "tenant": "fliggy"}],
	] {
		{denial.code | some denial in override.malformed} == {"override.malformed"} with data.overriders as entries
		_denials(_asks(_bob), entries) == set()
	}
}
