package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/cli/progress"
	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/policies"
)

// exitPolicy is what the commands about rules end with when the rules say otherwise than what was asked for: a test fails,
// a past decision changes, a release would be refused.
const exitPolicy = 3

func (p *program) policy() *cobra.Command {
	return group(&cobra.Command{Use: "policy", Short: "Ask what the rules said, would say, and should say"},
		p.policyExplain(), p.policyTest(), p.policyReplay(), p.policyWhatIf())
}

// bundleOf is a folder of rules; the built-in ones without a name.
func bundleOf(dir string) (fs.FS, error) {
	if dir == "" {
		return policies.FS, nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, usage("%s is not a folder of rules", dir)
	}
	return os.DirFS(dir), nil
}

func engineOf(dir, data string) (*policy.Engine, error) {
	bundle, err := bundleOf(dir)
	if err != nil {
		return nil, err
	}
	return policy.New(policy.Options{Bundle: bundle, DataFile: data, Timeout: 10 * time.Second})
}

func (p *program) policyExplain() *cobra.Command {
	var gate string
	cmd := &cobra.Command{
		Use: "explain [RELEASE]", Short: "Show what the rules answered to a release, and why", Args: between(0, 1),
		Long: "Shows each decision on a release: the gate, the answer, every reason against and what was demanded.\n\n" + releaseHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, id, err := p.about(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			decisions, err := c.Decisions(cmd.Context(), id)
			if err != nil {
				return err
			}
			var shown []api.Decision
			for _, d := range decisions {
				if gate == "" || string(d.Gate) == gate {
					shown = append(shown, d)
				}
			}
			return p.print(api.Decisions{Decisions: shown}, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %d decisions\n\n", id, len(shown))
				rows := [][]string{{"TIME", "GATE", "ANSWER", "TOOK", "RULES"}}
				for _, d := range shown {
					rows = append(rows, []string{d.At.UTC().Format("15:04:05.000"), string(d.Gate), answerWord(d.Decision), d.Took.Std().Round(10 * time.Microsecond).String(), d.Bundle})
				}
				table(w, p.width(), rows...)
				for _, d := range shown {
					explain(w, d)
				}
			})
		},
	}
	cmd.Flags().StringVar(&gate, "gate", "", "only this gate: admit, build, deploy, press, approve, step, cutover or override")
	return cmd
}

func answerWord(d release.Decision) string {
	switch {
	case d.Allow && len(d.Lifted) > 0:
		return "yes (glass broken)"
	case d.Allow:
		return "yes"
	default:
		return "no"
	}
}

// explain tells the reasons of a decision that has any.
func explain(w io.Writer, d api.Decision) {
	if len(d.Deny)+len(d.Lifted)+len(d.Obligations) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s  %s: %s\n", d.At.UTC().Format("15:04:05.000"), d.Gate, answerWord(d.Decision))
	for _, denial := range d.Deny {
		fmt.Fprintf(w, "    against   %s\n", reason(denial))
	}
	for _, denial := range d.Lifted {
		fmt.Fprintf(w, "    lifted    %s\n", reason(denial))
	}
	for _, o := range d.Obligations {
		fmt.Fprintf(w, "    demands   %s\n", demand(o))
	}
}

func reason(d release.Denial) string {
	text := d.Code + ": " + progress.Clean(d.Message)
	if d.Until != nil {
		text += ", until " + d.Until.UTC().Format(time.RFC3339)
	}
	return text
}

func demand(o release.Obligation) string {
	text := string(o.Kind)
	switch o.Kind {
	case release.ObligeApprovals:
		text = fmt.Sprintf("%d approvals before the %s", o.Count, o.Before)
		if len(o.From) > 0 {
			text += " of " + strings.Join(o.From, ", ")
		}
	case release.ObligeStages:
		var stages []string
		for _, stage := range o.Stages {
			stages = append(stages, string(stage))
		}
		text = "the stages " + strings.Join(stages, ", ")
	case release.ObligeMaxStep:
		text = "steps of at most " + o.Weight.String()
	case release.ObligeMinBake:
		text = "a bake of at least " + o.For.String()
	case release.ObligeMinWatch:
		text = "a watch of at least " + o.For.String()
	}
	if o.Reason != "" {
		text += " (" + progress.Clean(o.Reason) + ")"
	}
	return text
}

func (p *program) policyTest() *cobra.Command {
	var coverage bool
	cmd := &cobra.Command{
		Use: "test DIR", Short: "Run the tests of a folder of rules", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bundle, err := bundleOf(args[0])
			if err != nil {
				return err
			}
			report, err := policy.Test(cmd.Context(), bundle)
			if err != nil {
				return err
			}
			err = p.print(report, func(w io.Writer) {
				for _, failed := range report.Failed {
					fmt.Fprintf(w, "FAIL  %s\n", failed)
				}
				fmt.Fprintf(w, "%d passed, %d failed\n", report.Passed, len(report.Failed))
				if coverage {
					fmt.Fprintf(w, "coverage %.1f %%\n", report.Coverage)
					for _, missed := range report.Missed {
						fmt.Fprintf(w, "    not reached  %s\n", missed)
					}
				}
			})
			if err == nil && len(report.Failed) > 0 {
				return &exitError{code: exitPolicy}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&coverage, "coverage", false, "say which lines no test reaches")
	return cmd
}
