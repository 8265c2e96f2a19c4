package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/cli/progress"
	"github.com/skyisland/skyisland/internal/release"
)

func (p *program) events() *cobra.Command {
	return group(&cobra.Command{Use: "events", Short: "See what came from outside and what became of it, hand it on once more, and follow what happens"},
		p.eventsList(), p.eventsShow(), p.eventsReplay(), p.eventsWatch())
}

func (p *program) eventsList() *cobra.Command {
	var filter api.EventFilter
	var since string
	cmd := &cobra.Command{
		Use: "list", Short: "List events, the newest first, each with its outcome", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if filter.Limit < 1 {
				return usage("--limit %d: want 1 or more", filter.Limit)
			}
			var err error
			if err := checkOutcome(&filter); err != nil {
				return err
			}
			if filter.Since, err = sinceOf(since, time.Now()); err != nil {
				return err
			}
			c, err := p.client()
			if err != nil {
				return err
			}
			page, err := c.Events(cmd.Context(), filter)
			if err != nil {
				return err
			}
			return p.print(page, func(w io.Writer) { p.listEvents(w, page) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&filter.Source, "source", "", "only of this source, such as github (also of the local git remote), cron or alertmanager")
	flags.StringVar(&filter.Kind, "kind", "", "only of this kind, such as push or alarm")
	flags.StringVar(&filter.Delivery, "delivery", "", "only the one that its source calls this")
	flags.StringVar(&filter.Outcome, "outcome", "", "only with this outcome: "+strings.Join(api.EventOutcomes(), ", ")+", or pending")
	flags.BoolVar(&filter.Pending, "pending", false, "only those that wait for their outcome")
	flags.StringVar(&since, "since", "", "only those received since then: a time such as 2026-11-20T00:00:00Z, or so long ago, such as 2h or 7d")
	flags.IntVar(&filter.Limit, "limit", 20, "at most so many, up to 500")
	flags.StringVar(&filter.Before, "before", "", beforeHelp)
	return cmd
}

// sinceOf reads a time, or a length of time before now; nothing is the zero time.
func sinceOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	ago, err := release.ParseDuration(text)
	if err != nil {
		return time.Time{}, usage("--since %q: want a time such as 2026-11-20T00:00:00Z, or so long ago, such as 2h or 7d", text)
	}
	return now.Add(-ago.Std()), nil
}

func (p *program) listEvents(w io.Writer, page api.EventPage) {
	if len(page.Events) == 0 {
		fmt.Fprintln(w, "No event matches.")
		return
	}
	width := p.width()
	rows, notes := [][]string{{"ID", "RECEIVED", "SOURCE", "KIND", "OUTCOME"}}, []string{}
	for _, e := range page.Events {
		kind := e.Kind
		if width > 0 {
			kind = ending(kind, kindWidth)
		}
		first, _, _ := strings.Cut(why(e), "\n")
		rows = append(rows, []string{strconv.FormatInt(e.ID, 10), e.Received.UTC().Format(shortTime), e.Source, kind, outcomeOf(e)})
		notes = append(notes, first)
	}
	if width > 0 && width < besideWidth {
		noted(w, width, notes, rows...)
	} else {
		rows[0] = append(rows[0], "WHY")
		for i, note := range notes {
			rows[i+1] = append(rows[i+1], note)
		}
		table(w, width, rows...)
	}
	more(w, page.Next)
}

const (
	// kindWidth is how much of an event's kind a terminal shows, in columns: release.requested as a whole, and of the
	// types of CloudEvents, which begin with the names of hosts, the end.
	kindWidth = 18
	// besideWidth is from how many columns on a terminal has room for the reason beside the rest.
	besideWidth = 110
)

// ending is a text with its beginning left out where it is longer than so many columns.
func ending(text string, width int) string {
	runes := []rune(progress.Clean(text))
	if len(runes) <= width {
		return string(runes)
	}
	return "…" + string(runes[len(runes)-width+1:])
}

// checkOutcome says what is wrong with the outcome that is wanted. Those that wait for one are shown as pending, and so
// they can be asked for as well.
func checkOutcome(filter *api.EventFilter) error {
	switch {
	case filter.Outcome == "":
		return nil
	case filter.Outcome == pending:
		filter.Outcome, filter.Pending = "", true
		return nil
	case !slices.Contains(api.EventOutcomes(), filter.Outcome):
		return usage("--outcome %q: there are %s, %s", filter.Outcome, pending, strings.Join(api.EventOutcomes(), ", "))
	case filter.Pending:
		return usage("--outcome %s and --pending: an event that waits has no outcome yet", filter.Outcome)
	}
	return nil
}

// pending is what an event without an outcome is shown with.
const pending = "pending"

// outcomeOf is what became of an event, in a word.
func outcomeOf(e api.Event) string {
	if e.Outcome == "" {
		return pending
	}
	return e.Outcome
}

// why is what there is to say of an outcome, or of why there is none yet.
func why(e api.Event) string {
	if e.Outcome == "" {
		return e.Postponed
	}
	return e.Message
}

func eventID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, usage("%q is not the number of an event: skyisland events list shows them", text)
	}
	return id, nil
}

func (p *program) eventsShow() *cobra.Command {
	var body bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show all that is known of an event", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := eventID(args[0])
			if err != nil {
				return err
			}
			c, err := p.client()
			if err != nil {
				return err
			}
			if body {
				return c.EventBody(cmd.Context(), id, p.bodyWriter())
			}
			event, err := c.Event(cmd.Context(), id)
			if err != nil {
				return err
			}
			return p.print(event, func(w io.Writer) { showEvent(w, event) })
		},
	}
	cmd.Flags().BoolVar(&body, "body", false, "print what was sent, byte for byte, and nothing else")
	return cmd
}

// bodyWriter takes what strangers sent. Elsewhere than on a terminal it is written as it came; a terminal would obey it.
func (p *program) bodyWriter() io.Writer {
	if _, _, terminal := p.o.Screen(); !terminal {
		return p.o.Stdout
	}
	return harmless{p.o.Stdout}
}

// harmless writes text without what terminals obey.
type harmless struct{ w io.Writer }

// Write says that all was written, as who copies wants to hear.
func (h harmless) Write(text []byte) (int, error) {
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		lines[i] = progress.Clean(line)
	}
	_, err := io.WriteString(h.w, strings.Join(lines, "\n"))
	return len(text), err
}

func showEvent(w io.Writer, e api.Event) {
	line := func(name, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		for i, part := range strings.Split(strings.TrimSpace(text), "\n") {
			if i > 0 {
				name = ""
			}
			fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-10s %s", name, progress.Clean(part)), " "))
		}
	}
	stamp := func(at time.Time) string { return at.UTC().Format(shortTime) }
	line("event", "%d", e.ID)
	line("source", "%s, %s", e.Source, e.Kind)
	line("delivery", "%s", e.Delivery)
	line("received", "%s", stamp(e.Received))
	if e.About != nil {
		line("about", "%s", about(*e.About))
	}
	size := fmt.Sprintf("%d bytes", e.BodySize)
	if e.BodyPruned != nil {
		size += ", forgotten " + stamp(*e.BodyPruned)
	}
	line("body", "%s", size)
	if e.ReplayOf != 0 {
		text := fmt.Sprintf("event %d", e.ReplayOf)
		if e.Again {
			text += ", for another release"
		}
		if e.AskedBy != nil {
			text += ", asked for by " + e.AskedBy.Name
		}
		line("replay of", "%s", text)
	}
	line("outcome", "%s", outcomeOf(e))
	if why(e) != "" {
		line("why", "%s", why(e))
	}
	for _, id := range e.Releases {
		line("release", "%s", id)
	}
	if e.Attempts > 0 {
		line("attempts", "%d in vain", e.Attempts)
	}
	if e.Settled != nil {
		line("settled", "%s", stamp(*e.Settled))
	} else if e.Due != nil {
		line("due", "%s", stamp(*e.Due))
	}
	for _, id := range e.Replays {
		line("replayed", "as event %d", id)
	}
}

// about is what an event is about, in a line.
func about(e api.EventAbout) string {
	what := []string{e.Application, e.Repository}
	if e.Application == e.Repository {
		what = what[:1]
	}
	what = append(what, release.RefName(e.Ref), shortHash(e.Commit))
	if e.Who != "" {
		what = append(what, "by "+e.Who)
	}
	return strings.Join(slices.DeleteFunc(what, func(s string) bool { return s == "" }), ", ")
}

func (p *program) eventsReplay() *cobra.Command {
	var order api.ReplayBody
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "replay ID",
		Short: "Hand an event on once more, as another event, and wait for its outcome",
		Long: "Hand an event on once more, as another event, and wait for its outcome. The first keeps its own.\n\n" +
			"What was refused or ignored is released if it can be by now. What has its release is a duplicate, unless --again asks for another.",
		Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := eventID(args[0])
			if err != nil {
				return err
			}
			c, err := p.client()
			if err != nil {
				return err
			}
			if order.Request == "" {
				order.Request = rand.Text()
			}
			event, err := c.ReplayEvent(cmd.Context(), id, order)
			if err != nil {
				return err
			}
			if event, err = followEvent(cmd.Context(), c, event, wait); err != nil {
				return err
			}
			if err := p.print(event, func(w io.Writer) { tellEventReplay(w, event) }); err != nil {
				return err
			}
			return replayEnded(event, wait)
		},
	}
	cmd.Flags().BoolVar(&order.Again, "again", false, "ask for another release where the event has one")
	cmd.Flags().DurationVar(&wait, "wait", 10*time.Second, "how long to wait for the outcome; 0 does not")
	cmd.Flags().StringVar(&order.Request, "request", "", "a name for this wish: the same one again is the same replay")
	return cmd
}

// The pauses between two looks at an event that waits for its outcome.
const (
	firstLook = 50 * time.Millisecond
	mostLook  = time.Second
)

// followEvent looks at an event until it has its outcome, for as long as somebody waits.
func followEvent(ctx context.Context, c *client.Client, event api.Event, wait time.Duration) (api.Event, error) {
	waited := time.NewTimer(wait)
	defer waited.Stop()
	for pause := firstLook; event.Outcome == "" && wait > 0; pause = min(2*pause, mostLook) {
		select {
		case <-ctx.Done():
			return event, ctx.Err()
		case <-waited.C:
			return event, nil
		case <-time.After(pause):
		}
		var err error
		if event, err = c.Event(ctx, event.ID); err != nil {
			return event, err
		}
	}
	return event, nil
}

func tellEventReplay(w io.Writer, e api.Event) {
	fmt.Fprintf(w, "event %d repeats event %d: %s\n", e.ID, e.ReplayOf, outcomeOf(e))
	for text := range strings.Lines(why(e)) {
		fmt.Fprintln(w, "  "+progress.Clean(strings.TrimRight(text, "\n")))
	}
}

// replayEnded ends the program with the code of what became of a replay.
func replayEnded(e api.Event, wait time.Duration) error {
	switch {
	case e.Outcome == "refused":
		return &exitError{code: ExitRefused}
	case e.Outcome == "" && wait > 0:
		return fmt.Errorf("event %d has no outcome after %s, and goes on without you: skyisland events show %d tells", e.ID, wait, e.ID)
	}
	return nil
}
