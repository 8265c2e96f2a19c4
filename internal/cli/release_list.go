package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
)

func (p *program) releaseList() *cobra.Command {
	var filter api.ReleaseFilter
	cmd := &cobra.Command{
		Use: "list", Short: "List releases, the newest first", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if filter.Limit < 1 {
				return usage("--limit %d: want 1 or more", filter.Limit)
			}
			c, err := p.client()
			if err != nil {
				return err
			}
			page, err := c.Releases(cmd.Context(), filter)
			if err != nil {
				return err
			}
			return p.print(page, func(w io.Writer) { p.listReleases(w, page) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&filter.Tenant, "tenant", "", "only of this tenant")
	flags.StringVar(&filter.Application, "application", "", "only of this application")
	flags.StringVar(&filter.Environment, "environment", "", "only in this environment")
	flags.StringVar((*string)(&filter.Phase), "phase", "", "only in this phase, such as ramping, completed or rolled-back")
	flags.IntVar(&filter.Limit, "limit", 20, "at most so many, up to 500")
	flags.StringVar(&filter.Before, "before", "", beforeHelp)
	return cmd
}

func (p *program) listReleases(w io.Writer, page api.ReleasePage) {
	if len(page.Releases) == 0 {
		fmt.Fprintln(w, "No release matches.")
		return
	}
	rows := [][]string{{"RELEASE", "PHASE", "COMMIT", "BY", "REQUESTED", "MESSAGE"}}
	for _, r := range page.Releases {
		rows = append(rows, []string{
			r.ID.String(), string(r.Phase), r.Commit[:min(12, len(r.Commit))], r.Requester.Name,
			r.Requested.UTC().Format(shortTime), message(r),
		})
	}
	table(w, p.width(), rows...)
	more(w, page.Next)
}

// message is why a release did not complete, and what it is about where it did.
func message(r release.Summary) string {
	text := r.Message
	if r.Cause != nil {
		text = r.Cause.Message
	}
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return first
}
