# METADATA
# title: Decision
# description: |
#   The one document asked for at every transition. Each topic adds its reasons to its own `deny`, and
#   a topic that is not joined here is not asked. No rule of this set demands anything beside its yes,
#   so there are no obligations.
# scope: package
package release

import data.release.artifact
import data.release.freeze
import data.release.question
import data.release.requester
import data.release.step

# METADATA
# entrypoint: true
decision := {"allow": count(_deny) == 0, "deny": _deny, "obligations": set()}

_deny := union({
	artifact.deny,
	freeze.deny,
	question.deny,
	requester.deny,
	step.deny,
})
