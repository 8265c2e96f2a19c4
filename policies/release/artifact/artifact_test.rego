package release.artifact_test

import data.release.artifact

_hash := "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

_move(component, digest) := {"component": component, "candidate": {"artifact": digest}}

_deploy(moves) := {"gate": "deploy", "plan_hash": _hash, "plan": {"moves": moves}}

_pinned := _move("web", concat("", ["sha256:", _hash]))

_codes(asked) := {denial.code | some denial in artifact.deny with input as asked}

test_pinned_candidates_pass if {
	_codes(_deploy([_pinned])) == set()
}

test_before_deployment_nothing_is_pinned_yet if {
	every gate in ["admit", "build"] {
		_codes({"gate": gate}) == set()
	}
}

test_an_unknown_gate_is_held_to_the_same if {
	_codes({"gate": "teleport"}) == {"artifact.plan_hash", "artifact.none"}
	_codes({}) == {"artifact.plan_hash", "artifact.none"}
}

test_a_plan_without_a_hash_is_denied_at_every_later_gate if {
	every gate in ["deploy", "press", "approve", "step", "cutover", "override"] {
		every hash in ["", "abc", upper(_hash), concat("", [_hash, "0"]), 7, null] {
			_codes({"gate": gate, "plan_hash": hash, "plan": {"moves": [_pinned]}}) == {"artifact.plan_hash"}
		}
	}
}

test_a_plan_that_moves_nothing_is_denied if {
	every moves in [[], null, "web"] {
		_codes(_deploy(moves)) == {"artifact.none"}
	}
}

test_each_unpinned_candidate_is_named if {
	asked := _deploy([_pinned, _move("api", "latest"), {}, "web"])
	messages := {denial.msg | some denial in artifact.deny with input as asked}
	messages == {
		"the candidate of api is not pinned by a sha256 digest",
		"the candidate of move 4 is not pinned by a sha256 digest",
		"the candidate of move 3 is not pinned by a sha256 digest",
	}
}

test_only_a_whole_sha256_pins if {
	every digest in ["", "latest", _hash, concat("", ["sha512:", _hash]), "sha256:abc", 7, null] {
		_codes(_deploy([_move("web", digest)])) == {"artifact.unpinned"}
	}
}

_built(repository) := {
	"gate": "build",
	"release": {"lane": {"tenant": "fliggy", "application": "rail-tour", "environment": "production"}},
	"request": {"repository": repository},
}

_allowed(asked, entries) if {
	count(artifact.deny) == 0 with input as asked with data.repositories as entries
}

_ours := {"tenants": ["fliggy"], "from": ["https://github.com/fliggy/*", "https://git.example/tour.git"]}

test_it_is_built_from_the_repositories_that_are_named if {
	every repository in ["https://github.com/fliggy/rail.git", "https://git.example/tour.git"] {
		_allowed(_built(repository), [_ours])
		_allowed(object.union(_built(repository), {"plan": {"repository": repository}}), [_ours])
	}
	every repository in [
		"https://github.com/fliggy", "https://github.com/other/rail.git", "https://git.example/tour.git/x",
		"https://github.com/fliggy/../other/rail.git", "", null,
	] {
		not _allowed(_built(repository), [_ours])
	}
	not _allowed(object.remove(_built("x"), {"request"}), [_ours])
	not _allowed(object.union(_built("https://git.example/tour.git"), {"plan": {"repository": "elsewhere"}}), [_ours])
}

test_where_no_entry_is_for_the_lane_it_is_built_from_anywhere if {
	count(artifact.deny) == 0 with input as _built("anywhere")
	_allowed(_built("anywhere"), [object.union(_ours, {"tenants": ["other"]})])
}

test_what_names_no_repositories_is_malformed if {
	count(artifact.malformed) == 0
	count(artifact.malformed) == 0 with data.repositories as [_ours]
	every entries in [
		null, {}, "https://github.com/fliggy/*", ["x"], [{}], [{"from": []}], [{"from": ["*"]}], [{"from": ["https://*.example/x"]}],
		[object.union(_ours, {"tenants": []})], [object.union(_ours, {"tenant": "fliggy"})],
	] {
		{denial.code | some denial in artifact.malformed} == {"artifact.malformed"} with data.repositories as entries
		_allowed(_built("anywhere"), entries)
	}
}
