package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/cli/progress"
	"github.com/skyisland/skyisland/internal/release"
)

func (p *program) freeze() *cobra.Command {
	return group(&cobra.Command{Use: "freeze", Short: "Hold all promotions for a while, and let them go on"},
		p.freezeAdd(), p.freezeList(), p.freezeLift())
}

func (p *program) freezeAdd() *cobra.Command {
	var body api.FreezeBody
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "add WHAT --reason WHY",
		Short: "Freeze a tenant, a tenant/application, a tenant/application/environment, or all",
		Long: "Freeze a tenant, a tenant/application, a tenant/application/environment, or all.\n\n" +
			"Nothing is promoted meanwhile. What a ramp under way does is the manifest's freeze: hold, finish or revert.\n" +
			"With --stop-the-line nothing begins either, and no manifest is exempt.",
		Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body.About, body.For = args[0], release.Duration(lasts)
			if _, err := release.NewFreeze(body.About, lasts, body.Reason, release.Actor{}, time.Time{}); err != nil {
				return usage("%v", err)
			}
			if body.Reason == "" {
				return usage("--reason is missing: it is told to everybody whom the freeze holds")
			}
			c, err := p.client()
			if err != nil {
				return err
			}
			freeze, err := c.AddFreeze(cmd.Context(), body)
			if err != nil {
				return err
			}
			return p.print(freeze, func(w io.Writer) {
				fmt.Fprintf(w, "%s is frozen %s\nskyisland freeze lift %s ends it\n", freeze.About(), freezeEnd(freeze), freeze.ID)
			})
		},
	}
	cmd.Flags().DurationVar(&lasts, "for", 0, "how long, such as 30m or 2h; without it, until it is lifted")
	cmd.Flags().StringVarP(&body.Reason, "reason", "m", "", "why; required")
	cmd.Flags().BoolVar(&body.Line, "stop-the-line", false, "let nothing begin either, and exempt nobody")
	return cmd
}

func (p *program) freezeList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List what people have frozen", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			list, err := c.Freezes(cmd.Context())
			if err != nil {
				return err
			}
			return p.print(list, func(w io.Writer) {
				if len(list.Freezes) == 0 {
					fmt.Fprintln(w, "Nobody has frozen anything. Freeze windows of the rules are not listed here.")
					return
				}
				rows := [][]string{{"ID", "WHAT", "UNTIL", "BY", "WHY"}}
				for _, f := range list.Freezes {
					about := f.About()
					if f.Line {
						about += " (line stopped)"
					}
					rows = append(rows, []string{f.ID, about, freezeEnd(f), progress.Clean(f.By.Name), progress.Clean(f.Reason)})
				}
				table(w, p.width(), rows...)
			})
		},
	}
}

func (p *program) freezeLift() *cobra.Command {
	return &cobra.Command{
		Use: "lift ID", Short: "End a freeze", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			freeze, err := c.LiftFreeze(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return p.print(freeze, func(w io.Writer) { fmt.Fprintf(w, "%s is no longer frozen\n", freeze.About()) })
		},
	}
}

func freezeEnd(f release.Freeze) string {
	if f.Ends == nil {
		return "until it is lifted"
	}
	return "until " + f.Ends.UTC().Format("2006-01-02 15:04 MST")
}
