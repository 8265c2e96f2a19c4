package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/cli/progress"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
)

// leastPlan is how much of a plan's hash has to be given: eight digits cannot be hit by chance.
const leastPlan = 8

// answer is a person's answer to a release that asks.
type answer struct {
	what    dispatch.Instruction
	plan    string
	comment string
	yes     bool
}

func (p *program) releaseAnswer(what dispatch.Instruction, short string) *cobra.Command {
	a := answer{what: what}
	cmd := &cobra.Command{
		Use: string(what) + " RELEASE [--plan HASH | --yes]", Short: short, Args: between(1, 1),
		Long: short + ".\n\nThe answer counts for the plan that was shown and for no other. So give the plan's hash, at least its first 8 digits, with\n" +
			"--plan; or look at what is printed and confirm it; or say --yes to whatever the plan is now.\n\n" + releaseHelp,
		RunE: func(cmd *cobra.Command, args []string) error { return p.answer(cmd, args[0], a) },
	}
	cmd.Flags().StringVar(&a.plan, "plan", "", "hash of the plan you answer for, or its first 8 or more digits")
	cmd.Flags().BoolVar(&a.yes, "yes", false, "answer for whatever the plan is now, without being asked")
	cmd.Flags().StringVarP(&a.comment, "comment", "m", "", "why; it is kept with the answer")
	return cmd
}

func (p *program) answer(cmd *cobra.Command, name string, a answer) error {
	if a.plan != "" && len(a.plan) < leastPlan {
		return usage("--plan %q: give at least the first %d digits of the hash", a.plan, leastPlan)
	}
	c, id, err := p.about(cmd.Context(), name)
	if err != nil {
		return err
	}
	status, err := c.Release(cmd.Context(), id)
	if err != nil {
		return err
	}
	if status.PlanHash == "" {
		return notFollowed("release %s is %s and has no plan to %s", id, status.Phase, a.what)
	}
	if p.output == outputText {
		fmt.Fprint(p.o.Stdout, proposal(status))
	}
	if !strings.HasPrefix(status.PlanHash, a.plan) {
		return notFollowed("the plan of release %s is %s now, and not %s: look at it again, then answer for that", id, shortHash(status.PlanHash), a.plan)
	}
	if a.plan == "" && !a.yes {
		if err := p.confirm(cmd.Context(), a.what); err != nil {
			return err
		}
	}
	body := api.InstructionBody{Comment: a.comment, PlanHash: status.PlanHash}
	if status.Ask != nil {
		body.Ask = status.Ask.Number
	}
	return p.instruct(cmd, c, id, a.what, body)
}

// proposal is what a person answers for.
func proposal(s release.Status) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, progress.Clean(fmt.Sprintf(format, args...)))
	}
	row("release", "%s, %s", s.ID, s.Phase)
	subject, _, _ := strings.Cut(strings.TrimSpace(s.Message), "\n")
	row("commit", "%s  %s", s.Commit, subject)
	if s.Ref != "" {
		row("ref", "%s", release.RefName(s.Ref))
	}
	row("by", "%s", s.Requester)
	for i, m := range s.Moves {
		from := "(new)"
		if m.Stable != nil {
			from = m.Stable.ID
		}
		word := from + " → " + m.Candidate.ID
		if !m.Changed() {
			word = from + " (unchanged)"
		}
		name := ""
		if i == 0 {
			name = "changes"
		}
		row(name, "%s: %s", m.Component, word)
	}
	if len(s.Units) > 0 {
		row("units", "%s", strings.Join(s.Units, ", "))
	}
	var steps []string
	for _, step := range s.Steps {
		word := fmt.Sprintf("%s for %s", step.Weight, step.Bake)
		if step.Probe {
			word += " (probe)"
		}
		steps = append(steps, word)
	}
	row("steps", "%s", strings.Join(append(steps, "100%"), " → "))
	row("plan", "%s", s.PlanHash)
	return b.String()
}

// confirm asks the person on the terminal.
func (p *program) confirm(ctx context.Context, what dispatch.Instruction) error {
	in, ok := p.o.Stdin.(*os.File)
	// Who asked for JSON was not shown the plan, and a question is no JSON.
	if _, _, terminal := p.o.Screen(); p.output != outputText || !terminal || !ok || !term.IsTerminal(int(in.Fd())) {
		return usage("nobody can be asked here: say which plan with --plan HASH, or --yes for whatever it is now")
	}
	fmt.Fprintf(p.o.Stdout, "\nType yes to %s this plan: ", what)
	said, err := readLine(ctx, in)
	if ctx.Err() != nil {
		fmt.Fprintln(p.o.Stdout)
		return &exitError{ExitInterrupted, "interrupted; nothing was sent"}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(strings.ToLower(said)) != "yes" {
		return errors.New("not confirmed; nothing was sent")
	}
	return nil
}

// readLine is the next line of in. A read from a terminal cannot be ended: when ctx ends first, the
// read is left behind, or Ctrl-C at the question would wait for the answer.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		return a.line, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func shortHash(hash string) string { return hash[:min(12, len(hash))] }
