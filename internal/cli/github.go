package cli

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/cli/progress"
)

func (p *program) github() *cobra.Command {
	return group(&cobra.Command{Use: "github", Short: "See what GitHub was told of releases, and tell it again"},
		p.githubStatus(), p.githubRetry())
}

func (p *program) githubStatus() *cobra.Command {
	var trouble bool
	var limit int
	var before string
	cmd := &cobra.Command{
		Use: "status [RELEASE]", Short: "List what GitHub was told last, and what it refused", Args: between(0, 1),
		Long: "Lists what GitHub was told last, and what it refused.\n\n" + releaseHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			of := ""
			if len(args) == 1 {
				id, err := find(cmd.Context(), c, args[0])
				if err != nil {
					return err
				}
				of = id.String()
			}
			list, err := c.Writebacks(cmd.Context(), of, trouble, limit, before)
			if err != nil {
				return err
			}
			return p.print(list, func(w io.Writer) {
				if len(list.Writebacks) == 0 && trouble {
					fmt.Fprintln(w, "Nothing failed, and nothing was given up.")
					return
				}
				if len(list.Writebacks) == 0 && of != "" {
					fmt.Fprintf(w, "GitHub was told nothing of release %s. Its repository is elsewhere, or nobody is configured to tell.\n", of)
					return
				}
				if len(list.Writebacks) == 0 {
					fmt.Fprintln(w, "GitHub was told nothing. Who we are there is said under github in the configuration.")
					return
				}
				rows := [][]string{{"RELEASE", "WHAT", "STATE", "TRIES", "WHEN", "REASON"}}
				for _, one := range list.Writebacks {
					rows = append(rows, []string{one.Release, "all", one.State, strconv.Itoa(one.Attempts), one.Updated.UTC().Format("2006-01-02 15:04:05"), progress.Clean(one.Reason)})
					for _, o := range one.Objects {
						if len(args) == 1 || o.State != "sent" {
							rows = append(rows, []string{"", progress.Clean(o.Name), o.State, strconv.Itoa(o.Attempts), o.Updated.UTC().Format("2006-01-02 15:04:05"), progress.Clean(o.Reason)})
						}
					}
				}
				table(w, p.width(), rows...)
				more(w, list.Next)
			})
		},
	}
	cmd.Flags().BoolVar(&trouble, "trouble", false, "only where something failed or was given up")
	cmd.Flags().IntVar(&limit, "limit", 20, "at most so many, up to 200")
	cmd.Flags().StringVar(&before, "before", "", beforeHelp)
	return cmd
}

func (p *program) githubRetry() *cobra.Command {
	return &cobra.Command{
		Use: "retry RELEASE", Short: "Tell GitHub again what was given up of a release", Args: between(1, 1),
		Long: "Tells GitHub again what was given up of a release.\n\n" + releaseHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, id, err := p.about(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := c.RetryWriteback(cmd.Context(), id.String()); err != nil {
				return err
			}
			return p.print(map[string]string{"release": id.String()}, func(w io.Writer) { fmt.Fprintf(w, "%s is told again\n", id) })
		},
	}
}
