# METADATA
# title: Question
# description: |
#   A question that cannot be understood is denied by a rule of its own, because every other rule would
#   find nothing in it to object to. A value that is missing makes undefined whatever it is used in, a
#   message and a call below `not` among them, and the denial with it: so messages hold nothing from
#   the input here, and `not` stands only before what is there or before a rule without arguments.
# scope: package
package release.question

import data.release.clock

deny contains {
	"code": "question.version",
	"msg": "the question is not of version 1, the only one these rules know",
} if {
	not input.version == 1
}

deny contains {
	"code": "question.gate",
	"msg": "the question names no gate these rules know: admit, build, deploy, press, approve, step, cutover or override",
} if {
	not _gate_known
}

deny contains {
	"code": "question.clock",
	"msg": "the question has no moment in at; write it as 2026-03-02T12:00:00Z",
} if {
	not clock.now
}

deny contains {
	"code": "question.release",
	"msg": "the question names no release: it needs a tenant, an application, an environment and a number from 1",
} if {
	not _release_named
}

deny contains {
	"code": "question.request",
	"msg": "the question holds no request for this release and its full commit",
} if {
	not _requested
}

deny contains {
	"code": "question.plan",
	"msg": "the question holds no plan of this release and commit, which it needs once artifacts are built",
} if {
	not _unbuilt
	not _planned
}

deny contains {
	"code": "question.step",
	"msg": "the question holds no step: it needs a unit and the weights before and after, from 0 to 10000 permyriad",
} if {
	input.gate in {"step", "cutover"}
	not _step_told
}

deny contains {
	"code": "question.evidence",
	"msg": "the question's evidence has none of the verdicts pass, fail, inconclusive and blind",
} if {
	some "evidence", evidence in input
	not _verdict(evidence)
}

deny contains {
	"code": "question.facts",
	"msg": "the question's facts are not the releases that split traffic, freezes with their starts, and what is stated of candidates",
} if {
	some "facts", facts in input
	not _facts(facts)
}

_facts(facts) if {
	is_object(facts)
	is_array(object.get(facts, "ramping", []))
	every other in object.get(facts, "ramping", []) {
		_text(other.release.lane.tenant)
		_text(other.release.lane.application)
		_text(other.release.lane.environment)
		is_number(other.release.number)
		is_array(object.get(other, "units", []))
	}
	is_array(object.get(facts, "freezes", []))
	every freeze in object.get(facts, "freezes", []) {
		clock.moment(freeze.starts)
		clock.moment(object.get(freeze, "ends", freeze.starts))
		is_string(freeze.reason)
		is_string(freeze.by.name)
		is_boolean(object.get(freeze, "line", false))
	}
	is_array(object.get(facts, "provenance", []))
	every origin in object.get(facts, "provenance", []) {
		_text(origin.component)
		_text(origin.artifact)
		is_boolean(origin.verified)
	}
	is_boolean(object.get(facts, "foreseen", false))
}

_text(value) if {
	is_string(value)
	value != ""
}

_gate_known if input.gate in {"admit", "build", "deploy", "press", "approve", "step", "cutover", "override"}

_unbuilt if input.gate in {"admit", "build"}

_verdict(evidence) if evidence.verdict in {"pass", "fail", "inconclusive", "blind"}

_release_named if {
	every part in ["tenant", "application", "environment"] {
		_name(input.release.lane[part])
	}
	_whole(input.release.number)
	input.release.number >= 1
}

_requested if {
	input.request.lane == input.release.lane
	is_string(input.request.commit)
	regex.match(`^([0-9a-f]{40}|[0-9a-f]{64})$`, input.request.commit)
}

_planned if {
	input.plan.release == input.release
	input.plan.commit == input.request.commit
}

_step_told if {
	_name(input.step.unit)
	every side in ["from_permyriad", "to_permyriad"] {
		_whole(input.step[side])
		input.step[side] >= 0
		input.step[side] <= 10000
	}
}

_name(text) if {
	is_string(text)
	regex.match(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, text)
}

_whole(number) if {
	is_number(number)
	number == floor(number)
}
