package cli

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/scaffold"
)

// created is what init wrote.
type created struct {
	Dir   string   `json:"dir"`
	Files []string `json:"files"`
}

func (p *program) initialize() *cobra.Command {
	var o scaffold.Options
	cmd := &cobra.Command{
		Use: "init [DIR]", Short: "Write a small application to begin with", Args: between(0, 1),
		Long: "Writes a function with its tests, cases and skyisland.yaml into DIR, the working directory by default.\nNothing that is there is overwritten.",
		RunE: func(_ *cobra.Command, args []string) error {
			dir := p.o.Dir
			if len(args) > 0 {
				dir = p.path(args[0])
			}
			if o.Application == "" {
				o.Application = filepath.Base(dir)
				if err := release.CheckName(o.Application); err != nil {
					return usage("the folder's name cannot be the application's (%v): give one with --application", err)
				}
			}
			files, err := scaffold.Write(dir, o)
			if err != nil {
				return fmt.Errorf("write the application: %w", err)
			}
			return p.print(created{dir, files}, func(w io.Writer) {
				for _, file := range files {
					fmt.Fprintln(w, "wrote "+file)
				}
				fmt.Fprintf(w, "\nNext, in %s:\n  skyisland validate\n  git init -b main && git add . && git commit -m 'Begin'\nthen push it to the git remote that `skyisland doctor` shows.\n", dir)
			})
		},
	}
	cmd.Flags().StringVar(&o.Application, "application", "", "name of the application (default: the folder's name)")
	cmd.Flags().StringVar(&o.Tenant, "tenant", "", "who owns it (default: default)")
	cmd.Flags().StringVar(&o.Component, "component", "", "name of its function (default: timetable)")
	return cmd
}
