package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
)

// lastEntries is how much of a release's story an answer tells: a chat is no log.
const lastEntries = 5

// status says how a release is.
func (d *Desk) status(ctx context.Context, word notify.Word, id release.ID, by release.Actor) (notify.Reply, error) {
	status, err := d.Releases.Status(ctx, id)
	if errors.Is(err, release.ErrNotFound) {
		return d.refuse(ctx, word, id, by, fmt.Sprintf("there is no release %s", id))
	}
	if err != nil {
		return notify.Reply{}, err
	}
	return notify.Reply{Text: describe(status), Ask: status.Ask}, nil
}

// describe is a status in a few lines of plain text.
func describe(s release.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is %s", s.ID, s.Phase)
	if s.Paused {
		b.WriteString(", paused")
	}
	if s.Phase.MovesTraffic() {
		fmt.Fprintf(&b, ", %s at the candidate", s.Weight)
	}
	fmt.Fprintf(&b, ": commit %s by %s", s.Commit[:min(12, len(s.Commit))], s.Requester)
	if s.PlanHash != "" {
		fmt.Fprintf(&b, ", plan %s", s.PlanHash[:min(12, len(s.PlanHash))])
	}
	if s.Waiting != nil {
		fmt.Fprintf(&b, "\nwaits for %s", s.Waiting.For)
	}
	if s.Cause != nil {
		fmt.Fprintf(&b, "\nwhy: %s", s.Cause.Message)
	}
	if s.Evidence != nil {
		fmt.Fprintf(&b, "\nevidence: %s", s.Evidence.Sentence)
	}
	for _, entry := range s.Timeline[max(0, len(s.Timeline)-lastEntries):] {
		fmt.Fprintf(&b, "\n%s  %s", entry.At.UTC().Format("15:04:05"), entry.Message)
	}
	return b.String()
}
