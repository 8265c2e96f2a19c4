package cli

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/cli/progress"
)

func (p *program) notifications() *cobra.Command {
	return group(&cobra.Command{Use: "notifications", Short: "See what people were told, and tell them again"},
		p.notificationsList(), p.notificationsRetry())
}

func (p *program) notificationsList() *cobra.Command {
	var dead bool
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List the newest messages, and what became of them", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			list, err := c.Deliveries(cmd.Context(), dead, limit)
			if err != nil {
				return err
			}
			return p.print(list, func(w io.Writer) {
				if len(list.Deliveries) == 0 {
					fmt.Fprintln(w, "There are no messages. Who hears of what is said under notify in the configuration.")
					return
				}
				rows := [][]string{{"ID", "WHEN", "TARGET", "STATE", "TRIES", "MESSAGE"}}
				for _, d := range list.Deliveries {
					message := progress.Clean(d.Title)
					if d.Reason != "" {
						message += " — " + progress.Clean(d.Reason)
					}
					rows = append(rows, []string{d.ID, d.Created.UTC().Format("2006-01-02 15:04:05"), d.Target, d.State, strconv.Itoa(d.Attempts), message})
				}
				table(w, p.width(), rows...)
			})
		},
	}
	cmd.Flags().BoolVar(&dead, "dead", false, "only those that were given up")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many, up to 500")
	return cmd
}

func (p *program) notificationsRetry() *cobra.Command {
	return &cobra.Command{
		Use: "retry ID", Short: "Send a message again that was given up", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			if err := c.RetryDelivery(cmd.Context(), args[0]); err != nil {
				return err
			}
			return p.print(map[string]string{"id": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "%s is sent again\n", args[0]) })
		},
	}
}
