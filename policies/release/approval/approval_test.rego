package release.approval_test

import data.release.approval

_ada := {"name": "ada-l", "source": "github", "person": "ada"}

_bob := {"name": "U02", "source": "slack", "person": "bob"}

_cleo := {"name": "cleo", "source": "api"}

_asks := {
	"gate": "approve",
	"request": {"requester": _ada},
	"authors": [_bob],
	"by": _cleo,
	"point": "cutover",
	"approvals": [{"by": {"name": "dan", "source": "api"}, "point": "ramp"}],
}

_all := {"requester": true, "authors": true, "points": true}

_by(actor) := json.patch(_asks, [{"op": "replace", "path": "by", "value": actor}])

_codes(asked, separation) := {denial.code | some denial in approval.deny with input as asked with data.separation as separation}

test_somebody_else_approves if {
	_codes(_asks, _all) == set()
}

test_without_data_everybody_may if {
	every actor in [_ada, _bob, {"name": "dan", "source": "api"}, null] {
		count(approval.deny) == 0 with input as _by(actor)
		_codes(_by(actor), {"requester": false, "authors": false, "points": false}) == set()
		_codes(_by(actor), {}) == set()
	}
}

test_nobody_approves_their_own_release if {
	_codes(_by({"name": "UADA", "source": "slack", "person": "Ada"}), {"requester": true}) == {"approval.requester"}
	_codes(_by({"name": "Ada-L", "source": "api"}), {"requester": true}) == {"approval.requester"}
	_codes(_by(_bob), {"requester": true}) == set()
}

test_nobody_approves_their_own_change if {
	_codes(_by(_bob), {"authors": true}) == {"approval.author"}
	_codes(_by(_ada), {"authors": true}) == set()
}

test_authors_have_to_be_known if {
	every authors in [[], null, "bob"] {
		asked := json.patch(_asks, [{"op": "replace", "path": "authors", "value": authors}])
		_codes(asked, {"authors": true}) == {"approval.authors_unknown"}
	}
	_codes(object.remove(_asks, {"authors"}), {"authors": true}) == {"approval.authors_unknown"}
}

test_each_point_has_its_own_people if {
	dan := {"name": "Dan", "source": "slack"}
	_codes(_by(dan), {"points": true}) == {"approval.points"}
	_codes(object.remove(_by(dan), {"point"}), {"points": true}) == {"approval.points"}
	_codes(object.union(_by(dan), {"point": "ramp"}), {"points": true}) == set()
	untold := json.patch(_by(dan), [{"op": "remove", "path": "approvals/0/point"}])
	_codes(untold, {"points": true}) == {"approval.points"}
}

test_whoever_approves_is_somebody if {
	every actor in [null, {"name": ""}, {"name": "dan"}] {
		"approval.unidentified" in _codes(_by(actor), {"requester": true})
	}
}

test_other_gates_are_not_approvals if {
	every gate in ["admit", "step", "override"] {
		_codes(object.union(_by(_ada), {"gate": gate}), _all) == set()
	}
}

test_a_rejection_is_nobodys_approval if {
	every actor in [_ada, _bob, {"name": "dan", "source": "api"}] {
		_codes(_by(actor), _all) != set()
		_codes(object.union(_by(actor), {"rejecting": true}), _all) == set()
	}
}

test_what_is_no_separation_is_malformed if {
	count(approval.malformed) == 0
	every separation in [{}, _all, {"authors": false}] {
		count(approval.malformed) == 0 with data.separation as separation
	}
	every separation in [null, true, [], "all", {"requester": "yes"}, {"requesters": true}] {
		{denial.code | some denial in approval.malformed} == {"approval.malformed"} with data.separation as separation
	}
}
