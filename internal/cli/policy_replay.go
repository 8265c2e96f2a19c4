package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/cli/progress"
	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
)

// replayed is what a replay found.
type replayed struct {
	Decisions int             `json:"decisions"`
	Changes   []policy.Change `json:"changes"`
	// Unreadable are the decisions whose question could not be asked again.
	Unreadable []unreadable `json:"unreadable"`
}

// unreadable is a decision that cannot be replayed.
type unreadable struct {
	ID   string       `json:"id"`
	Gate release.Gate `json:"gate"`
	Why  string       `json:"why"`
}

// result is an error unless all was asked again and the answers are the same.
func (r replayed) result() error {
	if len(r.Changes)+len(r.Unreadable) > 0 {
		return &exitError{code: exitPolicy}
	}
	return nil
}

func (p *program) policyReplay() *cobra.Command {
	var since, dir, data string
	cmd := &cobra.Command{
		Use: "replay --bundle DIR", Short: "Say which past decisions other rules would have made otherwise", Args: between(0, 0),
		Long: "Takes the decisions since a time from the server and asks the rules of a folder the same questions. Exit code 3 when any\n" +
			"answer changes, or a question cannot be asked again. Nothing is changed on the server.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			span, err := spanOf(since)
			if err != nil {
				return err
			}
			engine, err := engineOf(dir, data)
			if err != nil {
				return err
			}
			out, err := p.replay(cmd.Context(), engine, time.Now().Add(-span))
			if err != nil {
				return err
			}
			if err := p.print(out, func(w io.Writer) { tellReplay(w, out) }); err != nil {
				return err
			}
			return out.result()
		},
	}
	cmd.Flags().StringVar(&since, "since", "7d", "how far back, such as 12h or 7d")
	cmd.Flags().StringVar(&dir, "bundle", "", "folder of the other rules; without it, the built-in ones")
	cmd.Flags().StringVar(&data, "data", "", "data file of the other rules")
	return cmd
}

// spanOf reads a length of time, also in days.
func spanOf(text string) (time.Duration, error) {
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 10000 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	span, err := time.ParseDuration(text)
	if err != nil || span <= 0 {
		return 0, usage("--since %q is not a length of time: write 12h or 7d", text)
	}
	return span, nil
}

func (p *program) replay(ctx context.Context, engine *policy.Engine, since time.Time) (replayed, error) {
	out := replayed{Changes: []policy.Change{}, Unreadable: []unreadable{}}
	c, err := p.client()
	if err != nil {
		return out, err
	}
	for decision, err := range c.DecisionsSince(ctx, since) {
		if err != nil {
			return out, err
		}
		out.Decisions++
		change, err := engine.Replay(ctx, decision.Question, decision.Decision)
		switch {
		case errors.Is(err, policy.ErrUnreadable):
			out.Unreadable = append(out.Unreadable, unreadable{ID: decision.ID, Gate: decision.Gate, Why: err.Error()})
		case err != nil:
			return out, err
		case change != nil:
			out.Changes = append(out.Changes, *change)
		}
	}
	return out, nil
}

func tellReplay(w io.Writer, out replayed) {
	turned := 0
	for _, change := range out.Changes {
		if change.Turned() {
			turned++
		}
		fmt.Fprintf(w, "%s  %s: %s → %s\n", change.About, change.Gate, answerWord(change.Was), answerWord(change.Is))
		for _, denial := range change.New {
			fmt.Fprintf(w, "    new       %s\n", reason(denial))
		}
		for _, denial := range change.Gone {
			fmt.Fprintf(w, "    gone      %s\n", reason(denial))
		}
		for _, o := range change.Is.Obligations {
			fmt.Fprintf(w, "    demands   %s\n", demand(o))
		}
	}
	for _, u := range out.Unreadable {
		fmt.Fprintf(w, "decision %s  %s: not replayed: %s\n", progress.Clean(u.ID), u.Gate, progress.Clean(u.Why))
	}
	if n := len(out.Unreadable); n > 0 {
		fmt.Fprintf(w, "%d of the decisions could not be replayed\n", n)
	}
	fmt.Fprintf(w, "%d decisions, %d would change, %d of them from yes to no or back\n", out.Decisions, len(out.Changes), turned)
}
