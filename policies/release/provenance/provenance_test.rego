package release.provenance_test

import data.release.provenance

_web := "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

_api := "sha256:0000b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

_repository := "https://git.example/fliggy/rail.git"

_builder := "https://sky.example/builder"

_move(component, artifact) := {"component": component, "candidate": {"artifact": artifact}}

_proof(component, artifact) := {
	"component": component,
	"artifact": artifact,
	"verified": true,
	"builder": _builder,
	"repository": _repository,
	"commit": "0123456789abcdef0123456789abcdef01234567",
}

_asks(facts) := {
	"gate": "deploy",
	"release": {"lane": {"tenant": "fliggy", "application": "rail-tour", "environment": "production"}, "number": 2},
	"plan": {"repository": _repository, "moves": [_move("web", _web), _move("api", _api)]},
	"facts": {"provenance": facts},
}

_proven := [_proof("web", _web), _proof("api", _api)]

_here := {"environments": ["production"], "builders": [_builder, "https://other.example/builder"]}

_denials(asked, demands) := denials if {
	denials := provenance.deny with input as asked with data.provenance as demands
}

_codes(asked, demands) := {denial.code | some denial in _denials(asked, demands)}

# What is demanded of everything, and of this lane by name.
_each := [[{}], [_here], [{"tenants": ["other"]}, _here]]

test_without_data_nothing_is_demanded if {
	count(provenance.deny) == 0 with input as _asks([])
}

test_what_is_proven_is_deployed if {
	every demands in _each {
		_denials(_asks(_proven), demands) == set()
	}
}

test_other_lanes_and_gates_are_free if {
	_denials(_asks([]), [{"environments": ["staging"]}]) == set()
	every gate in ["admit", "build", "press", "approve", "step", "cutover", "override"] {
		_denials(object.union(_asks([]), {"gate": gate}), [{}]) == set()
	}
}

test_what_is_not_built_yet_is_not_asked_for if {
	_denials(object.union(_asks([]), {"facts": {"foreseen": true}}), [{}]) == set()
	every foreseen in [false, "true", null, 1] {
		_codes(object.union(_asks([]), {"facts": {"foreseen": foreseen}}), [{}]) == {"provenance.missing"}
	}
}

test_without_facts_nothing_is_deployed if {
	every demands in _each {
		_codes(object.remove(_asks([]), {"facts"}), demands) == {"provenance.unknown"}
		every facts in [null, {}, {"provenance": "all of it"}] {
			_codes(json.patch(_asks([]), [{"op": "replace", "path": "facts", "value": facts}]), demands) == {"provenance.unknown"}
		}
	}
}

test_each_candidate_has_to_be_proven if {
	_denials(_asks([_proof("web", _web)]), [{}]) == {{
		"code": "provenance.missing",
		"msg": "it is not proven where the candidate of api comes from: nothing is stated about it",
	}}
	failed := {"component": "api", "artifact": _api, "verified": false, "problem": "signature: no trusted key has signed it"}
	_denials(_asks([_proof("web", _web), failed]), [{}]) == {{
		"code": "provenance.missing",
		"msg": "it is not proven where the candidate of api comes from: signature: no trusted key has signed it",
	}}
}

test_a_proof_is_about_its_own_artifact if {
	every other in [
		_proof("api", _web), _proof("web", _api),
		object.union(_proof("api", _api), {"verified": false}),
		object.union(_proof("api", _api), {"verified": "true"}),
		object.remove(_proof("api", _api), ["verified"]),
		object.remove(_proof("api", _api), ["artifact"]),
		"api", null,
	] {
		_codes(_asks([_proof("web", _web), other]), [{}]) == {"provenance.missing"}
	}
}

test_a_move_that_says_nothing_is_not_proven if {
	asked := json.patch(_asks(_proven), [{"op": "replace", "path": "plan/moves", "value": [{}, "web", _move("web", _web)]}])
	{denial.msg | some denial in _denials(asked, [{}])} == {
		"it is not proven where the candidate of move 1 comes from: nothing is stated about it",
		"it is not proven where the candidate of move 2 comes from: nothing is stated about it",
	}

	# A plan without moves is the business of another topic.
	_denials(json.patch(_asks([]), [{"op": "replace", "path": "plan/moves", "value": null}]), [{}]) == set()
}

test_it_comes_from_the_repository_of_the_plan if {
	elsewhere := object.union(_proof("api", _api), {"repository": "https://git.example/evil.git"})
	_denials(_asks([_proof("web", _web), elsewhere]), [{}]) == {{
		"code": "provenance.repository",
		"msg": "the candidate of api was built from https://git.example/evil.git, which is not the repository of the plan",
	}}
	nowhere := object.remove(_proof("api", _api), ["repository"])
	_codes(_asks([_proof("web", _web), nowhere]), [{}]) == {"provenance.repository"}
	_codes(json.patch(_asks(_proven), [{"op": "remove", "path": "plan/repository"}]), [{}]) == {"provenance.repository"}
}

test_what_lets_somebody_in_is_no_part_of_a_repository if {
	every plan, stated in {
		"https://ada:p@ss@git.example/fliggy/rail.git": _repository,
		"ssh://git:secret@git.example/x.git": "ssh://git@git.example/x.git",
		"ssh://git@git.example:22/x.git": "ssh://git@git.example:22/x.git",
		"git@git.example:x.git": "git@git.example:x.git",
		"/srv/git/x.git": "/srv/git/x.git",
	} {
		facts := [object.union(proof, {"repository": stated}) | some proof in _proven]
		_denials(json.patch(_asks(facts), [{"op": "replace", "path": "plan/repository", "value": plan}]), [{}]) == set()
	}
}

test_it_is_built_by_who_may if {
	stranger := object.union(_proof("api", _api), {"builder": "https://laptop.example"})
	_denials(_asks([_proof("web", _web), stranger]), [_here]) == {{
		"code": "provenance.builder",
		"msg": "the candidate of api was built by https://laptop.example, and data.provenance wants https://sky.example/builder or https://other.example/builder",
	}}
	_codes(_asks([_proof("web", _web), object.remove(stranger, ["builder"])]), [_here]) == {"provenance.builder"}
	_denials(_asks([_proof("web", _web), stranger]), [{}]) == set()

	# Every entry that is for the lane counts.
	_codes(_asks(_proven), [_here, {"builders": ["https://third.example/builder"]}]) == {"provenance.builder"}
}

test_what_is_no_demand_is_malformed if {
	count(provenance.malformed) == 0
	count(provenance.malformed) == 0 with data.provenance as [_here, {}]
	every demands in [
		null, {}, true, "production", ["production"], [null], [{"builders": []}], [{"builders": "https://sky.example/builder"}],
		[{"builders": [""]}], [{"builder": [_builder]}], [object.union(_here, {"tenants": []})], [object.union(_here, {"environment": "production"})],
	] {
		{denial.code | some denial in provenance.malformed} == {"provenance.malformed"} with data.provenance as demands
		_denials(_asks([]), demands) == set()
	}
}
