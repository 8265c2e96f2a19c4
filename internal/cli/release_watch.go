package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/cli/progress"
	"github.com/skyisland/skyisland/internal/release"
)

// redraw is how often a live view is drawn without news, for its clocks.
const redraw = time.Second

func (p *program) releaseWatch() *cobra.Command {
	return &cobra.Command{
		Use: "watch [RELEASE]", Short: "Watch a release until it has ended; the newest by default", Args: between(0, 1),
		Long: "Watches a release until it has ended; the newest by default. On a terminal the view is redrawn in place, elsewhere each\n" +
			"change is a line, and with --output json each change is the whole status on one line. The exit code tells how the\n" +
			"release ended. Interrupting it leaves the release as it is.\n\n" + releaseHelp + "\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, id, err := p.about(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			show, done := p.viewer()
			defer done()
			return p.watch(cmd.Context(), c, id, show)
		},
	}
}

// news is what a watch brings: a status, or why there is none at the moment.
type news struct {
	status release.Status
	err    error
}

// watch shows a release until it has ended.
func (p *program) watch(ctx context.Context, c *client.Client, id release.ID, show func(before, now release.Status, trouble error)) error {
	// The clocks of the view go on while nothing comes, so what comes has to be waited for elsewhere.
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	coming := make(chan news)
	go func() {
		defer close(coming)
		for status, err := range c.Watch(reading, id) {
			select {
			case coming <- news{status, err}:
			case <-reading.Done():
				return
			}
		}
	}()
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	var status release.Status
	var trouble error
	for {
		select {
		case n, more := <-coming:
			var retry *client.RetryError
			switch {
			case !more && ctx.Err() != nil:
				return &exitError{ExitInterrupted, "stopped watching; the release goes on"}
			case !more:
				return outcome(status.Phase)
			case errors.As(n.err, &retry):
				trouble = n.err
				show(status, status, trouble)
			case n.err != nil:
				return n.err
			default:
				before := status
				status, trouble = n.status, nil
				show(before, status, nil)
			}
		case <-tick.C:
			if status.Phase != "" && p.live() {
				show(status, status, trouble)
			}
		}
	}
}

// viewer shows news in the way that suits where they go. done ends it.
func (p *program) viewer() (show func(before, now release.Status, trouble error), done func()) {
	switch {
	case p.output == outputJSON:
		encoder := json.NewEncoder(p.o.Stdout)
		return func(_, now release.Status, trouble error) {
			if trouble == nil {
				// A reader that went away is noticed when the watch is interrupted for it.
				_ = encoder.Encode(now)
			}
		}, func() {}
	case p.live():
		screen := progress.NewScreen(p.o.Stdout, func() (int, int) {
			width, height, _ := p.o.Screen()
			return width, height
		}, p.color())
		return func(_, now release.Status, trouble error) {
			var notes []string
			if trouble != nil {
				notes = []string{"reconnecting: " + trouble.Error()}
			}
			screen.Draw(now, time.Now(), notes...)
		}, screen.Close
	default:
		return func(before, now release.Status, trouble error) {
			if trouble != nil {
				fmt.Fprintln(p.o.Stderr, "skyisland: reconnecting: "+progress.Clean(trouble.Error()))
				return
			}
			for _, l := range progress.Lines(before, now, time.Now()) {
				fmt.Fprintln(p.o.Stdout, l)
			}
		}, func() {}
	}
}
