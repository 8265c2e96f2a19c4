package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
)

// InstructionBody goes with an instruction. Who gives it is known from the token.
type InstructionBody struct {
	// Comment is kept with the instruction.
	Comment string `json:"comment,omitempty"`
	// PlanHash is the whole hash of the plan that the person was shown; approve and reject need it.
	PlanHash string `json:"plan_hash,omitempty"`
	// Ask is the number of the question that the person was shown: the same plan may be asked about more than once. 0 is
	// the one that is open.
	Ask int `json:"ask,omitempty"`
}

// textLimit bounds what is kept of what somebody wrote, in bytes: it goes into a workflow's history.
const textLimit = 4 << 10

func (s *Server) instruct(w http.ResponseWriter, r *http.Request, what dispatch.Instruction) {
	id, err := idOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var body InstructionBody
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	if err := checkInstruction(what, body); err != nil {
		s.fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), instructFor)
	defer cancel()
	followed, err := s.releases.Instruct(ctx, id, what, release.Instruction{
		ID: keyIdentity(r.Context()), By: actor(r.Context()), Comment: body.Comment, PlanHash: body.PlanHash, Ask: body.Ask, At: s.now().UTC(),
	})
	if err != nil {
		s.fail(w, r, s.explainAbsence(r.Context(), id, err))
		return
	}
	s.log.InfoContext(r.Context(), "instruction followed", "release", id.String(), "instruction", string(what), "actor", actor(r.Context()).Name)
	reply(w, http.StatusOK, followed)
}

// instructionID is the name of the operation that gives an instruction.
func instructionID(what dispatch.Instruction) string {
	if what == dispatch.BreakGlass {
		return "breakGlass"
	}
	return string(what) + "Release"
}

// instructionMeans is what an instruction does, as a sentence.
func instructionMeans(what dispatch.Instruction) string {
	return map[dispatch.Instruction]string{
		dispatch.Approve:    "Approves the plan of a release that asks.",
		dispatch.Reject:     "Rejects the plan of a release that asks.",
		dispatch.Pause:      "Holds a release where it is; its canary stays watched.",
		dispatch.Resume:     "Lets a paused release go on.",
		dispatch.Promote:    "Ends the step or the watch under way before its evidence is in.",
		dispatch.Abort:      "Stops a release; what moved goes back.",
		dispatch.Rollback:   "Takes all traffic back to stable. Nothing has to allow it but the token.",
		dispatch.BreakGlass: "Asks for a rule to be broken; it counts when a second person does so too.",
	}[what]
}

func checkInstruction(what dispatch.Instruction, body InstructionBody) error {
	if len(body.Comment) > textLimit {
		return badRequest("comment has %d bytes: at most %d are kept", len(body.Comment), textLimit)
	}
	if (what == dispatch.Approve || what == dispatch.Reject) && body.PlanHash == "" {
		return badRequest("plan_hash is missing: %s answers for the plan that was shown, so send the release's plan_hash", what)
	}
	return nil
}

func words(all []dispatch.Instruction) string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = string(one)
	}
	return strings.Join(out, ", ")
}

// explainAbsence tells a release that ended so long ago that Temporal has forgotten it from one that
// never was.
func (s *Server) explainAbsence(ctx context.Context, id release.ID, err error) error {
	if !errors.Is(err, release.ErrNotFound) {
		return err
	}
	summary, recorded := s.records.Release(ctx, id)
	switch {
	case recorded == nil:
		return fmt.Errorf("release %s is %s: %w", id, summary.Phase, release.ErrFinished)
	case errors.Is(recorded, release.ErrNotFound):
		return s.unknownRelease(ctx, id)
	default:
		return fmt.Errorf("read release %s: %w", id, recorded)
	}
}

// AlarmBody is an alarm as it is raised.
type AlarmBody struct {
	// Name says which alarm it is; Source is whose, and the token's holder when it is empty.
	Name   string `json:"name"`
	Source string `json:"source,omitempty"`
	// Summary is a sentence for people.
	Summary string `json:"summary,omitempty"`
	// At is when; zero is now.
	At time.Time `json:"at,omitzero"`
}

// AlarmTold is an alarm that a release has heard of.
type AlarmTold struct {
	Release release.ID    `json:"release"`
	Alarm   release.Alarm `json:"alarm"`
}

func (s *Server) alarm(w http.ResponseWriter, r *http.Request) {
	id, err := idOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var body AlarmBody
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	alarm := release.Alarm(body)
	if alarm.Name == "" {
		s.fail(w, r, badRequest("name is missing: it says which alarm it is"))
		return
	}
	if len(alarm.Name)+len(alarm.Source)+len(alarm.Summary) > textLimit {
		s.fail(w, r, badRequest("name, source and summary have more than %d bytes together", textLimit))
		return
	}
	if alarm.Source == "" {
		alarm.Source = actor(r.Context()).Name
	}
	if alarm.At.IsZero() {
		alarm.At = s.now().UTC()
	}
	ctx, cancel := context.WithTimeout(r.Context(), askFor)
	defer cancel()
	if err := s.releases.Alarm(ctx, id, alarm); err != nil {
		s.fail(w, r, s.explainAbsence(r.Context(), id, err))
		return
	}
	s.log.InfoContext(r.Context(), "alarm passed on", "release", id.String(), "alarm", alarm.Name, "actor", actor(r.Context()).Name)
	reply(w, http.StatusAccepted, AlarmTold{id, alarm})
}
