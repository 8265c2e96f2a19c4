package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
)

func (p *program) application() *cobra.Command {
	return group(&cobra.Command{Use: "application", Aliases: []string{"app"}, Short: "Say what is released from where"},
		p.applicationAdd(), p.applicationList())
}

func (p *program) applicationAdd() *cobra.Command {
	var repository string
	cmd := &cobra.Command{
		Use: "add TENANT/APPLICATION --repository URL", Short: "Release an application from a repository", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			tenant, name, found := strings.Cut(args[0], "/")
			if !found || release.CheckName(tenant) != nil || release.CheckName(name) != nil {
				return usage("%q is not an application: write tenant/application, such as demo/hello", args[0])
			}
			if repository == "" {
				return usage("--repository is missing: give the address that git clones")
			}
			c, err := p.client()
			if err != nil {
				return err
			}
			saved, err := c.SaveApplication(cmd.Context(), tenant, name, repository)
			if err != nil {
				return err
			}
			return p.print(saved, func(w io.Writer) {
				fmt.Fprintf(w, "%s/%s is released from %s\n", saved.Tenant, saved.Name, saved.Repository)
			})
		},
	}
	cmd.Flags().StringVar(&repository, "repository", "", "address that git clones, without a password")
	return cmd
}

func (p *program) applicationList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the applications that are known", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			known, err := c.Applications(cmd.Context())
			if err != nil {
				return err
			}
			return p.print(api.Applications{Applications: known}, func(w io.Writer) {
				if len(known) == 0 {
					fmt.Fprintln(w, "No application is known yet; add one with: skyisland application add TENANT/APPLICATION --repository URL")
					return
				}
				rows := [][]string{{"APPLICATION", "REPOSITORY", "BRANCHES"}}
				for _, a := range known {
					rows = append(rows, []string{a.Tenant + "/" + a.Name, a.Repository, branches(a)})
				}
				table(w, p.width(), rows...)
			})
		},
	}
}

func branches(a release.Application) string {
	var out []string
	for _, branch := range slices.Sorted(maps.Keys(a.Branches)) {
		out = append(out, branch+" → "+strings.Join(a.Branches[branch], ", "))
	}
	return strings.Join(out, "; ")
}
