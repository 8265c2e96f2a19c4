package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// question is what people are being asked.
type question struct {
	number       int
	point        release.ApprovalPoint
	wants        []release.Approval
	answers      []release.Approved
	asked, until time.Time
	// closed says in a sentence how it ended.
	closed string
}

// newQuestion puts the demands of a point together. The shortest of their times counts for all of them: a question
// that one demand would close is no use to the others.
func newQuestion(number int, point release.ApprovalPoint, wants []release.Approval, now time.Time) *question {
	q := &question{number: number, point: point, wants: slices.Clone(wants), asked: now}
	within := wants[0].Within
	for _, want := range wants {
		within = min(within, want.Within)
	}
	q.until = now.Add(within.Std())
	return q
}

// within is how long people have, and remind when they are asked again; 0 is never.
func (q *question) within() time.Duration { return q.until.Sub(q.asked) }

func (q *question) remind() time.Duration {
	first := time.Duration(0)
	for _, want := range q.wants {
		if d := want.Remind.Std(); d > 0 && d < q.within() && (first == 0 || d < first) {
			first = d
		}
	}
	return first
}

// count is how many approvals are wanted in all.
func (q *question) count() int {
	n := 0
	for _, want := range q.wants {
		n += want.Count
	}
	return n
}

// given is how many of a want's approvals are in. One person's approval counts toward each want they may meet:
// two rules that ask for the same thing ask for it once.
func (q *question) given(want release.Approval) int {
	n := 0
	for _, answer := range q.answers {
		if mayMeet(want, answer.By) {
			n++
		}
	}
	return n
}

// answered says whether enough people have approved.
func (q *question) answered() bool { return len(q.missing()) == 0 }

// missing says what is still wanted, a phrase for each demand.
func (q *question) missing() []string {
	var out []string
	for _, want := range q.wants {
		lacks := want.Count - q.given(want)
		if lacks <= 0 {
			continue
		}
		phrase := fmt.Sprintf("%d more", lacks)
		if len(want.From) > 0 {
			phrase += " of " + strings.Join(want.From, ", ")
		}
		out = append(out, phrase)
	}
	return out
}

// progress is how far the answers have come.
func (q *question) progress() string {
	if len(q.wants) == 1 {
		return fmt.Sprintf("%d of %d approvals", len(q.answers), q.wants[0].Count)
	}
	missing := q.missing()
	if len(missing) == 0 {
		return fmt.Sprintf("%d approvals, as many as are wanted", len(q.answers))
	}
	return fmt.Sprintf("%d approvals, and %s wanted", len(q.answers), strings.Join(missing, " and "))
}

// mayCount says why an approval would not count. One name counts once, wherever it comes from: a
// quorum is of people, and one of them may use the CLI and the chat.
func (q *question) mayCount(by release.Actor) error {
	if slices.ContainsFunc(q.answers, func(a release.Approved) bool { return a.By.Same(by) }) {
		return fmt.Errorf("%s has approved already; %s are in", cmp.Or(by.Person, by.Name), q.progress())
	}
	return nil
}

// mayAnswer says why somebody may not answer, and nil when they may.
func (q *question) mayAnswer(by release.Actor) error {
	var from []string
	for _, want := range q.wants {
		if mayMeet(want, by) {
			return nil
		}
		from = joined(from, want.From)
	}
	return fmt.Errorf("%s may not answer: the plan asks for one of %v", cmp.Or(by.Person, by.Name), from)
}

// mayMeet says whether somebody is of those whom a demand names. Who is in the directory is known by the name there
// alone: what a chat calls somebody may be another person's name.
func mayMeet(want release.Approval, by release.Actor) bool {
	if len(want.From) == 0 || slices.Contains(want.From, cmp.Or(by.Person, by.Name)) {
		return true
	}
	return slices.ContainsFunc(by.Groups, func(group string) bool { return slices.Contains(want.From, group) })
}

// escalate lets more people answer.
func (q *question) escalate(index int) []string {
	want := &q.wants[index]
	if len(want.From) > 0 {
		want.From = joined(want.From, want.Escalate.To)
	}
	return want.Escalate.To
}

// joined are the names of both, each once, in their order.
func joined(names, more []string) []string {
	out := slices.Clone(names)
	for _, name := range more {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// approve is the phase in which people are asked before the ramp.
func (r *run) approve(ctx workflow.Context) error { return r.askPeople(ctx, release.BeforeRamp) }

// askPeople waits for the approvals that the plan wants at this point: the manifest's and the rules'.
func (r *run) askPeople(ctx workflow.Context, point release.ApprovalPoint) error {
	wants := r.plan.Wants(point)
	if len(wants) == 0 || len(r.plan.Changed()) == 0 {
		return nil
	}
	r.asks++
	q := newQuestion(r.asks, point, wants, workflow.Now(ctx))
	r.ask = q
	defer func() {
		if !q.answered() {
			r.closing = r.snapshot()
		}
		r.ask = nil
	}()
	r.noteAsk(release.EntryAsked, fmt.Sprintf("waiting for %d approvals of plan %s", q.count(), r.status.PlanHash[:12]))
	defer r.wait(fmt.Sprintf("%d approvals", q.count()), q.until)()
	timers, cancel := workflow.WithCancel(ctx)
	defer cancel()
	expired := workflow.NewTimerWithOptions(timers, q.within(), workflow.TimerOptions{Summary: "The approval expires"})
	nudges := r.nudges(timers, q)
	for {
		due := func() bool { return slices.ContainsFunc(nudges, (*nudge).due) }
		if err := r.await(ctx, func() bool { return q.answered() || expired.IsReady() || due() }); err != nil {
			q.closed = cmp.Or(q.closed, "no longer asked: "+err.Error())
			return err
		}
		switch {
		case q.answered():
			return nil
		case expired.IsReady():
			reason := q.progress() + " came within " + release.Duration(q.within()).String()
			q.closed = "expired: " + reason
			return stop(release.Denied, release.CauseExpired, reason)
		}
		for _, n := range nudges {
			if n.due() {
				n.done = true
				n.do()
			}
		}
	}
}

// nudge is something that is done about a question when nobody has answered for a time.
type nudge struct {
	timer workflow.Future
	done  bool
	do    func()
}

func (n *nudge) due() bool { return !n.done && n.timer.IsReady() }

// nudges are the reminder and the escalations of a question.
func (r *run) nudges(ctx workflow.Context, q *question) []*nudge {
	var out []*nudge
	add := func(after time.Duration, summary string, do func()) {
		timer := workflow.NewTimerWithOptions(ctx, after, workflow.TimerOptions{Summary: summary})
		out = append(out, &nudge{timer: timer, do: do})
	}
	if after := q.remind(); after > 0 {
		add(after, "Remind of the approval", func() {
			r.noteAsk(release.EntryReminded, fmt.Sprintf("still waiting for approval of plan %s: %s", r.status.PlanHash[:12], strings.Join(q.missing(), " and ")))
		})
	}
	for i, want := range q.wants {
		if want.Escalate == nil || want.Escalate.After.Std() >= q.within() {
			continue
		}
		add(want.Escalate.After.Std(), "Ask more people", func() {
			if q.given(want) >= want.Count {
				return
			}
			to := q.escalate(i)
			r.noteAsk(release.EntryEscalated, "nobody has decided for "+want.Escalate.After.String()+"; now "+strings.Join(to, ", ")+" may answer too")
		})
	}
	return out
}

// snapshot is the question as it stands, with all that people decide on. Nil when nobody is asked.
func (r *run) snapshot() *release.Ask {
	q := r.ask
	if q == nil {
		return nil
	}
	ask := &release.Ask{
		Number: q.number, Point: q.point, PlanHash: r.status.PlanHash, Wants: slices.Clone(q.wants), Asked: q.asked, Until: q.until,
		Requester: r.in.Request.Requester, Commit: r.plan.Commit, Commits: r.commits, Units: r.plan.Units, Steps: r.plan.Steps,
		Exposure: canary.Exposure(r.plan), Pressure: r.pressed, Evidence: r.status.Evidence, Answers: slices.Clone(q.answers), Closed: q.closed,
	}
	for _, move := range r.plan.Changed() {
		change := release.Change{Component: move.Component, To: move.Candidate.ID, Artifact: move.Candidate.Artifact}
		if move.Stable != nil {
			change.From = move.Stable.ID
		}
		ask.Changes = append(ask.Changes, change)
	}
	return ask
}
