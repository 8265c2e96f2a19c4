package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/cli/progress"
	"github.com/skyisland/skyisland/internal/events"
)

// events is what happened and what came in.
func (p *program) events() *cobra.Command {
	return group(&cobra.Command{Use: "events", Short: "Follow what happens to releases"}, p.eventsWatch())
}

// eventsWatch follows the stream of events.
func (p *program) eventsWatch() *cobra.Command {
	var query client.StreamQuery
	var after int64
	var most int
	cmd := &cobra.Command{
		Use: "watch", Short: "Follow what happens to all releases, from now on or from where you were", Args: between(0, 0),
		Long: "Follows what happens to all releases, each event once and in order; a connection that is lost is made again. Each event is a\n" +
			"line, and with --output json a CloudEvent in one line. To go on later where you were, give --after the last sequence you\n" +
			"have seen; 0 is from the oldest that is kept. Events that are kept no longer are told on standard error.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("after") {
				if after < 0 {
					return usage("--after %d: want the sequence of an event, or 0 for the oldest that is kept", after)
				}
				query.After = &after
			}
			if most < 0 {
				return usage("--limit %d: want a number of events, or 0 for no end", most)
			}
			told := 0
			for event, err := range c.Stream(cmd.Context(), query) {
				var retry *client.RetryError
				switch {
				case errors.As(err, &retry):
					fmt.Fprintln(p.o.Stderr, "skyisland: reconnecting: "+progress.Clean(err.Error()))
					continue
				case err != nil:
					return err
				case event.Gap != nil:
					fmt.Fprintln(p.o.Stderr, "skyisland: "+progress.Clean(event.Gap.Message))
					continue
				}
				if err := p.showEvent(event); err != nil {
					return err
				}
				if told++; told == most {
					return nil
				}
			}
			return &exitError{ExitInterrupted, "stopped watching; what happens goes on"}
		},
	}
	cmd.Flags().StringSliceVar(&query.Types, "type", nil, "only of these types, such as dev.skyisland.release.ended.v1; * stands for any text")
	cmd.Flags().StringSliceVar(&query.Tenants, "tenant", nil, "only of these tenants")
	cmd.Flags().StringSliceVar(&query.Applications, "application", nil, "only of these applications")
	cmd.Flags().StringSliceVar(&query.Environments, "environment", nil, "only of these environments")
	cmd.Flags().StringVar(&query.Release, "release", "", "only of one release, in full")
	cmd.Flags().Int64Var(&after, "after", 0, "from after this sequence; 0 is from the oldest that is kept (default: from now on)")
	cmd.Flags().IntVar(&most, "limit", 0, "end after so many events; 0 goes on")
	return cmd
}

// showEvent writes one event as it is wanted.
func (p *program) showEvent(event client.StreamEvent) error {
	if p.output == outputJSON {
		_, err := fmt.Fprintf(p.o.Stdout, "%s\n", event.JSON)
		return err
	}
	var whole struct {
		Time    time.Time   `json:"time"`
		Subject string      `json:"subject"`
		Data    events.Data `json:"data"`
	}
	if err := json.Unmarshal(event.JSON, &whole); err != nil {
		return fmt.Errorf("read event %d: %w", event.Sequence, err)
	}
	about := whole.Subject
	if about == "" {
		about = "everything"
	}
	_, err := fmt.Fprintf(p.o.Stdout, "%s  %d  %s  %s  %s\n", whole.Time.UTC().Format(shortTime), event.Sequence,
		progress.Clean(about), progress.Clean(string(whole.Data.Kind)), progress.Clean(whole.Data.Message))
	return err
}
