package cli

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/cli/progress"
)

// shortTime is how tables show moments, in UTC.
const shortTime = "2006-01-02 15:04:05"

func (p *program) subscriptions() *cobra.Command {
	return group(&cobra.Command{Use: "subscriptions", Short: "See who is sent events and what did not arrive, and send it again"},
		p.subscriptionsList(), p.subscriptionsDeliveries(), p.subscriptionsRetry())
}

func (p *program) subscriptionsList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List who is sent events, and how that goes", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			list, err := c.Subscriptions(cmd.Context())
			if err != nil {
				return err
			}
			return p.print(list, func(w io.Writer) {
				if len(list.Subscriptions) == 0 {
					fmt.Fprintln(w, "There are no subscriptions. Who is sent events is said under events in the configuration.")
					return
				}
				rows := [][]string{{"NAME", "URL", "STATE", "WAITING", "DEAD", "LAST SUCCESS", "LAST FAILURE"}}
				for _, s := range list.Subscriptions {
					rows = append(rows, []string{s.Name, s.URL, s.State, strconv.Itoa(s.Waiting), strconv.Itoa(s.Dead), when(s.Succeeded), when(s.Failed)})
				}
				table(w, p.width(), rows...)
				for _, s := range list.Subscriptions {
					if s.Reason != "" {
						fmt.Fprintf(w, "%s: %s\n", progress.Clean(s.Name), progress.Clean(s.Reason))
					}
				}
			})
		},
	}
}

func when(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return at.UTC().Format(shortTime)
}

func (p *program) subscriptionsDeliveries() *cobra.Command {
	var state, before string
	var limit int
	cmd := &cobra.Command{
		Use: "deliveries SUBSCRIPTION", Short: "List the newest events to a subscriber, and what became of them", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			list, err := c.EventDeliveries(cmd.Context(), args[0], state, limit, before)
			if err != nil {
				return err
			}
			return p.print(list, func(w io.Writer) {
				if len(list.Deliveries) == 0 {
					fmt.Fprintln(w, "There are none.")
					return
				}
				rows, notes := [][]string{{"ID", "STATE", "TRIES", "NEXT", "EVENT", "TYPE", "WHEN"}}, []string{}
				for _, d := range list.Deliveries {
					next := when(d.Due)
					if d.Due != nil && d.Due.Before(time.Now()) {
						next = "in line" // it is the turn of another of its release, or its own at any moment
					}
					rows = append(rows, []string{d.ID, d.State, strconv.Itoa(d.Attempts), next, d.Event, d.Type, when(&d.Created)})
					notes = append(notes, d.Reason)
				}
				noted(w, p.width(), notes, rows...)
				more(w, list.Next)
			})
		},
	}
	cmd.Flags().StringVar(&before, "before", "", beforeHelp)
	cmd.Flags().StringVar(&state, "state", "", "only those that are waiting, sent or dead")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many, up to 500")
	return cmd
}

func (p *program) subscriptionsRetry() *cobra.Command {
	return &cobra.Command{
		Use: "retry SUBSCRIPTION ID", Short: "Send an event again that is dead", Args: between(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			if err := c.RetryEvent(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			return p.print(map[string]string{"id": args[1]}, func(w io.Writer) { fmt.Fprintf(w, "%s is sent again\n", args[1]) })
		},
	}
}
