package release

import "fmt"

// Phase is where a release is on its way.
type Phase string

// The phases, in the order of the way; the last six are ends.
const (
	Pending     Phase = "pending"
	Admitting   Phase = "admitting"
	Building    Phase = "building"
	Testing     Phase = "testing"
	Deploying   Phase = "deploying"
	Verifying   Phase = "verifying"
	Pressing    Phase = "pressing"
	Approving   Phase = "approving"
	Ramping     Phase = "ramping"
	CuttingOver Phase = "cutting-over"
	Watching    Phase = "watching"
	RollingBack Phase = "rolling-back"

	Completed  Phase = "completed"
	Refused    Phase = "refused"
	Failed     Phase = "failed"
	Aborted    Phase = "aborted"
	Superseded Phase = "superseded"
	RolledBack Phase = "rolled-back"
)

// way is the order of the phases that lead to production.
func way() []Phase {
	return []Phase{Pending, Admitting, Building, Testing, Deploying, Verifying, Pressing, Approving, Ramping, CuttingOver, Watching, Completed}
}

// Event is what moves a release from one phase to the next.
type Event string

// The events.
const (
	// Passed ends a phase well.
	Passed Event = "passed"
	// Denied is a policy's no, a person's no, or a request that cannot be carried out.
	Denied Event = "denied"
	// Broke is a gate that failed, an alarm, a verdict against the canary, a lost lease.
	Broke Event = "broke"
	// Stopped is a person's abort or rollback.
	Stopped Event = "stopped"
	// Overtaken is a newer release that takes the lane.
	Overtaken Event = "overtaken"
	// Restored says that all traffic is back at stable.
	Restored Event = "restored"
)

// Transition is one arrow of the state machine.
type Transition struct {
	From Phase
	On   Event
	To   Phase
}

// Transitions is the whole state machine, in the order of the way. Before traffic moves a release
// simply ends; from the first weight on, every end but completion goes through rolling back.
func Transitions() []Transition {
	var out []Transition
	order := way()
	for i, phase := range order[:len(order)-1] {
		out = append(out, Transition{phase, Passed, order[i+1]})
		if phase.MovesTraffic() {
			out = append(out,
				Transition{phase, Denied, RollingBack}, Transition{phase, Broke, RollingBack},
				Transition{phase, Stopped, RollingBack})
			if phase == Watching {
				// All traffic is at the candidate and nothing is wrong with it: a newer release
				// starts from it.
				out = append(out, Transition{phase, Overtaken, Completed})
			} else {
				out = append(out, Transition{phase, Overtaken, RollingBack})
			}
			continue
		}
		out = append(out,
			Transition{phase, Denied, Refused}, Transition{phase, Broke, Failed},
			Transition{phase, Stopped, Aborted}, Transition{phase, Overtaken, Superseded})
	}
	return append(out, Transition{RollingBack, Restored, RolledBack})
}

// Next is the phase after p when e happens. An event that p does not know is an error.
func (p Phase) Next(e Event) (Phase, error) {
	for _, t := range Transitions() {
		if t.From == p && t.On == e {
			return t.To, nil
		}
	}
	return p, fmt.Errorf("a release that is %s cannot be %s", p, e)
}

// MovesTraffic says whether a canary may have weight in this phase, so that leaving it early means
// rolling back.
func (p Phase) MovesTraffic() bool { return p == Ramping || p == CuttingOver || p == Watching }

// Ended says whether nothing follows.
func (p Phase) Ended() bool {
	switch p {
	case Completed, Refused, Failed, Aborted, Superseded, RolledBack:
		return true
	default:
		return false
	}
}
