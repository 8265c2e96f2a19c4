package workflows

import (
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/internal/release"
)

// live says why a release takes no instructions any more, and nil while it does.
func (r *run) live() error {
	switch {
	case r.status.Phase.Ended():
		return fmt.Errorf("the release has ended: it is %s", r.status.Phase)
	case r.status.Phase == release.RollingBack || r.stop != nil:
		return errors.New("the release is on its way back")
	case r.sealed:
		return errors.New("the release is being completed: a new release is the way back from here")
	default:
		return nil
	}
}

func (r *run) mayApprove(in release.Instruction) error {
	if err := r.mayAnswer(in); err != nil {
		return err
	}
	return r.ask.mayCount(in.By)
}

func (r *run) mayAnswer(in release.Instruction) error {
	if err := r.live(); err != nil {
		return err
	}
	if r.ask == nil {
		return fmt.Errorf("nobody is asked: the release is %s", r.status.Phase)
	}
	if in.PlanHash != r.status.PlanHash {
		return fmt.Errorf("the answer is for plan %s, the release asks for plan %s: look at it again and answer for that", shown(in.PlanHash), shown(r.status.PlanHash))
	}
	if in.Ask != 0 && in.Ask != r.ask.number {
		return fmt.Errorf("question %d is closed, and question %d is open: look at it and answer that", in.Ask, r.ask.number)
	}
	return r.ask.mayAnswer(in.By)
}

// shown is the part of a plan's hash that people see.
func shown(hash string) string {
	if hash == "" {
		return "(none)"
	}
	return hash[:min(12, len(hash))]
}

// takeApproval counts an approval once the rules allow it.
func (r *run) takeApproval(ctx workflow.Context, in release.Instruction) (string, error) {
	if err := r.answerable(ctx, in, r.mayApprove, false); err != nil {
		return "", err
	}
	answer := release.Approved{By: in.By, Comment: in.Comment, At: in.At, Point: r.ask.point}
	r.ask.answers = append(r.ask.answers, answer)
	r.status.Approvals = append(r.status.Approvals, answer)
	message := r.ask.progress()
	if r.ask.answered() {
		r.ask.closed = "approved: " + message
	}
	r.noteAsk(release.EntryAnswered, "approved by "+in.By.String()+", "+message, comment(in)...)
	r.show()
	return message, nil
}

// changeRejectionAsked is from 2026-11-27: the rules are asked whether a rejection counts, as they are about an approval.
// It can go once no release from before is under way.
const changeRejectionAsked = "2026-11-27-rejection-asked"

// takeRejection stops the release once the rules allow the answer. Who may not answer for them can still abort, which
// asks nobody: the way back is open to everybody.
func (r *run) takeRejection(ctx workflow.Context, in release.Instruction) (string, error) {
	if changed(ctx, changeRejectionAsked) {
		if err := r.answerable(ctx, in, r.mayAnswer, true); err != nil {
			return "", fmt.Errorf("%w; abort stops the release and asks no rule", err)
		}
	}
	r.ask.closed = "rejected by " + in.By.String()
	r.stopBy(release.Denied, release.CauseRejected, "rejected", in)
	return "rejected; the release stops", nil
}

func (r *run) mayPause(release.Instruction) error {
	if err := r.live(); err != nil {
		return err
	}
	if r.status.Paused {
		return errors.New("it is paused already")
	}
	if r.status.Weight == release.FullWeight {
		return errors.New("all traffic is at the candidate already: nothing is left to pause")
	}
	return nil
}

func (r *run) takePause(_ workflow.Context, in release.Instruction) (string, error) {
	r.status.Paused = true
	r.noteOf(release.EntryPaused, "paused by "+in.By.String(), comment(in)...)
	r.show()
	return "paused: the weight stays, the watch goes on", nil
}

func (r *run) mayResume(release.Instruction) error {
	if err := r.live(); err != nil {
		return err
	}
	if !r.status.Paused {
		return errors.New("it is not paused")
	}
	return nil
}

func (r *run) takeResume(_ workflow.Context, in release.Instruction) (string, error) {
	r.status.Paused = false
	r.noteOf(release.EntryResumed, "resumed by "+in.By.String(), comment(in)...)
	r.show()
	return "resumed", nil
}

func (r *run) mayPromote(release.Instruction) error {
	if err := r.live(); err != nil {
		return err
	}
	if !r.promotable {
		waits := ""
		if r.status.Waiting != nil {
			waits = " and waits for " + r.status.Waiting.For
		}
		return fmt.Errorf("there is no step or watch to end: the release is %s%s", r.status.Phase, waits)
	}
	return nil
}

// takePromotion ends the step or the watch before its evidence is in, once the rules allow it.
func (r *run) takePromotion(ctx workflow.Context, in release.Instruction) (string, error) {
	phase, version := r.status.Phase, r.versions.last
	if err := r.allowed(ctx, release.GateOverride, in, nil); err != nil {
		return "", err
	}
	if err := r.mayPromote(in); err != nil {
		return "", err
	}
	if r.status.Phase != phase || r.versions.last != version {
		return "", errors.New("the step ended meanwhile")
	}
	r.promoted = true
	r.noteOf(release.EntryPromoted, "promoted by "+in.By.String(), comment(in)...)
	return "promoted", nil
}

func (r *run) mayAbort(release.Instruction) error {
	if err := r.live(); err != nil {
		return err
	}
	if r.status.Phase == release.Watching {
		return errors.New("all traffic is at the candidate already: use rollback")
	}
	return nil
}

func (r *run) takeAbort(_ workflow.Context, in release.Instruction) (string, error) {
	r.stopBy(release.Stopped, release.CauseAbort, "aborted", in)
	return "the release stops; what moved goes back", nil
}

func (r *run) mayRollBack(release.Instruction) error {
	if err := r.live(); err != nil {
		return err
	}
	if !r.status.Phase.MovesTraffic() {
		return fmt.Errorf("no traffic has moved: the release is %s; use abort", r.status.Phase)
	}
	return nil
}

func (r *run) takeRollback(_ workflow.Context, in release.Instruction) (string, error) {
	r.stopBy(release.Stopped, release.CauseRollback, "rolled back", in)
	return "all traffic goes back to stable", nil
}

// mayBreakGlass wants a reason, and a second person who is another.
func (r *run) mayBreakGlass(in release.Instruction) error {
	if err := r.live(); err != nil {
		return err
	}
	if strings.TrimSpace(in.Comment) == "" {
		return errors.New("a rule is broken for a reason: say which, as the comment")
	}
	if r.glass != nil && r.glass.By.Same(in.By) {
		return fmt.Errorf("%s has said so already: a second person has to", r.glass.By.Name)
	}
	return nil
}

// takeBreakGlass keeps the word of the first person. With that of a second, and when the rules let the two, the rules
// are told of both from then on, and lift what they may lift. When they do not let the two, the second's word is kept as
// a first one: nobody can block the others. Glass that is broken stays so until another two break it anew.
func (r *run) takeBreakGlass(ctx workflow.Context, in release.Instruction) (string, error) {
	first := r.glass
	if first == nil {
		r.wantGlass(in)
		return "noted; it counts when a second person says so too", nil
	}
	glass := *first
	glass.Second = &in.By
	err := r.allowed(ctx, release.GateOverride, in, func(q *release.Question) { q.BreakGlass, q.Breaking = &glass, true })
	// The rules took their time: somebody else may have said so meanwhile.
	if may := r.mayBreakGlass(in); may != nil {
		return "", may
	}
	if r.glass != first {
		return "", errors.New("somebody else has said so meanwhile: look at it again")
	}
	if err != nil {
		r.wantGlass(in)
		return "", fmt.Errorf("%w; your word is kept as the first, and another person can be the second", err)
	}
	r.glass, r.status.BreakGlass = nil, &glass
	r.noteOf(release.EntryGlass, "glass broken by "+glass.By.String()+" and "+in.By.String()+": the rules lift what they may lift", glass.Reason, in.Comment)
	r.show()
	return "the glass is broken; the rules are asked again", nil
}

// wantGlass keeps a first person's word. It is shown, and the rules are told, unless glass is broken already.
func (r *run) wantGlass(in release.Instruction) {
	r.glass = &release.BreakGlass{By: in.By, Reason: in.Comment, At: in.At}
	if shown := r.status.BreakGlass; shown == nil || shown.Second == nil {
		r.status.BreakGlass = r.glass
	}
	r.noteOf(release.EntryGlass, in.By.String()+" wants a rule broken, and a second person has to say so too", in.Comment)
	r.show()
}

// stopBy stops the release at a person's word.
func (r *run) stopBy(event release.Event, kind release.CauseKind, what string, in release.Instruction) {
	s := stop(event, kind, what+" by "+in.By.String(), comment(in)...)
	s.Cause.By = &in.By
	r.interrupt(s)
}

// answerable asks the rules whether an answer counts for the question that is open.
func (r *run) answerable(ctx workflow.Context, in release.Instruction, may func(release.Instruction) error, rejecting bool) error {
	asked := r.ask
	err := r.allowed(ctx, release.GateApprove, in, func(q *release.Question) {
		q.Point, q.Authors, q.Rejecting = asked.point, r.authors, rejecting
	})
	if err != nil {
		return err
	}
	// The rules took their time: somebody else may have answered meanwhile, and another question may be open.
	if err := may(in); err != nil {
		return err
	}
	if r.ask != asked {
		return errors.New("the question was closed meanwhile: look at the one that is open")
	}
	return nil
}

// allowed asks the rules about a person's instruction, with what fill puts into the question; nil is nothing.
func (r *run) allowed(ctx workflow.Context, gate release.Gate, in release.Instruction, fill func(*release.Question)) error {
	decision, err := r.decide(ctx, gate, nil, func(q *release.Question) {
		q.By, q.Reason = &in.By, in.Comment
		if fill != nil {
			fill(q)
		}
	})
	if err != nil {
		return err
	}
	if decision.Allow {
		return nil
	}
	return errors.New(strings.Join(append([]string{"the rules do not allow it"}, denied(decision).Cause.Details...), "; "))
}

func comment(in release.Instruction) []string {
	if in.Comment == "" {
		return nil
	}
	return []string{in.Comment}
}
