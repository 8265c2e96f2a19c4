# METADATA
# title: Decision
# description: |
#   The one document asked for at every transition. Each topic adds its reasons to its own `deny`, and what is
#   wrong with its data to its own `malformed`; a topic that is not joined here is not asked. Two people may have
#   lifted a reason, which is then told in `lifted`. What tiers demand beside the yes are the obligations.
# scope: package
package release

import data.release.approval
import data.release.artifact
import data.release.break_glass
import data.release.concurrency
import data.release.error_budget
import data.release.freeze
import data.release.freezers
import data.release.hours
import data.release.override
import data.release.provenance
import data.release.question
import data.release.requester
import data.release.step
import data.release.tier

# METADATA
# entrypoint: true
decision := {
	"allow": count(_against - _lifted) == 0,
	"deny": _against - _lifted,
	"lifted": _lifted,
	"obligations": tier.obligations,
}

# prepare is what depends on the data alone. The engine works it out once for the data and hands it back as
# data.release.prepared; without that, a decision works it out itself, and comes to the same.
prepare := {"freeze": freeze.index, "malformed": _wrong}

_lifted := {denial |
	some denial in _against
	denial.code in break_glass.lifted
}

# A freeze is nothing that moves, and the other topics would find no release in the question.
_against := union({
	_malformed,
	freezers.deny,
}) if {
	freezers.asked
}

_against := union({
	_malformed,
	approval.deny,
	artifact.deny,
	break_glass.deny,
	concurrency.deny,
	error_budget.deny,
	freeze.deny,
	hours.deny,
	override.deny,
	provenance.deny,
	question.deny,
	requester.deny,
	step.deny,
	tier.deny,
}) if {
	not freezers.asked
}

_malformed := {denial | some denial in data.release.prepared.malformed} if data.release.prepared.malformed

_malformed := _wrong if not data.release.prepared.malformed

_wrong := union({
	approval.malformed,
	artifact.malformed,
	break_glass.malformed,
	concurrency.malformed,
	error_budget.malformed,
	freeze.malformed,
	freezers.malformed,
	hours.malformed,
	override.malformed,
	provenance.malformed,
	requester.malformed,
	tier.malformed,
})
